//! Whole flows through the real router.

mod account;
mod attestation;
mod authorization_details;
mod authorize;
mod backchannel;
mod ciba;
mod client;
mod client_assertion;
mod client_documents;
mod client_keys;
mod client_registration;
mod deletion;
mod device;
mod discovery;
mod dpop;
mod dpop_resources;
mod encrypted_requests;
mod encryption;
mod enrolment;
mod export;
mod factors;
mod fapi;
mod front_channel;
mod fuzz;
mod initiate_login;
mod interaction;
mod jwt_bearer;
mod language;
mod login;
mod logos;
mod logout;
mod logout_watch;
mod mutual_tls;
mod mutual_tls_aliases;
mod outage;
mod pairwise;
mod passkey_account;
mod passkeys;
mod pushed;
mod refresh;
mod request_objects;
mod request_uris;
mod resource;
mod resources;
mod rooms;
mod secrets;
mod setup;
mod signed_responses;
mod software_statement;
mod step_up;
mod token;
mod token_exchange;

use crate::support::browser::Answer;

/// An error page: its status, no redirect.
#[track_caller]
fn assert_page(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status, "{answer:#?}");
    assert_eq!(answer.header("location"), None);
    assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{answer:#?}");
    assert!(answer.header("content-security-policy").unwrap().contains("form-action 'none'"));
}
