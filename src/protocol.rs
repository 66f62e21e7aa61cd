//! Pure protocol logic: what the standards say, as types and functions of their input alone.
//!
//! Nothing here does I/O, reads a clock or draws a random number: such values are arguments.

pub mod access_token;
pub mod audience;
pub mod authentication;
pub mod authorization_request;
pub mod authorize;
pub mod checks;
pub mod claims;
pub mod claims_request;
pub mod client;
pub mod client_assertion;
pub mod client_auth;
pub mod client_registration;
pub mod confirmation;
pub mod confusable;
pub mod device;
pub mod dpop;
pub mod email_address;
pub mod end_session;
pub mod error;
pub mod foreign_jwk;
pub mod id;
pub mod id_token;
pub mod introspection;
pub mod jwk;
pub mod jwt;
pub mod logout_token;
pub mod metadata;
pub mod outbound_url;
pub mod params;
pub mod pkce;
pub mod profile;
pub mod prompt;
pub mod public_address;
pub mod pushed_request;
pub mod redirect_uri;
pub mod request_object;
pub mod request_uri;
pub mod resource;
pub mod resource_registration;
pub mod response_mode;
pub mod scope;
pub mod session_state;
pub mod sign_in_name;
pub mod time;
