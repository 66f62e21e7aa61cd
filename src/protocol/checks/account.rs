//! Checks of the pages on which people look after their own accounts.

use super::login::NEW_PASSWORD;
use super::{Group, check};

pub const OWNER: Group = Group {
    name: "Owner of the account",
    checks: &[
        check(
            "password_form",
            &["password_malformed"],
            "Can it be a password?",
            "A password without control characters, of at most 1024 bytes.",
        ),
        check("password_attempts", &["too_many_passwords", "rate_limited"], "How many were tried lately?", "Waiting."),
        check("has_password", &["no_password"], "Has the account a password?", "Another factor."),
        check("password", &["wrong_password"], "Is it the password?", "The account's present password."),
        check("account_status", &["user_disabled"], "Is the account enabled?", "Enabling it: `ostiary user enable`."),
    ],
};

pub const CHANGE: Group = Group {
    name: "Change of the account",
    checks: &[
        check(
            "changes",
            &["rate_limited"],
            "How many factors or addresses were to be added to the account lately?",
            "Waiting; or a higher limit in `[rates]`.",
        ),
        check("client_id", &["client_id_malformed"], "Can it be a client?", "The form as the page showed it."),
        check(
            "language",
            &["language_unknown"],
            "Are there texts in this language?",
            "One of the languages that the page offers.",
        ),
        check(
            "enrolment",
            &["enrolment_stale"],
            "Is the secret that is being set up still good?",
            "Finishing the set-up of the authenticator app within its time.",
        ),
        check(
            "passkey_attestation",
            &["passkey_untrusted"],
            "Does an authority of `passkeys.attestation_ca_file` vouch for the authenticator?",
            "An authenticator of one of those makers, of a model of `passkeys.attestation_models`.",
        ),
        check("passkey_free", &["passkey_taken"], "Has somebody this passkey already?", "A passkey that is not set up here."),
        check("passkey_count", &["passkey_too_many"], "How many passkeys are there?", "Removing one first."),
        check(
            "new_password",
            NEW_PASSWORD,
            "Is the new password as good as it has to be?",
            "A password as `[password]` asks for.",
        ),
        check("new_address", &["address_refused", "address_domain_refused"], "Can it be the new address?", "An e-mail address."),
        check("repetition_of_password", &["repetition_differs"], "Are both passwords the same?", "The same password twice."),
        check(
            "factor_needed",
            &["factor_required", "last_factor"],
            "Could the person still log in, as strongly as they have to?",
            "Another factor first.",
        ),
        check(
            "name_to_delete",
            &["deletion_name_differs"],
            "Was the account's own name typed, to delete it?",
            "The sign-in name, as the page shows it.",
        ),
        check(
            "administrators",
            &["last_administrator"],
            "Would an administrator be left?",
            "Giving somebody else the same roles first.",
        ),
        check("still_there", &["not_found"], "Is what is to be changed still there?", "Looking at the page again."),
    ],
};

pub const ADMINISTRATOR: Group = Group {
    name: "Administrator",
    checks: &[check(
        "role",
        &["role_missing"],
        "Has the person a role that gives something to administer?",
        "A role of `admin.roles`.",
    )],
};
