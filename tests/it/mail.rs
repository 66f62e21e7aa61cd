//! Mail: the outbox, how letters read, and what sends them.

mod letters;
mod outbox;
mod process;
mod sending;

use ostiary::config::Secret;
use ostiary::outbound::mail::{Factor, Mail, Message};
use ostiary::protocol::email_address::EmailAddress;
use ostiary::protocol::time::Timestamp;

/// The code in every mail that has one.
const CODE: &str = "271828";

fn mail_to(to: &str, message: Message) -> Mail {
    Mail { to: EmailAddress::parse(to).unwrap(), locale: None, user_id: None, message }
}

/// A message of every kind, and those of each kind that read differently.
fn every_message() -> Vec<Message> {
    let code = || Secret::from(CODE.to_owned());
    let at = Timestamp::from_seconds(1_795_317_480);
    let passkey = Factor::Passkey { name: "My <phone> & \"key\"\r\nBcc: x@example.com".to_owned() };
    vec![
        Message::RegisterCode { code: code() },
        Message::AccountExists,
        Message::VerifyEmail { code: code() },
        Message::ChangeEmail { code: code() },
        Message::EmailChanged { new_address: "b…@example.org".to_owned() },
        Message::ResetPassword { code: code() },
        Message::NoPassword,
        Message::PasswordChanged,
        Message::PasswordRemoved,
        Message::NewDevice { device: "Firefox on Linux".to_owned(), address: "2001:db8::1".to_owned(), at },
        Message::FactorAdded { what: Factor::Totp },
        Message::FactorAdded { what: Factor::RecoveryCodes },
        Message::FactorAdded { what: passkey.clone() },
        Message::FactorRemoved { what: Factor::Totp },
        Message::FactorRemoved { what: Factor::RecoveryCodes },
        Message::FactorRemoved { what: passkey },
        Message::FactorsReset,
        Message::RecoveryCodeUsed { left: 0 },
        Message::RecoveryCodeUsed { left: 1 },
        Message::RecoveryCodeUsed { left: 7 },
        Message::PasskeySuspicious { name: "Laptop".to_owned() },
        Message::PasswordLocked,
        Message::Invitation { link: Secret::from("https://id.example/invitation?token=t0ken".to_owned()) },
        Message::Asked {
            client: "Call <centre> & \"till\"\r\nBcc: x@example.com".to_owned(),
            binding_message: Some("W4SCT".to_owned()),
            request: "r".repeat(43),
        },
        Message::DeletionScheduled { due: at },
        Message::AccountDeleted,
        Message::Test,
    ]
}
