//! What can be said by mail.

use serde::{Deserialize, Serialize};

use crate::config::Secret;
use crate::protocol::time::{Seconds, Timestamp};

/// How long a code works, and so how long it is worth sending.
const CODE: Seconds = Seconds::minutes(10);

/// How long it is tried to tell somebody about something that has happened.
const NOTICE: Seconds = Seconds::days(3);

macro_rules! messages {
    ($($(#[$doc:meta])* $variant:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })? = $kind:literal, $lifetime:expr;)*) => {
        /// One message with what it tells.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Message {
            $($(#[$doc])* $variant $({ $($(#[$field_doc])* $field: $type,)* })?,)*
        }

        impl Message {
            /// Every kind.
            pub const KINDS: &'static [&'static str] = &[$($kind,)*];

            /// The stable word for it: in the outbox, in the audit log, and before its texts.
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $kind,)* }
            }

            /// How long it is worth sending.
            pub const fn lifetime(&self) -> Seconds {
                match self { $(Self::$variant { .. } => $lifetime,)* }
            }
        }
    };
}

messages! {
    /// The code that proves the address of somebody who registers.
    RegisterCode { code: Secret, } = "register_code", CODE;
    /// Somebody wanted to register with an address that has an account.
    AccountExists = "account_exists", NOTICE;
    /// The code that proves the address of somebody who has an account.
    VerifyEmail { code: Secret, } = "verify_email", CODE;
    /// The code that proves a new address, sent to that.
    ChangeEmail { code: Secret, } = "change_email", CODE;
    /// To the old address.
    EmailChanged {
        /// Masked: whoever reads the old mailbox need not learn it.
        new_address: String,
    } = "email_changed", NOTICE;
    /// The code with which a new password is set.
    ResetPassword { code: Secret, } = "reset_password", CODE;
    /// Somebody asked for a new password for a reader who logs in with passkeys only.
    NoPassword = "no_password", NOTICE;
    PasswordChanged = "password_changed", NOTICE;
    /// The reader logs in with passkeys only.
    PasswordRemoved = "password_removed", NOTICE;
    /// A login from a device that was not seen before.
    NewDevice {
        /// Browser and system, as far as known.
        device: String,
        /// The network address.
        address: String,
        at: Timestamp,
    } = "new_device", NOTICE;
    FactorAdded { what: Factor, } = "factor_added", NOTICE;
    FactorRemoved { what: Factor, } = "factor_removed", NOTICE;
    /// An administrator took all second factors away.
    FactorsReset = "factors_reset", NOTICE;
    RecoveryCodeUsed {
        /// How many are left.
        left: u32,
    } = "recovery_code_used", NOTICE;
    /// A passkey's counter went back: there may be a copy of it.
    PasskeySuspicious {
        /// As its owner named it.
        name: String,
    } = "passkey_suspicious", NOTICE;
    /// So many wrong passwords came that it opens nothing on unknown devices for a while.
    PasswordLocked = "password_locked", NOTICE;
    /// The link to a page on which the reader registers.
    Invitation { link: Secret, } = "invitation", NOTICE;
    /// A client asks the reader, who is elsewhere.
    Asked {
        client: String,
        /// What the client says that it is about.
        binding_message: Option<String>,
        /// Which request it is, for the link.
        request: String,
    } = "asked", CODE;
    DeletionScheduled {
        /// Until then a login takes it back.
        due: Timestamp,
    } = "deletion_scheduled", NOTICE;
    /// An administrator tries whether mail can be sent.
    Test = "test", CODE;
    /// The last word to whoever had an account.
    AccountDeleted = "account_deleted", NOTICE;
}

/// What proves somebody besides a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// An authenticator app.
    Totp,
    RecoveryCodes,
    Passkey {
        /// As its owner named it.
        name: String,
    },
}
