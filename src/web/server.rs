//! The accept loop: time-outs, limits, graceful shutdown.
