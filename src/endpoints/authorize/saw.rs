//! What the checks of an authorization request saw, noted for whoever explains the refusal.

use crate::protocol::client::Client;
use crate::protocol::params::Params;
use crate::telemetry::findings::{client, note};

/// Who asked, and where the answer was to go.
pub(in crate::endpoints) fn destination(params: &Params, found: Option<&Client>) {
    let presented = |name: &str| params.get(name).unwrap_or_default().to_owned();
    // Not the name of an unknown client: who mixes up the two words sends the secret there.
    let Some(found) = found else {
        note("client", "bytes", params.get("client_id").map_or(0, str::len));
        return;
    };
    client(&found.id);
    note("redirect_uri", "presented", presented("redirect_uri"));
    for registered in &found.metadata.redirect_uris {
        note("redirect_uri", "registered", registered);
    }
    note("redirect_uri", "application_type", format_args!("{:?}", found.metadata.application_type));
}

/// What else was asked for. Of what is long, or may say something about a person, only the length.
pub(in crate::endpoints) fn request(params: &Params, asking: &Client, reason: &str) {
    client(&asking.id);
    let presented = |check, name: &'static str| note(check, "presented", params.get(name).unwrap_or("nothing"));
    let length = |check, name: &'static str| note(check, "bytes", params.get(name).map_or(0, str::len));
    match reason {
        "parameter_duplicated" => note("repetition", "repeated", params.first_duplicate().unwrap_or_default()),
        "response_type_missing" | "response_type_unsupported" => presented("response_type", "response_type"),
        "grant_type_not_registered" => {
            note("grant_type", "registered", words(asking.metadata.grant_types.iter().map(|kind| kind.as_str())));
        }
        "response_type_not_registered" => {
            presented("response_type_registered", "response_type");
            let registered = &asking.metadata.response_types;
            note("response_type_registered", "registered", words(registered.iter().map(|kind| kind.as_str())));
        }
        "response_mode_invalid" => presented("response_mode", "response_mode"),
        "response_mode_unsigned" => presented("response_mode_signed", "response_mode"),
        "response_mode_query" => presented("response_mode_for_tokens", "response_mode"),
        "resource_malformed" | "resource_unknown" | "resource_not_allowed" => {
            params.values("resource").for_each(|value| note("resource", "presented", value));
        }
        _ if reason.starts_with("authorization_details_") => length("authorization_details", "authorization_details"),
        "registration" => note("unsupported", "presented", reason),
        "code_challenge_method_unsupported" => presented("code_challenge_method", "code_challenge_method"),
        "code_challenge_invalid" => length("code_challenge_form", "code_challenge"),
        "scope_malformed" => length("scope_form", "scope"),
        "scope_not_registered" | "scope_empty" => {
            let check = if reason == "scope_empty" { "scope_left" } else { "scope" };
            presented(check, "scope");
            note(check, "registered", &asking.metadata.scope);
        }
        "nonce_invalid" => length("nonce", "nonce"),
        "state_invalid" => length("state", "state"),
        "prompt_invalid" => presented("prompt", "prompt"),
        "max_age_invalid" => presented("max_age", "max_age"),
        "claims_invalid" => length("claims", "claims"),
        "id_token_hint_too_long" => length("id_token_hint_length", "id_token_hint"),
        "acr_values_too_long" => length("acr_values", "acr_values"),
        _ => {}
    }
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}
