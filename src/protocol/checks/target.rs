//! Checks of the resources that tokens are for.

use super::{Check, Group, check};

/// At the authorization endpoint and at the token endpoint.
pub const ASKED: Check = check(
    "resource",
    &["resource_malformed", "resource_unknown", "resource_not_allowed"],
    "Is resource an API that the client may have tokens for?",
    "An absolute URI without fragment that is one of the client's audiences, the issuer, or a registered resource that is open: `ostiary resource list` (RFC 8707).",
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
    ],
};
