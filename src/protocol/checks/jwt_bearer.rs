//! Checks of the JWT bearer grant (RFC 7523 §2.1).

use super::target::ASKED;
use super::{Group, check};

pub const JWT_BEARER: Group = Group {
    name: "Assertion about a person",
    checks: &[
        check("confidential", &["bearer_by_public_client"], "Can the client authenticate?", "A confidential client."),
        check("bearer_given", &["parameter_missing"], "assertion", "An assertion."),
        check("bearer_form", &["bearer_malformed"], "Its form.", "A signed JWT of 16 KiB at most, without `crit`."),
        check(
            "bearer_issuer",
            &["bearer_issuer_unknown"],
            "Who made it?",
            "An `iss` that is in `jwt_bearer.issuers`, character by character.",
        ),
        check(
            "bearer_client",
            &["bearer_client_not_allowed"],
            "May the client bring what this issuer makes?",
            "A client that is among the issuer's `clients`, or an issuer without such a list.",
        ),
        check(
            "bearer_keys",
            &["bearer_keys_unavailable"],
            "The issuer's public keys: can they be had from its jwks_uri?",
            "A jwks_uri that answers 200 with a JWK Set; see `[outbound]` for what is asked at all.",
        ),
        check("bearer_algorithm", &["bearer_algorithm_not_allowed"], "Its `alg`.", "One of the issuer's `algorithms`."),
        check("bearer_type", &["bearer_of_another_type"], "Its `typ`.", "JWT, or none."),
        check(
            "bearer_key",
            &["bearer_key_unknown"],
            "Is there the key that it names?",
            "A `kid` that is in the issuer's JWK Set, of the algorithm.",
        ),
        check("bearer_signature", &["bearer_signature_wrong"], "Its signature.", "Signing with the issuer's private key."),
        check(
            "bearer_audience",
            &["bearer_audience_mismatch"],
            "Is it meant for this server?",
            "`aud` that is this server's issuer, as text and not in a list.",
        ),
        check("bearer_subject", &["bearer_subject_missing"], "`sub`", "A `sub`: text that is not empty."),
        check("bearer_times", &["bearer_time_malformed"], "The form of `exp`, `iat` and `nbf`.", "Numbers: seconds since 1970."),
        check(
            "bearer_expiry",
            &["bearer_expired"],
            "Is it still good?",
            "An `exp` that has not passed, by a clock that is right.",
        ),
        check(
            "bearer_lifetime",
            &["bearer_lifetime_too_long"],
            "For how long is it good?",
            "An `exp` that is an hour ahead at most.",
        ),
        check(
            "bearer_begin",
            &["bearer_from_the_future"],
            "Is it good already?",
            "`iat` and `nbf` that are not ahead, by a clock that is right.",
        ),
        check("bearer_id", &["bearer_jti_missing"], "`jti`", "A `jti` of 1 to 255 bytes, another one in each assertion."),
        check(
            "person",
            &["bearer_subject_unknown", "user_disabled"],
            "Is there such a person, and are they enabled?",
            "A `sub` that is what the issuer's `subject` says, of somebody who is enabled.",
        ),
        check(
            "factors",
            &["bearer_without_factors"],
            "Does the client or a role of the person ask for a login?",
            "A client without required_acr, and a person without a role in `authentication.required_acr_by_role`: nobody logged in here.",
        ),
        check("scope_form", &["scope_malformed"], "The form of scope.", "Scope values, separated by single spaces; or none."),
        check(
            "scope",
            &["bearer_scope_not_allowed"],
            "Is it within what the issuer is trusted with and the client is registered for?",
            "Asking for values only that both have, and at least one.",
        ),
    ],
};

pub const JWT_BEARER_END: Group = Group {
    name: "Use of an assertion about a person",
    checks: &[
        ASKED,
        check(
            "bearer_target",
            &["bearer_target_not_allowed"],
            "Is the issuer trusted with tokens for these resources?",
            "Resources, or else audiences of the client, that are among the issuer's `audiences`.",
        ),
        check(
            "person_still",
            &["user_disabled", "user_being_deleted"],
            "Is the person still enabled, and means to stay?",
            "Somebody who is enabled and whose account is not about to be deleted.",
        ),
        check(
            "bearer_use",
            &["bearer_replayed"],
            "Was it used before?",
            "A new assertion for each request, with a `jti` of its own.",
        ),
    ],
};
