//! Checks of the logout endpoint, and of the page that asks.

use super::{Group, check, sometimes};

/// What is answered with a page: nobody is logged out, and nobody redirected.
pub const END_SESSION: Group = Group {
    name: "Logout request",
    checks: &[
        check(
            "id_token_hint_length",
            &["id_token_hint_too_long"],
            "The length of id_token_hint.",
            "An id_token_hint of at most 8192 bytes.",
        ),
        check("state", &["state_invalid"], "The length of state.", "A state of at most 4096 bytes."),
        sometimes(
            "id_token_hint_encryption",
            &["id_token_hint_encrypted"],
            "Is id_token_hint encrypted?",
            "The signed ID token that the client found when it decrypted its own.",
        ),
        check(
            "id_token_hint",
            &["id_token_hint_invalid"],
            "Is id_token_hint an ID token of this server?",
            "An ID token of this issuer, signed by one of its published keys; it may have expired.",
        ),
        check(
            "client",
            &["client_unknown", "client_id_differs"],
            "Who asks?",
            "A client_id of a registered and enabled client: the one that id_token_hint is for, where there are both.",
        ),
        check(
            "post_logout_redirect_uri",
            &["post_logout_redirect_uri_mismatch"],
            "Is post_logout_redirect_uri one of those that the client is registered for?",
            "A post_logout_redirect_uri that is registered, character by character; only the port of a native application's loopback address may differ.",
        ),
    ],
};

pub const LOGOUT_FORM: Group = Group {
    name: "Form of the logout page",
    checks: &[check(
        "destination",
        &["logout_foreign"],
        "Was the page made for this session?",
        "The page as this server showed it, in the session in which it did.",
    )],
};
