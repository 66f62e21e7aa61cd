//! Checks of connecting a device (RFC 8628).

use super::target::{ASKED, DETAILS_ASKED};
use super::{Group, check};

pub const DEVICE_REQUEST: Group = Group {
    name: "Request of a device",
    checks: &[
        check(
            "device_grant",
            &["device_grant_not_registered"],
            "May the client connect devices?",
            "Registering it with the grant type urn:ietf:params:oauth:grant-type:device_code.",
        ),
        ASKED,
        DETAILS_ASKED,
        check("scope_form", &["scope_malformed"], "The form of scope.", "Scope values, separated by single spaces; or none."),
        check(
            "scope",
            &["scope_not_registered"],
            "May the client have what it asks for?",
            "Asking for values only that the client is registered for, or registering it for more.",
        ),
        check("scope_left", &["scope_empty"], "Is anything asked for?", "At least one scope value that this server knows."),
    ],
};

pub const USER_CODE: Group = Group {
    name: "Code of a device as typed",
    checks: &[
        check(
            "user_code_attempts",
            &["rate_limited"],
            "How many codes were typed in this browser and from this address lately?",
            "Waiting for as long as Retry-After says; or a higher limit in `[rates]`.",
        ),
        check("user_code_form", &["user_code_malformed"], "Can it be a code?", "The eight letters that the device shows."),
        check(
            "user_code",
            &["user_code_unknown"],
            "Does a device wait with it?",
            "A code that a device shows now: it is good for ten minutes, and for one decision.",
        ),
    ],
};

pub const DEVICE_DECISION: Group = Group {
    name: "Decision about a device",
    checks: &[check(
        "device_waits",
        &["user_code_ended"],
        "Does the device still wait?",
        "Deciding within ten minutes, and once: the device shows a new code when it begins again.",
    )],
};

pub const DEVICE_CODE: Group = Group {
    name: "Device code",
    checks: &[
        check("device_code_given", &["parameter_missing"], "device_code", "A device_code."),
        check("waiting", &["device_code_unknown"], "Was it given out here?", "A device code of this server's, complete."),
        check("waiting_client", &["device_code_of_another_client"], "Was it given to this client?", "The client that began."),
        check(
            "waiting_use",
            &["device_code_used"],
            "Was it used before?",
            "A device code that was not used. What the first use gave out has been revoked: the device must begin again.",
        ),
        check(
            "waiting_decision",
            &["device_denied"],
            "Did the person say no?",
            "A person who allows it; nor may they have changed the password or shut the application out since.",
        ),
        check("waiting_age", &["device_code_expired"], "Is it still good?", "Deciding and asking within ten minutes."),
        check(
            "waiting_poll",
            &["device_polls_too_fast", "authorization_pending"],
            "Did the device wait for as long as it was told to, and has its person decided?",
            "Asking again after `interval` seconds, which each slow_down makes five more.",
        ),
        check("person", &["user_disabled"], "Is the person enabled?", "Enabling the person: `ostiary user enable`."),
    ],
};
