//! Checks of the resources that tokens are for.

use super::{Check, Group, check};

/// At the authorization endpoint and at the token endpoint.
pub const ASKED: Check = check(
    "resource",
    &["resource_malformed", "resource_unknown", "resource_not_allowed"],
    "Is resource an API that the client may have tokens for?",
    "An absolute URI without fragment that is one of the client's audiences, the issuer, or a registered resource that is open: `ostiary resource list` (RFC 8707).",
);

/// At both endpoints too.
pub const DETAILS_ASKED: Check = check(
    "authorization_details",
    &[
        "authorization_details_malformed",
        "authorization_details_type_unknown",
        "authorization_details_type_not_allowed",
        "authorization_details_not_of_type",
    ],
    "Are authorization_details as their types have them, and may the client have them?",
    "A JSON array of objects whose type a resource is registered with, that its schema accepts; a client that is registered for the type, or an open resource; and tokens that are for this resource (RFC 9396).",
);

/// Of a token that comes of what was agreed to before.
pub const DETAILS_GRANTED: Check = check(
    "authorization_details_granted",
    &["authorization_details_not_granted"],
    "Were these details granted?",
    "Objects of authorization_details that the authorization request had, or the subject_token has, and that the client may still have; or none.",
);

/// What a token is for.
pub const RESOURCE: Group = Group {
    name: "Resource",
    checks: &[
        ASKED,
        check(
            "resource_granted",
            &["resource_not_granted"],
            "Was it granted?",
            "A resource that the authorization request named; where it named none, one of the client's audiences.",
        ),
        DETAILS_ASKED,
        DETAILS_GRANTED,
    ],
};
