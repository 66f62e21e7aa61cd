//! One file per OAuth and OpenID Connect endpoint.

mod admission;
pub mod authorize;
pub mod backchannel_authentication;
pub mod check_session;
pub mod client_registration;
pub mod device_authorization;
pub mod discovery;
pub mod end_session;
pub mod health;
pub mod introspect;
pub mod jwks;
pub mod limit;
pub mod metrics;
pub mod par;
pub mod refusal;
pub mod revoke;
pub mod token;
pub mod userinfo;
