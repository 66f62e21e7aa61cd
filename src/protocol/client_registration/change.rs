//! What an operator may call a client, and what can't be changed of one.

use super::Problem;
use crate::protocol::client::{ClientAuthMethod, ClientMetadata};
use crate::protocol::id::ClientId;

/// What is wrong with an identifier that somebody chose, if anything is.
pub fn check_id(id: &ClientId) -> Option<Problem> {
    // RFC 9068 §5: a resource server may tell people and clients apart by nothing but `sub`.
    let is_taken = uuid::Uuid::try_parse(id.as_str()).is_ok();
    let message = "must not have the form of a UUID, which is kept for people";
    is_taken.then(|| Problem { field: "client_id".to_owned(), code: "form_of_people", message: message.to_owned() })
}

/// A secret from before must not come to life again, and a client that everybody can be must not become a trusted one.
pub fn check_change(before: &ClientMetadata, after: &ClientMetadata) -> Option<Problem> {
    let is_public = |metadata: &ClientMetadata| metadata.token_endpoint_auth_method == ClientAuthMethod::None;
    let message = "can't make a public client of a confidential one, or the other way round: register another one";
    (is_public(before) != is_public(after)).then(|| Problem {
        field: "token_endpoint_auth_method".to_owned(),
        code: "public_or_confidential_for_good",
        message: message.to_owned(),
    })
}
