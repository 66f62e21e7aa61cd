//! The root, and the master keys that open it (H7; behaviours 2, "master-key rotation interrupted").

mod backup;
mod command;
mod evidence;
mod root;
mod running;
