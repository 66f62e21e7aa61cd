//! Which claims about a person are told (OpenID Connect Core §5.4, §5.5).

pub use super::profile::{Address, InvalidProfile, Profile};
