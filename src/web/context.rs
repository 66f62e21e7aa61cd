//! What is known of a request before it is read: trace id, address, time.
