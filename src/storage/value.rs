//! Values that both databases read and write alike.
