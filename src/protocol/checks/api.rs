//! Checks of the JSON API.

use super::resource::{TOKEN_COUNTS, TOKEN_HELD};
use super::{Group, check};

pub const CALLER: Group = Group {
    name: "Caller of the API",
    checks: &[
        check(
            "failed_calls",
            &["rate_limited"],
            "How many calls from this address came without valid credentials lately?",
            "Waiting for as long as Retry-After says.",
        ),
        check(
            "call_limit",
            &["rate_limited"],
            "How many calls came with this token or session lately?",
            "Waiting for as long as Retry-After says; or a higher limit in `[rates]`.",
        ),
        check(
            "authorization",
            &["invalid_request"],
            "The form of the Authorization field.",
            "One Authorization field with an access token, and no token in the URL.",
        ),
        check(
            "credentials",
            &["unauthenticated"],
            "Are there credentials, and does the session count?",
            "An access token, or the cookie of a live session.",
        ),
        check(
            "csrf",
            &["csrf"],
            "With a session's cookie: was it sent by a page of this server?",
            "The X-CSRF-Token field, and no foreign Origin.",
        ),
        TOKEN_COUNTS,
        TOKEN_HELD,
        check(
            "token_audience",
            &["token_audience"],
            "Is it meant for the API?",
            "A token whose audience is the issuer followed by /api/v1.",
        ),
        check("token_user", &["user_unknown"], "Is there still such a person?", "A token of a person who was not deleted."),
    ],
};

pub const PERMISSION: Group = Group {
    name: "Permission",
    checks: &[
        check(
            "scope",
            &["insufficient_scope"],
            "Does the caller hold the scope?",
            "The scope that WWW-Authenticate names: in the token, and by the person's roles (`admin.roles`) or the client's registration; with factors as strong as the roles ask for.",
        ),
        check(
            "freshness",
            &["reauthentication_required"],
            "Did the person prove lately who they are, as strongly as they can?",
            "A login that is young enough, with the factors that WWW-Authenticate names (RFC 9470).",
        ),
        check("person", &["not_a_person"], "Is the caller a person?", "A token of a person, or a session."),
        check(
            "first_party",
            &["unauthorized_client"],
            "Is it an application of the operator's own?",
            "Registering the client as first-party.",
        ),
    ],
};

pub const CONTENT: Group = Group {
    name: "Content of a call",
    checks: &[
        check("parameters", &["invalid_parameter"], "The parameters in the URL.", "What `details` of the answer asks for."),
        check("media_type", &["unsupported_media_type"], "The Content-Type.", "application/json, not compressed."),
        check("body_size", &["too_large"], "The size of the body.", "A smaller document."),
        check("body_time", &["timeout"], "Does the body arrive in time?", "A body that arrives within `server.body_timeout`."),
        check("json", &["invalid_json", "json"], "Is it JSON?", "JSON in UTF-8, without null characters."),
        check(
            "members",
            &["invalid"],
            "The members of the document.",
            "What `details` of the answer asks for. Unknown members are refused.",
        ),
    ],
};

pub const THING: Group = Group {
    name: "State of what is called for",
    checks: &[
        check("thing", &["not_found"], "Is there such a thing, and may the caller see it?", "An id of something that is there."),
        check(
            "precondition",
            &["precondition_required"],
            "Is there an If-Match field?",
            "If-Match with the ETag of what was read.",
        ),
        check("version", &["precondition_failed", "overtaken"], "Is it still as it was read?", "Reading it again."),
        check(
            "name_free",
            &["sign_in_name_taken"],
            "Is the name free?",
            "Another name: this one, or one that looks like it, is somebody's.",
        ),
        check(
            "resource_free",
            &["resource_taken"],
            "Is the identifier free?",
            "Another identifier, or changing the one that is there.",
        ),
        check("address_free", &["email_taken"], "Is the address free?", "Another address."),
        check(
            "client_registration",
            &["client_registration_mode"],
            "May clients be registered with a token?",
            "`client_registration.mode` token.",
        ),
        check("registration", &["registration_closed"], "May anybody register?", "`registration.mode`."),
        check(
            "client_kind",
            &["public_client", "client_without_secret"],
            "Can the client have a secret?",
            "A confidential client that authenticates with a secret.",
        ),
        check(
            "reach",
            &["exceeds_caller"],
            "Would it give or touch more than the caller holds?",
            "A caller who holds all these scopes.",
        ),
        check("own_factors", &["own_factors"], "Are they the caller's own factors?", "`/api/v1/users/me`, or one's own pages."),
        check(
            "factor_needed",
            &["factor_required"],
            "Could the person still log in, as strongly as they have to?",
            "Another factor first.",
        ),
        check(
            "factor_to_stand_in_for",
            &["no_second_factor"],
            "Is there a factor that recovery codes would stand in for?",
            "Setting up an authenticator app or a passkey first.",
        ),
        check("passkey_free", &["passkey_taken"], "Has somebody this passkey already?", "A passkey that is not set up here."),
        check("passkey_count", &["too_many_passkeys"], "How many passkeys are there?", "Removing one first."),
        check(
            "address_to_prove",
            &["nothing_to_verify"],
            "Is there an address that has to be proved?",
            "An address in the account that was not proved yet.",
        ),
        check(
            "administrators",
            &["last_administrator"],
            "Would an administrator be left?",
            "Giving somebody else the same roles first.",
        ),
    ],
};

/// Of `/api/v1/auth`.
pub const FIRST_PARTY: Group = Group {
    name: "Application of the operator's own",
    checks: &[
        check(
            "first_party",
            &["unauthorized_client", "client_not_first_party"],
            "Is it an application of the operator's own?",
            "Registering the client as first-party.",
        ),
        check("scope_form", &["scope_malformed"], "The form of scope.", "Scope values, separated by single spaces."),
        check(
            "scope",
            &["scope_not_registered"],
            "May the client have what it asks for?",
            "Asking for values only that the client is registered for.",
        ),
        check(
            "scope_left",
            &["scope_empty"],
            "Is something left that is known here?",
            "At least one scope value that this server knows.",
        ),
    ],
};

pub const STEPS: Group = Group {
    name: "Steps of a login without a browser",
    checks: &[
        check(
            "credentials_of_person",
            &["invalid_credentials"],
            "Name and password.",
            "The right ones, of an account that is not locked or disabled.",
        ),
        check(
            "work",
            &["proof_of_work_required"],
            "Does the address have to prove work?",
            "The same request with a solution of the challenge in `details`.",
        ),
        check(
            "second_factor",
            &["mfa_required"],
            "Is one factor enough?",
            "A code or a passkey with the mfa_token of `details`: this is no failure, but the next step.",
        ),
        check("mfa_token", &["invalid_mfa_token"], "Does the mfa_token count?", "Beginning again with the password."),
        check(
            "second_code",
            &["invalid_code"],
            "Is the code right?",
            "The code that the app shows now, or a recovery code that was not used.",
        ),
        check(
            "second_codes",
            &["too_many_codes"],
            "How many codes were tried lately?",
            "Waiting, then beginning again with the password.",
        ),
        check(
            "passkey_answer",
            &["invalid_passkey"],
            "Is the passkey's answer right?",
            "Asking again, with new options; the entry of the audit log says what was wrong.",
        ),
        check("login", &["login_ended"], "Does the login go on?", "Logging in again: it ended, or the password was changed."),
        check(
            "browser",
            &["browser_required"],
            "Can the person do here what it takes?",
            "Sending the person to the authorization endpoint: the login needs a factor that only a browser can prove or set up.",
        ),
    ],
};
