//! Checks of request objects.

use super::{Group, sometimes};

/// What is answered at the redirection URI beside the object, if that is one of the client's; else with a page.
pub const REQUEST_OBJECT: Group = Group {
    name: "Request object",
    checks: &[
        sometimes(
            "one_object",
            &["request_object_repeated"],
            "Is there one object at most?",
            "One request, or one request_uri (RFC 9101 section 5).",
        ),
        sometimes(
            "request_uri_registered",
            &["request_uri", "request_uri_not_registered"],
            "Has the client registered where its requests are?",
            "A request_uri that is one of the client's request_uris, or one that /par answered.",
        ),
        sometimes(
            "request_uri_content",
            &["request_uri_unavailable"],
            "Can the object be had from there?",
            "A request_uri that answers 200 with the object, of 16 KiB at most; see `[outbound]` for what is asked at all.",
        ),
        sometimes(
            "request_uri_hash",
            &["request_uri_hash_mismatch"],
            "Is it the object that the request_uri was made for?",
            "Nothing behind the # of the request_uri, or the SHA-256 of the object in base64url.",
        ),
        sometimes(
            "request_object_required",
            &["request_object_required"],
            "Does the client have to sign its requests?",
            "A signed request object: the client is registered with require_signed_request_object.",
        ),
        sometimes(
            "request_object_encryption",
            &["request_object_encryption_not_allowed"],
            "If it is encrypted: in a way that is supported, and that the client is registered with?",
            "RSA-OAEP-256, ECDH-ES or ECDH-ES+A256KW; A128CBC-HS256, A128GCM or A256GCM; the client's request_object_encryption_alg and request_object_encryption_enc, if it has any; neither zip nor crit.",
        ),
        sometimes(
            "request_object_decrypted",
            &["request_object_encrypted_for_another_key", "request_object_undecipherable"],
            "Does it decrypt?",
            "An object that is encrypted for the key of this server's JWKS whose use is enc; kid names it.",
        ),
        sometimes(
            "request_object_signed",
            &["request_object_unsigned"],
            "Did somebody sign it?",
            "A signature; or registering the client with request_object_signing_alg none, and not encrypting the object.",
        ),
        sometimes(
            "request_object_keys",
            &["request_object_keys_unavailable"],
            "Can the client's keys be had?",
            "A jwks_uri that answers with a JWK Set.",
        ),
        sometimes(
            "request_object_form",
            &["request_object_malformed"],
            "Is it a JWT?",
            "A JWT in compact serialization of at most 16 KiB, whose payload is an object (RFC 9101 section 4). One that is encrypted holds one that is signed.",
        ),
        sometimes(
            "request_object_algorithm",
            &["request_object_algorithm_not_allowed"],
            "Is it signed with the algorithm that the client is registered with?",
            "The client's request_object_signing_alg; without one, RS256, PS256, ES256 or EdDSA; with the profile fapi2, not RS256.",
        ),
        sometimes(
            "request_object_type",
            &["request_object_of_another_type"],
            "Is it meant as a request object?",
            "The typ oauth-authz-req+jwt, or JWT, or none.",
        ),
        sometimes(
            "request_object_key",
            &["request_object_key_unknown"],
            "Has the client such a key?",
            "A key of the client's jwks or jwks_uri; kid names it where there are several.",
        ),
        sometimes(
            "request_object_signature",
            &["request_object_signature_wrong"],
            "Did the client sign it?",
            "A signature of the key that the header names.",
        ),
        sometimes(
            "request_object_client",
            &["request_object_of_another_client"],
            "Is it the request of the client that asks?",
            "The claim client_id, and in a signed object iss: both the client_id beside the object.",
        ),
        sometimes(
            "request_object_subject",
            &["request_object_is_an_assertion"],
            "Was it made to authenticate with?",
            "No sub with the client_id: that is an assertion (RFC 9101 section 10.8).",
        ),
        sometimes(
            "request_object_audience",
            &["request_object_audience_mismatch"],
            "Is it meant for this server?",
            "An aud that holds the issuer; an unsigned object may have none.",
        ),
        sometimes("request_object_times", &["request_object_time_malformed"], "exp, iat and nbf", "Numbers of seconds, or none."),
        sometimes("request_object_expiry", &["request_object_expired"], "Is it still good?", "An exp that is to come."),
        sometimes(
            "request_object_begin",
            &["request_object_from_the_future"],
            "Is it good already?",
            "iat and nbf that are past: both clocks have to be right, to ten seconds.",
        ),
        sometimes(
            "request_object_lifetime",
            &["request_object_unlimited", "request_object_lifetime_too_long"],
            "Of a client with the profile fapi2_message_signing: how long is it good for?",
            "An nbf of the last 60 minutes, and an exp at most 60 minutes after it.",
        ),
        sometimes(
            "request_object_inside",
            &["request_object_nested"],
            "Is there another one inside?",
            "An object without request and request_uri (RFC 9101 section 4).",
        ),
        sometimes(
            "request_object_parameters",
            &["request_object_parameter_malformed"],
            "Are its claims parameters?",
            "Texts, numbers, or what is JSON in a query too; at most 64.",
        ),
        sometimes(
            "response_type_beside",
            &["response_type_differs"],
            "Is response_type beside the object the same?",
            "The same response_type, or none.",
        ),
    ],
};
