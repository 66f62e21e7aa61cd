//! Checks of the endpoints that clients call directly.

use super::{Group, check, client_document, sometimes};

/// Who the client is.
pub const CLIENT: Group = Group {
    name: "Client authentication",
    checks: &[
        check(
            "credentials_repeated",
            &["parameter_duplicated"],
            "Were credentials given more than once?",
            "Each of client_id, client_secret, client_assertion and client_assertion_type once.",
        ),
        check(
            "one_method",
            &["client_authentication_twice"],
            "Is it one method?",
            "A secret in the Authorization field, a secret in the body, or an assertion: one of them (RFC 6749 section 2.3).",
        ),
        sometimes(
            "assertion",
            &["client_assertion_incomplete"],
            "Is there an assertion with its type?",
            "client_assertion and client_assertion_type together (RFC 7521 section 4.2).",
        ),
        sometimes(
            "assertion_kind",
            &["client_assertion_type_unsupported"],
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer (RFC 7523 section 2.2).",
        ),
        sometimes(
            "assertion_form",
            &["client_assertion_malformed"],
            "The form of client_assertion.",
            "A signed JWT of 16 KiB at most, without `crit`, whose `sub` is the client_id.",
        ),
        sometimes(
            "authorization_scheme",
            &["authorization_scheme_unsupported"],
            "The scheme of the Authorization field.",
            "Basic.",
        ),
        sometimes(
            "basic",
            &["authorization_header_malformed"],
            "The form of the Authorization field.",
            "base64 of client_id and secret, each form-encoded, with a colon between them (RFC 6749 section 2.3.1).",
        ),
        check(
            "one_client",
            &["client_ids_differ"],
            "Do header or assertion and body name one client?",
            "The same client_id in both, or in the header or the assertion alone.",
        ),
        sometimes(
            "secret_without_id",
            &["client_id_missing"],
            "client_secret without client_id",
            "A client_id beside the client_secret.",
        ),
        check(
            "credentials",
            &["client_authentication_missing"],
            "Are there any credentials?",
            "The Authorization field, or client_id in the body.",
        ),
        check(
            "failed_authentications",
            &["rate_limited"],
            "How often did this fail lately, for this client from this address?",
            "Waiting for as long as Retry-After says.",
        ),
        client_document::LIMIT,
        check(
            "client",
            &["client_unknown"],
            "Is there such a client?",
            "The client_id of a registered client: `ostiary client list`. Or the URL of its document, as at the authorization endpoint.",
        ),
        check(
            "authentication_method",
            &["client_authentication_method_not_registered"],
            "Is it the method that the client is registered with?",
            "The client's token_endpoint_auth_method, or registering it with this one.",
        ),
        sometimes(
            "secret",
            &["client_secret_wrong"],
            "Is it one of the client's valid secrets?",
            "A secret that counts: `ostiary client reset-secret` makes a new one.",
        ),
        sometimes(
            "client_keys",
            &["client_keys_unavailable"],
            "The client's public keys: can they be had from its jwks_uri?",
            "A jwks_uri that answers 200 with a JWK Set; see `[outbound]` for what is asked at all.",
        ),
        sometimes(
            "assertion_algorithm",
            &["client_assertion_algorithm_not_allowed"],
            "The assertion's `alg`.",
            "The client's token_endpoint_auth_signing_alg; without one RS256, PS256, ES256 or EdDSA, or HS256 for client_secret_jwt.",
        ),
        sometimes(
            "assertion_type",
            &["client_assertion_of_another_type"],
            "The assertion's `typ`.",
            "JWT, client-authentication+jwt, or none.",
        ),
        sometimes(
            "assertion_key",
            &["client_assertion_key_unknown"],
            "Is there the key that the assertion names?",
            "A `kid` that is in the client's jwks or at its jwks_uri, of the algorithm; for client_secret_jwt a secret that was made since the client has this method.",
        ),
        sometimes(
            "assertion_signature",
            &["client_assertion_signature_wrong"],
            "The assertion's signature.",
            "Signing with the private key of the one that is registered; for client_secret_jwt with the secret's text.",
        ),
        sometimes(
            "assertion_client",
            &["client_assertion_issuer_is_not_the_client"],
            "Does the client speak for itself?",
            "`iss` and `sub` that are both the client_id (RFC 7523 section 3).",
        ),
        sometimes(
            "assertion_audience",
            &["client_assertion_audience_mismatch"],
            "Is the assertion meant for this server?",
            "`aud` that is the issuer, as text and not in a list; with legacy_assertion_audience also the token endpoint's URL.",
        ),
        sometimes(
            "assertion_times",
            &["client_assertion_time_malformed"],
            "The form of `exp`, `iat` and `nbf`.",
            "Numbers: seconds since 1970.",
        ),
        sometimes(
            "assertion_expiry",
            &["client_assertion_expired"],
            "Is the assertion still good?",
            "An `exp` that has not passed, by a clock that is right.",
        ),
        sometimes(
            "assertion_lifetime",
            &["client_assertion_lifetime_too_long"],
            "For how long is it good?",
            "An `exp` that is an hour ahead at most.",
        ),
        sometimes(
            "assertion_begin",
            &["client_assertion_from_the_future"],
            "Is it good already?",
            "`iat` and `nbf` that are not ahead, by a clock that is right.",
        ),
        sometimes(
            "assertion_id",
            &["client_assertion_jti_missing"],
            "`jti`",
            "A `jti` of 1 to 255 bytes, another one in each assertion.",
        ),
        sometimes(
            "certificate",
            &["client_certificate_missing"],
            "For tls_client_auth and self_signed_tls_client_auth: is there a certificate?",
            "A connection with the client's certificate, which `tls.client_auth` or `server.client_certificate_header` lets the server see.",
        ),
        sometimes(
            "certificate_authority",
            &["client_certificate_untrusted"],
            "tls_client_auth: does somebody vouch for it, now and for clients?",
            "A certificate of an authority in `tls.client_ca_file`, with the whole chain, within its time.",
        ),
        sometimes(
            "certificate_subject",
            &["client_certificate_of_another_subject"],
            "Whose is it?",
            "A certificate that names what is registered for the client (RFC 8705 section 2.1.2).",
        ),
        sometimes(
            "certificate_age",
            &["client_certificate_expired"],
            "self_signed_tls_client_auth: is it within its time?",
            "A certificate that is good already and still.",
        ),
        sometimes(
            "certificate_key",
            &["client_certificate_unknown"],
            "Is its key one of the client's?",
            "A certificate of a key in the client's jwks or at its jwks_uri: P-256, Ed25519, or RSA.",
        ),
        check("client_status", &["client_disabled"], "Is the client enabled?", "Enabling the client: `ostiary client enable`."),
        sometimes(
            "assertion_use",
            &["client_assertion_replayed"],
            "Was the assertion used before?",
            "A new assertion for each request, with a `jti` of its own.",
        ),
    ],
};

pub const RATE: Group = Group {
    name: "Limit by client",
    checks: &[check(
        "client_limit",
        &["rate_limited"],
        "How many such requests did the client send lately?",
        "Waiting for as long as Retry-After says; or a higher limit in `[rates]`.",
    )],
};

pub const GRANT: Group = Group {
    name: "Grant type",
    checks: &[
        check("grant_type_given", &["parameter_missing"], "grant_type", "A grant_type."),
        check(
            "grant_type",
            &["grant_type_unknown"],
            "Is it one that there is?",
            "One of grant_types_supported of the server's metadata.",
        ),
        check(
            "grant_type_allowed",
            &["grant_type_not_allowed"],
            "May the client use it?",
            "Registering the client with this grant type.",
        ),
    ],
};

pub const CODE: Group = Group {
    name: "Authorization code",
    checks: &[
        check("code_given", &["parameter_missing"], "code", "A code."),
        check(
            "code",
            &["code_unknown"],
            "Was it given out here?",
            "A code of this server's, complete. One whose person logged out is forgotten.",
        ),
        check(
            "code_client",
            &["code_of_another_client"],
            "Was it given to this client?",
            "The client that the person logged in to.",
        ),
        check(
            "code_use",
            &["code_replayed"],
            "Was it used before?",
            "A code that was not used. What the first use gave out has been revoked: the person must log in again.",
        ),
        check("code_age", &["code_expired"], "Is it still good?", "Redeeming it within `tokens.authorization_code` seconds."),
        check(
            "code_key",
            &["code_of_another_key"],
            "Is it redeemed with the key that it was asked for with?",
            "A DPoP proof by the key of the authorization request's dpop_jkt (RFC 9449 section 10).",
        ),
        check(
            "redirect_uri",
            &["redirect_uri_mismatch"],
            "Is redirect_uri that of the authorization request?",
            "The same redirect_uri, character by character.",
        ),
        check(
            "code_verifier_given",
            &["code_verifier_missing"],
            "code_verifier",
            "The code_verifier of this login (RFC 7636 section 4.5).",
        ),
        check(
            "code_verifier",
            &["code_verifier_mismatch"],
            "Is it what the challenge was made of?",
            "43 to 128 characters whose SHA-256 is the code_challenge of the same login.",
        ),
    ],
};

pub const REFRESH: Group = Group {
    name: "Refresh token",
    checks: &[
        check("refresh_token_given", &["parameter_missing"], "refresh_token", "A refresh_token."),
        check(
            "refresh_token",
            &["refresh_token_unknown"],
            "Was it given out here?",
            "A refresh token of this server's, complete.",
        ),
        check(
            "refresh_token_client",
            &["refresh_token_of_another_client"],
            "Was it given to this client?",
            "The client that it was given to.",
        ),
        check(
            "refresh_token_key",
            &["refresh_token_of_another_key"],
            "Is it used with what it was bound to?",
            "A DPoP proof by the key, or a connection with the certificate, that the first tokens were asked for with.",
        ),
        check(
            "grant",
            &["grant_revoked"],
            "Does its grant still count?",
            "A new login: the person, the client, an administrator or a replayed token ended this one.",
        ),
        check(
            "idle",
            &["refresh_token_expired"],
            "When was it last used?",
            "Using it within `tokens.refresh_token_idle`; now, a new login.",
        ),
        check("grant_age", &["grant_expired"], "How old is the login?", "A new login: `tokens.refresh_token_absolute` is over."),
        check(
            "person",
            &["user_disabled", "user_unknown"],
            "Is the person enabled?",
            "Enabling the person: `ostiary user enable`.",
        ),
        check(
            "still_allowed",
            &["refresh_not_allowed_any_more"],
            "May the client still have refresh tokens?",
            "Registering the client with the grant type refresh_token and the scope offline_access.",
        ),
        check(
            "factors",
            &["acr_required_since", "acr_required_by_role_since"],
            "Is the login as strong as the client and the person's roles ask for now?",
            "A new login with the factors that the client's required_acr and `authentication.required_acr_by_role` ask for.",
        ),
        check("scope_form", &["scope_malformed"], "The form of scope.", "Scope values, separated by single spaces; or none."),
        check(
            "scope",
            &["scope_wider_than_granted"],
            "Is it within what was granted?",
            "Asking for no more than the person agreed to and the client is registered for.",
        ),
        check(
            "refresh_token_use",
            &["refresh_token_replayed"],
            "Was it replaced by another one that was used?",
            "The newest token of its family. The whole family has been revoked: the person must log in again.",
        ),
    ],
};

pub const CLIENT_CREDENTIALS: Group = Group {
    name: "Client credentials",
    checks: &[
        check("confidential", &["client_credentials_by_public_client"], "Can the client authenticate?", "A confidential client."),
        check("scope_form", &["scope_malformed"], "The form of scope.", "Scope values, separated by single spaces; or none."),
        check(
            "scope_person",
            &["scope_needs_a_person"],
            "Does it concern a person?",
            "No openid, profile, email, address, phone or offline_access: there is no person.",
        ),
        check(
            "scope",
            &["scope_not_allowed"],
            "May the client have what it asks for?",
            "Asking for values only that the client is registered for, or registering it for more.",
        ),
    ],
};

pub const INTROSPECTION: Group = Group {
    name: "Caller of introspection",
    checks: &[check(
        "confidential",
        &["introspection_by_public_client"],
        "Can the client authenticate?",
        "A confidential client.",
    )],
};

pub const TOKEN: Group = Group {
    name: "Token that is asked about",
    checks: &[check("token_given", &["token_missing"], "token", "The parameter token.")],
};

pub const OWN_TOKEN: Group = Group {
    name: "Owner of the token",
    checks: &[check(
        "token_client",
        &["token_of_another_client"],
        "Was it given to this client?",
        "The client that it was given to.",
    )],
};
