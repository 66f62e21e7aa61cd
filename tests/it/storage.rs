//! What the storage promises, on both databases.

mod group_commit;
