//! Checks of clients that register themselves.

use super::{Group, check};

pub const REGISTRATION_TOKEN: Group = Group {
    name: "Token to register with",
    checks: &[
        check(
            "token_form",
            &["token_given_twice", "token_in_query", "authorization_malformed"],
            "How was the token presented?",
            "One token, in the Authorization field.",
        ),
        check("token_given", &["token_missing"], "Is there one?", "An Authorization field with Bearer and the token."),
        check(
            "token",
            &["registration_token_invalid"],
            "Is it one that was given out, and for this?",
            "To register: a token of `ostiary client registration-token` that has uses left. To manage a registration: the registration_access_token of this very client, while it is enabled.",
        ),
    ],
};

pub const CLIENT_METADATA: Group = Group {
    name: "Client metadata",
    checks: &[
        check(
            "json",
            &["media_type", "body_encoded", "body_too_large", "body_timeout", "body_incomplete", "json"],
            "Is the body JSON?",
            "A JSON object in application/json, of at most 64 KiB.",
        ),
        check(
            "software_statement",
            &[
                "software_statement_required",
                "software_statement_malformed",
                "software_statement_unapproved",
                "software_statement_unverified",
                "software_statement_expired",
                "software_statement_audience",
                "software_statement_undated",
                "software_statement_of_nothing",
            ],
            "If it brings a software statement: is it signed by somebody who is trusted with that, for this server, and in its time? Does it bring one, if it has to?",
            "A software_statement of an issuer of `client_registration.software_statement_issuers`, with `exp` or a young `iat` and one of software_id, redirect_uris, jwks and jwks_uri; or none where `client_registration.require_software_statement` is not set.",
        ),
        check(
            "metadata_form",
            &["client_metadata_form"],
            "Is it an object?",
            "An object of client metadata (RFC 7591 section 2).",
        ),
        check(
            "members",
            &["client_metadata_malformed"],
            "Have its members the types and values that they may have?",
            "Members as RFC 7591 section 2 and OpenID Connect Registration section 2 describe them.",
        ),
        check(
            "grants",
            &["grant_types_refused", "response_types_mismatch"],
            "Are grant_types and response_types for such a client, and do they go together?",
            "authorization_code, with refresh_token or without, and response_types code.",
        ),
        check(
            "client_metadata",
            &["client_metadata_refused", "redirect_uri_refused"],
            "Would an administrator be allowed to register the same?",
            "What the notes of this check ask for.",
        ),
        check(
            "credentials",
            &["client_id_or_secret_differs", "client_method_for_good", "client_without_secret"],
            "Are the client's own credentials left as they are?",
            "The client_id of the registration, its client_secret or none, and a method that it has the credentials for, of a public client the method none.",
        ),
    ],
};
