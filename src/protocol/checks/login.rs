//! Checks of whoever logs in. What is told to the person is one sentence for all of them.

use super::{Check, Group, check};

/// Of a name and a password.
pub const PASSWORD: Group = Group {
    name: "Name and password",
    checks: &[
        check(
            "password_form",
            &["password_malformed"],
            "Can it be a password?",
            "A password without control characters, of at most 1024 bytes.",
        ),
        check(
            "attempts",
            &["rate_limited"],
            "How many attempts came from this address lately?",
            "Waiting for as long as Retry-After says; or a higher limit in `[rates]`.",
        ),
        check(
            "proof_of_work",
            &["proof_of_work_missing"],
            "Does the address have to prove work?",
            "A solution of the challenge that the page shows, which scripts find by themselves; or waiting.",
        ),
        check("account", &["unknown_user"], "Is there such an account?", "A sign-in name or a proved address that somebody has."),
        check("has_password", &["no_password"], "Has the account a password?", "A passkey, or a reset of the password."),
        check(
            "account_limit",
            &["account_throttled"],
            "How many attempts at this account came lately, from devices that are not known?",
            "Waiting; a device that the person used before, or a passkey.",
        ),
        check(
            "lock",
            &["password_locked"],
            "Does the password open anything at the moment?",
            "The end of the lock, a device that the person used before, a passkey, a reset, or an administrator's release.",
        ),
        check("password", &["wrong_password"], "Is it the account's password?", "The password, or a reset of it."),
        check("account_status", &["user_disabled"], "Is the account enabled?", "Enabling it: `ostiary user enable`."),
    ],
};

const PASSKEY_ANSWER: &[Check] = &[
    check("passkey_form", &["passkey_malformed"], "Is it the answer of an authenticator?", "An answer that follows WebAuthn."),
    check(
        "passkey_frame",
        &["passkey_cross_origin"],
        "Was it asked for by a page of another site?",
        "A page of this server, not within another site's.",
    ),
    check(
        "challenge",
        &["passkey_challenge_foreign", "passkey_wrong_challenge"],
        "Was this challenge given to this browser?",
        "The challenge of this very page.",
    ),
    check(
        "challenge_age",
        &["passkey_challenge_expired"],
        "Is the challenge still good?",
        "Answering within a few minutes, or opening the page anew.",
    ),
    check("passkey", &["passkey_unknown"], "Is it known here?", "A passkey that was set up here, and not removed since."),
    check("passkey_owner", &["passkey_other_owner"], "Is it that person's?", "A passkey of the account that is logged in to."),
    check(
        "passkey_row",
        &["passkey_unreadable"],
        "Can what is stored of it be read?",
        "Setting the passkey up anew: the stored key is damaged.",
    ),
    check(
        "passkey_proof",
        &[
            "passkey_wrong_type",
            "passkey_wrong_origin",
            "passkey_wrong_rp_id",
            "passkey_user_not_present",
            "passkey_user_not_verified",
            "passkey_backup_flags",
            "passkey_algorithm",
            "passkey_signature",
        ],
        "Does the answer prove that its owner has it?",
        "An answer for this origin, signed with the passkey's own key; by a verified user, where that is required (`passkeys.user_verification`).",
    ),
    check(
        "challenge_use",
        &["passkey_challenge_spent"],
        "Was the challenge used before?",
        "A challenge that was not used: opening the page anew gives one.",
    ),
];

/// Of a passkey that tells who it is.
pub const PASSKEY: Group = Group {
    name: "Passkey",
    checks: &[
        PASSKEY_ANSWER[0],
        PASSKEY_ANSWER[1],
        PASSKEY_ANSWER[2],
        PASSKEY_ANSWER[3],
        PASSKEY_ANSWER[4],
        PASSKEY_ANSWER[5],
        PASSKEY_ANSWER[6],
        PASSKEY_ANSWER[7],
        PASSKEY_ANSWER[8],
        check("account_status", &["user_disabled"], "Is the account enabled?", "Enabling it: `ostiary user enable`."),
    ],
};

pub const PASSKEY_QUESTION: Group = Group {
    name: "Browser that asks for a challenge",
    checks: &[check(
        "browser",
        &["browser_unknown"],
        "Has the browser a cookie of its own?",
        "Opening the login page first, with cookies allowed.",
    )],
};

/// Of whatever stands beside the first factor.
pub const SECOND_FACTOR: Group = Group {
    name: "Second factor",
    checks: &[
        check("code_form", &["code_malformed"], "Can it be a code?", "Six digits of the authenticator app, or a recovery code."),
        check(
            "code_attempts",
            &["too_many_codes", "rate_limited"],
            "How many codes were tried lately, for this login, account and address?",
            "Waiting, then beginning again with the password.",
        ),
        PASSKEY_ANSWER[0],
        PASSKEY_ANSWER[1],
        PASSKEY_ANSWER[2],
        PASSKEY_ANSWER[3],
        PASSKEY_ANSWER[4],
        PASSKEY_ANSWER[5],
        PASSKEY_ANSWER[6],
        PASSKEY_ANSWER[7],
        PASSKEY_ANSWER[8],
        check(
            "code",
            &["wrong_code"],
            "Is it right at this time?",
            "The code that the app shows now, on a device whose clock is right; or a recovery code that was not used.",
        ),
    ],
};

/// In the transaction that begins the session.
pub const SESSION: Group = Group {
    name: "Beginning of the session",
    checks: &[
        check("code_use", &["code_replayed"], "Was the code used before?", "The next code of the app, or another recovery code."),
        check(
            "unchanged",
            &["changed_meanwhile"],
            "Is the person still as they were when the factor was checked?",
            "Logging in again: the password or the account was changed in the meantime.",
        ),
    ],
};

/// What a new password may be refused for.
pub(super) const NEW_PASSWORD: &[&str] = &[
    "password_empty",
    "password_too_short",
    "password_too_long",
    "password_invalid_character",
    "password_is_sign_in_name",
    "password_from_context",
    "password_common",
    "password_breached",
    "password_too_weak",
    "password_lacks_lowercase",
    "password_lacks_uppercase",
    "password_lacks_digit",
    "password_lacks_symbol",
    "password_uncheckable",
];

/// What somebody who wants an account, or theirs back, typed.
pub const REGISTRATION: Group = Group {
    name: "Registration",
    checks: &[
        check(
            "registration",
            &["registration_closed"],
            "May people register here, in this way?",
            "`registration.mode`, or an invitation that was not used.",
        ),
        check("repetition_of_password", &["repetition_differs"], "Are both passwords the same?", "The same password twice."),
        check(
            "limit",
            &["rate_limited"],
            "How many registered lately from this address?",
            "Waiting; or a higher limit in `[rates]`.",
        ),
        check(
            "proof_of_work",
            &["proof_of_work_missing"],
            "Does the address have to prove work?",
            "A solution of the challenge that the page shows, which scripts find by themselves; or waiting.",
        ),
        check(
            "name",
            &["name_refused"],
            "Can it be a sign-in name?",
            "A name as `registration.identifier` asks for, of at most 254 bytes.",
        ),
        check(
            "address",
            &["address_refused", "address_domain_refused"],
            "Can it be an e-mail address, and may it register?",
            "An address of a domain that `registration.allowed_domains` allows; with an invitation, the one that was invited.",
        ),
        check("new_password", NEW_PASSWORD, "Is the password as good as it has to be?", "A password as `[password]` asks for."),
        check("name_free", &["name_taken"], "Is the name free?", "Another name."),
    ],
};

/// Of a code that was mailed.
pub const MAILED_CODE: Group = Group {
    name: "Mailed code",
    checks: &[
        check("mail", &["mail_off"], "Is mail sent at all?", "`mail.transport`."),
        check("code_attempts", &["rate_limited"], "How many codes were tried lately?", "Waiting, or another code."),
        check(
            "code_known",
            &["code_unknown"],
            "Is there a code that waits, for this browser?",
            "A code that is no older than ten minutes, in the browser that asked for it.",
        ),
        check(
            "address_unchanged",
            &["address_changed"],
            "Is it still the address of the account?",
            "A code for the address that the account has now.",
        ),
        check(
            "code",
            &["code_wrong"],
            "Is it right?",
            "The newest code that was mailed; after five wrong ones it counts no longer.",
        ),
        check(
            "still_free",
            &["taken_meanwhile"],
            "Is what was wanted still free?",
            "Registering again: the name, the address or the invitation was used by somebody else in the meantime.",
        ),
        check(
            "recovery",
            &["recovery_closed"],
            "Was a code shown, for a new password?",
            "Showing the mailed code first, in the same browser, and setting the password soon after.",
        ),
    ],
};

pub const SETUP: Group = Group {
    name: "Set-up link",
    checks: &[check(
        "setup_link",
        &["setup_link_dead"],
        "Does the link still work?",
        "The link of the server's last start, within the hour, while there is no administrator.",
    )],
};
