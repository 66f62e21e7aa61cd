//! Checks of a request as such, whatever it asks for.

use super::{Check, Group, check};

/// By the head alone.
pub const HEAD: Group = Group {
    name: "Head of the request",
    checks: &[
        check("http", &["malformed_request"], "Is it HTTP/1.1?", "A request that follows RFC 9112."),
        check("target_length", &["uri_too_long"], "The length of path and query.", "A target of at most 8 KiB."),
        check("head_size", &["headers_too_large"], "The size of all header fields.", "At most 16 KiB of header fields."),
        check("host", &["host_missing"], "The Host field.", "One Host field, and no more (RFC 9112 section 3.2)."),
        check("route", &["not_found"], "Is there anything at this path?", "A path of this server."),
        check(
            "method",
            &["method_not_allowed"],
            "May it be asked for in this way?",
            "A method that the Allow field of the answer names.",
        ),
    ],
};

/// Of a page that anybody may open.
pub const ADDRESS: Group = Group {
    name: "Limit by address",
    checks: &[check(
        "address_limit",
        &["rate_limited"],
        "How many such requests came from this address lately?",
        "Waiting for as long as Retry-After says; or a higher limit in `[rates]`.",
    )],
};

const ENCODING: &[Check] = &[
    check("parameter_count", &["parameters_too_many"], "How many parameters are there?", "At most 64 parameters."),
    check(
        "parameter_encoding",
        &["parameters_encoding"],
        "Are they form-encoded UTF-8?",
        "Parameters in application/x-www-form-urlencoded, in UTF-8.",
    ),
    check("parameter_null", &["parameters_null"], "Does one hold a null character?", "Parameters without null characters."),
];

pub const QUERY: Group = Group { name: "Parameters of the query", checks: ENCODING };

pub const BODY: Group = Group {
    name: "Body of a form",
    checks: &[
        check("media_type", &["media_type"], "The Content-Type.", "One Content-Type: application/x-www-form-urlencoded."),
        check("content_encoding", &["body_encoded"], "The Content-Encoding.", "A body that is not compressed."),
        check("body_size", &["body_too_large"], "The size of the body.", "At most 64 KiB."),
        check(
            "body_time",
            &["body_timeout"],
            "Does the body arrive in time?",
            "A body that arrives within `server.body_timeout`.",
        ),
        check("body_end", &["body_incomplete"], "Does all of it arrive?", "A body that is as long as its Content-Length says."),
        ENCODING[0],
        ENCODING[1],
        ENCODING[2],
    ],
};

/// Of an endpoint that clients call.
pub const CREDENTIALS_IN_QUERY: Group = Group {
    name: "Query of an endpoint for clients",
    checks: &[check(
        "query_credentials",
        &["credentials_in_query"],
        "Are there credentials in the URL?",
        "Credentials in the Authorization field or in the body: URLs are logged on the way.",
    )],
};

pub const UNREPEATED: Group = Group {
    name: "Repeated parameters",
    checks: &[check(
        "repetition",
        &["parameter_duplicated"],
        "Was a parameter given more than once?",
        "Each parameter once (RFC 6749 section 3.1, section 3.2); `resource` and `audience` may be repeated.",
    )],
};

/// Of a form of our own.
pub const CSRF: Group = Group {
    name: "Origin of a form",
    checks: &[check(
        "csrf",
        &["csrf"],
        "Was the form made for this browser, and sent from this site?",
        "The form as this server showed it, sent by the same browser, with its cookies: opening the page anew makes another one.",
    )],
};

/// A request to the authorization endpoint that is under way.
pub const FLOW: Group = Group {
    name: "Login under way",
    checks: &[
        check(
            "flow",
            &["flow_foreign"],
            "Was this login begun in this browser?",
            "The browser, with its cookies, in which the application began the login.",
        ),
        check(
            "flow_age",
            &["flow_expired"],
            "How long ago did it begin?",
            "Finishing within `tokens.authorization_request`, or beginning again at the application.",
        ),
        check("flow_client", &["client_disabled"], "Does its client still count?", "A client that is registered and enabled."),
    ],
};

/// The server's own trouble, which may come at any point.
pub const FAULTS: Group = Group {
    name: "Faults of the server",
    checks: &[
        check(
            "capacity",
            &["overloaded"],
            "Is there room to hash one more password?",
            "Trying again in a moment; or more of `password.max_concurrent`.",
        ),
        check(
            "database",
            &["storage_unavailable"],
            "Does the database answer?",
            "A database that answers: the log names the cause under this trace id.",
        ),
        check(
            "fault",
            &["internal_error"],
            "Did the server do what it should?",
            "The log names the cause under this trace id: it is a fault of the server's.",
        ),
    ],
};
