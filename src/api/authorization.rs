//! Who may call the management API, and for what.
