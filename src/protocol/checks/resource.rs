//! Checks of access tokens where they open something, and of proofs of possession.

use super::{Check, Group, check, sometimes};

pub const BEARER: Group = Group {
    name: "Access token as presented",
    checks: &[
        check("token_in_query", &["token_in_query"], "Is it in the URL?", "The Authorization field: URLs are logged on the way."),
        check(
            "one_token",
            &["token_given_twice"],
            "Was it presented once?",
            "One Authorization field, or one access_token in the body (RFC 6750 section 2).",
        ),
        check(
            "authorization_form",
            &["authorization_malformed"],
            "The form of the Authorization field.",
            "Authorization: Bearer TOKEN, or DPoP TOKEN.",
        ),
        check("token_given", &["token_missing"], "Is there a token?", "An access token."),
        check(
            "call_limit",
            &["rate_limited"],
            "How often was it presented lately?",
            "Waiting for as long as Retry-After says; or a higher limit in `[rates]`.",
        ),
    ],
};

/// Wherever an access token of ours opens something.
pub const TOKEN_COUNTS: Check = check(
    "token",
    &["token_inactive"],
    "Does the token count?",
    "A token of this server's that is not expired or revoked, of a person and a client that are enabled.",
);

pub const TOKEN_HELD: Check = check(
    "token_binding",
    &[
        "token_without_proof",
        "bound_token_in_body",
        "token_not_bound",
        "token_to_be_bound",
        "token_of_another_key",
        "token_of_another_certificate",
    ],
    "Does the sender hold what the token is bound to?",
    "For a token with `cnf`: the scheme DPoP and a proof by its key, or a connection with its certificate. For any other one the scheme Bearer.",
);

/// Wherever a proof may be sent. Requests without one go through none of it.
pub const PROOF: Group = Group {
    name: "DPoP proof",
    checks: &[
        sometimes("dpop_one", &["dpop_proof_given_twice"], "Is there one proof?", "One DPoP field at most."),
        sometimes("dpop_form", &["dpop_proof_malformed"], "Its form.", "A signed JWT of 16 KiB at most, without `crit`."),
        sometimes("dpop_algorithm", &["dpop_algorithm_not_allowed"], "`alg`", "RS256, PS256, ES256 or EdDSA."),
        sometimes("dpop_type", &["dpop_proof_of_another_type"], "`typ`", "dpop+jwt."),
        sometimes(
            "dpop_key",
            &["dpop_key_unusable"],
            "`jwk`",
            "A public key for the algorithm, without private members; RSA of 2048 to 8192 bits.",
        ),
        sometimes("dpop_signature", &["dpop_signature_wrong"], "Its signature.", "Signing with the private key of `jwk`."),
        sometimes("dpop_method", &["dpop_method_mismatch"], "`htm`", "The request's method, in capitals."),
        sometimes(
            "dpop_url",
            &["dpop_url_mismatch"],
            "`htu`",
            "The request's URL, as clients know it: the issuer's origin and the path.",
        ),
        sometimes("dpop_time", &["dpop_time_malformed"], "The form of `iat`.", "A number: seconds since 1970."),
        sometimes(
            "dpop_age",
            &["dpop_proof_too_old", "dpop_proof_from_the_future"],
            "When was it made?",
            "An `iat` that is not a minute away, by a clock that is right.",
        ),
        sometimes("dpop_token", &["dpop_token_mismatch"], "With an access token: `ath`", "The token's SHA-256 in base64url."),
        sometimes("dpop_id", &["dpop_jti_missing"], "`jti`", "A `jti` of 1 to 255 bytes, another one in each proof."),
        sometimes(
            "dpop_nonce",
            &["dpop_nonce_required"],
            "`nonce`, where `dpop.require_nonce` asks for one.",
            "The `nonce` of the answer's DPoP-Nonce field: libraries send the request again with it.",
        ),
        sometimes("dpop_use", &["dpop_proof_replayed"], "Was the proof used before?", "A new proof for each request."),
        sometimes(
            "dpop_given",
            &["dpop_proof_missing"],
            "Is there a proof where there has to be one?",
            "A DPoP field, for a client with dpop_bound_access_tokens and beside the scheme DPoP.",
        ),
    ],
};

/// What tokens are bound to, beside [`PROOF`].
pub const CERTIFICATE: Group = Group {
    name: "Certificate of the connection",
    checks: &[sometimes(
        "certificate_given",
        &["certificate_missing"],
        "For tls_client_certificate_bound_access_tokens: is there a certificate?",
        "A connection with a certificate.",
    )],
};

/// At the endpoint for pushed requests.
pub const PUSHED_KEY: Group = Group {
    name: "Key of a pushed request",
    checks: &[check(
        "dpop_jkt_key",
        &["dpop_jkt_of_another_key"],
        "Is dpop_jkt that of the proof?",
        "The thumbprint of the proof's key, or no dpop_jkt.",
    )],
};

pub const USERINFO: Group = Group {
    name: "Access token at userinfo",
    checks: &[
        TOKEN_COUNTS,
        TOKEN_HELD,
        check(
            "token_audience",
            &["token_of_another_resource"],
            "Is it meant for this server?",
            "A token whose audience is the issuer.",
        ),
        check("token_scope", &["openid_scope_missing"], "Has it the scope openid?", "A login with the scope openid."),
    ],
};
