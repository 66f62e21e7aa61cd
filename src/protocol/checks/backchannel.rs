//! Checks of requests to people who are elsewhere (OpenID Connect CIBA Core 1.0).

use super::target::{ASKED, DETAILS_ASKED};
use super::{Group, check, sometimes};

pub const BACKCHANNEL_REQUEST: Group = Group {
    name: "Request to a person elsewhere",
    checks: &[
        check(
            "backchannel_grant",
            &["backchannel_grant_not_registered"],
            "May the client ask people?",
            "A confidential client with the grant type urn:openid:params:grant-type:ciba and a backchannel_token_delivery_mode.",
        ),
        check(
            "backchannel_signed",
            &["backchannel_request_unsigned", "backchannel_request_unregistered", "backchannel_request_mixed"],
            "Is the request signed as the client is registered?",
            "request, and nothing beside it, of a client with backchannel_authentication_request_signing_alg; no request of others.",
        ),
        sometimes(
            "backchannel_request_form",
            &["backchannel_request_malformed"],
            "The form of request.",
            "A signed JWT of 16 KiB at most whose claims are the parameters.",
        ),
        sometimes(
            "backchannel_request_keys",
            &["backchannel_request_keys_unavailable"],
            "The client's public keys: can they be had from its jwks_uri?",
            "A jwks_uri that answers 200 with a JWK Set; see `[outbound]` for what is asked at all.",
        ),
        sometimes(
            "backchannel_request_algorithm",
            &["backchannel_request_algorithm_not_allowed"],
            "Its `alg`.",
            "The client's backchannel_authentication_request_signing_alg.",
        ),
        sometimes("backchannel_request_type", &["backchannel_request_of_another_type"], "Its `typ`.", "JWT, or none."),
        sometimes(
            "backchannel_request_key",
            &["backchannel_request_key_unknown"],
            "Is there the key that it names?",
            "A `kid` that is in the client's jwks or at its jwks_uri, of the algorithm.",
        ),
        sometimes(
            "backchannel_request_signature",
            &["backchannel_request_signature_wrong"],
            "Its signature.",
            "Signing with the private key of the one that is registered.",
        ),
        sometimes(
            "backchannel_request_client",
            &["backchannel_request_of_another_client"],
            "Whose is it?",
            "`iss` that is the client_id, and no `sub` that is.",
        ),
        sometimes(
            "backchannel_request_audience",
            &["backchannel_request_audience_mismatch"],
            "Is it meant for this server?",
            "`aud` that is this server's issuer, or holds it.",
        ),
        sometimes(
            "backchannel_request_times",
            &[
                "backchannel_request_time_malformed",
                "backchannel_request_expired",
                "backchannel_request_lifetime_too_long",
                "backchannel_request_from_the_future",
            ],
            "Is it good now?",
            "`iat`, `nbf` and `exp`, of which the last is an hour ahead at most, by a clock that is right.",
        ),
        sometimes(
            "backchannel_request_id",
            &["backchannel_request_jti_missing"],
            "`jti`",
            "A `jti` of 1 to 255 bytes, another one in each request.",
        ),
        sometimes("backchannel_request_use", &["backchannel_request_replayed"], "Was it used before?", "A new one each time."),
        ASKED,
        DETAILS_ASKED,
        check("scope_form", &["scope_malformed"], "The form of scope.", "Scope values, separated by single spaces; or none."),
        check(
            "scope",
            &["scope_not_registered"],
            "May the client have what it asks for?",
            "Asking for values only that the client is registered for, or registering it for more.",
        ),
        check(
            "scope_left",
            &["scope_empty", "backchannel_scope_without_openid"],
            "Is it a login?",
            "openid, and whatever else is needed.",
        ),
        check(
            "hint",
            &["backchannel_hint_missing", "backchannel_hints_several", "login_hint_token_unsupported"],
            "Who is asked?",
            "login_hint or id_token_hint, and one of them.",
        ),
        check(
            "binding_message",
            &["binding_message_invalid"],
            "binding_message",
            "1 to 100 characters without any that hide or reorder others; or none.",
        ),
        check("acr_values", &["acr_values_too_long"], "acr_values", "1024 bytes at most; or none."),
        check("requested_expiry", &["requested_expiry_invalid"], "requested_expiry", "A positive number of seconds; or none."),
        check(
            "notification_token",
            &["notification_token_invalid"],
            "client_notification_token, of a client that is to be told",
            "A bearer token of 1024 characters at most.",
        ),
        check(
            "unknown_people",
            &["rate_limited"],
            "How often did the client name nobody lately?",
            "Waiting for as long as Retry-After says; or a higher limit in `[rates]`.",
        ),
        sometimes(
            "id_token_hint",
            &["id_token_hint_invalid"],
            "id_token_hint",
            "An ID token that this server gave this client. It may have expired.",
        ),
        check(
            "asked_person",
            &["backchannel_person_unknown"],
            "Is there such a person?",
            "What somebody signs in with who is enabled, or an ID token about them.",
        ),
        check(
            "asked_no",
            &["backchannel_denied_lately"],
            "Did this person say no to this client lately?",
            "Waiting for an hour: who said no is not asked again before.",
        ),
        check(
            "asked_often",
            &["rate_limited"],
            "How often was this person asked lately?",
            "Waiting for as long as Retry-After says; or a higher limit in `[rates]`.",
        ),
    ],
};

pub const BACKCHANNEL_DECISION: Group = Group {
    name: "Decision about a request",
    checks: &[check(
        "request_waits",
        &["backchannel_ended"],
        "Does the client still wait?",
        "Deciding before it expires, and once: the client asks anew.",
    )],
};

pub const AUTH_REQ_ID: Group = Group {
    name: "Request that was put to a person",
    checks: &[
        check("auth_req_id_given", &["parameter_missing"], "auth_req_id", "An auth_req_id."),
        check("waiting", &["auth_req_id_unknown"], "Was it given out here?", "An auth_req_id of this server's, complete."),
        check("waiting_client", &["auth_req_id_of_another_client"], "Was it given to this client?", "The client that asked."),
        check(
            "waiting_use",
            &["auth_req_id_used"],
            "Was it used before?",
            "An auth_req_id that was not used. What the first use gave out has been revoked: the client must ask again.",
        ),
        check(
            "waiting_decision",
            &["backchannel_denied"],
            "Did the person say no?",
            "A person who allows it; nor may they have changed the password or shut the application out since.",
        ),
        check("waiting_age", &["auth_req_id_expired"], "Is it still good?", "Deciding and asking within `expires_in` seconds."),
        check(
            "waiting_poll",
            &["backchannel_polls_too_fast", "authorization_pending"],
            "Did the client wait for as long as it was told to, and has the person decided?",
            "Asking again after `interval` seconds, which each slow_down makes five more.",
        ),
        check("person", &["user_disabled"], "Is the person enabled?", "Enabling the person: `ostiary user enable`."),
    ],
};
