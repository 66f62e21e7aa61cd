//! Background work.

pub mod cleanup;
pub mod clock_watch;
mod courier;
pub mod deletion;
pub mod imitation;
pub mod key_rotation;
pub mod mail;
pub mod notices;
mod pace;
pub mod retention;
pub mod sealer;
pub mod traces;
