//! What each person allowed each client.
