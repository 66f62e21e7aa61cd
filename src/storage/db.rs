//! One interface to two databases: pools, transactions, and the group commit of SQLite.
