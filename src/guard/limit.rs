//! The table of limits: what is limited, by what it is counted, and what happens beyond.
//!
//! One row a line. The rates are those of the configuration section `[rates]`; each row reads its own.

use crate::config::{Rate, RatesConfig};
use crate::telemetry::findings;

/// What somebody is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// An attempt to log in, whoever the person is. What is counted by person is in [`super::login`].
    Login,
    /// An attempt to log in with a passkey. Apart from [`Action::Login`]: wrong passwords don't close this way.
    Passkey,
    /// A code of an authenticator app or of a mail is about to be checked.
    Code,
    RecoveryCode,
    /// A password is about to be hashed that a mailed code opened the way for.
    NewPassword,
    /// Somebody who is logged in is about to type the password once more.
    Reauthenticate,
    /// A step of a login, a registration or a recovery without a browser, before it is read: those that nothing else counts by the
    /// address alone.
    FirstParty,
    Register,
    /// Somebody adds a factor to their own account: each is told by mail.
    AddFactor,
    /// Somebody asks for a code to another address of their own account, or to the one that stands there.
    ChangeAddress,
    /// Somebody who is known, or is about to be, asks for a mail: a code once more. What a mailbox gets is counted besides.
    RequestMail,
    /// Somebody who forgot the password asks for a mail.
    Recover,
    Authorize,
    /// The code of a device is about to be looked up.
    UserCode,
    /// No device waits with the code that was typed.
    FailUserCode,
    /// A client asks somebody who is elsewhere, whoever that is.
    AskSomebody,
    /// It asks this person.
    AskPerson,
    /// It named nobody.
    FailAskPerson,
    /// An application registers itself.
    RegisterClient,
    /// An application asks for its registration, or changes it, by a token that nobody has looked at yet.
    FindRegistration,
    /// It is the client's.
    ManageRegistration,
    /// The document at a `client_id` is about to be asked for.
    FetchClientDocument,
    /// The token or revocation endpoint, for a public client.
    TokenPublic,
    /// The token or revocation endpoint, for a client that authenticated.
    Token,
    Introspect,
    /// Userinfo is asked for, by a token that nobody has looked at yet.
    UserInfo,
    /// A client failed to authenticate.
    FailClientAuthentication,
    /// The management API.
    Api,
    /// The management API refused somebody's credentials.
    FailApi,
}

/// What a row counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The sender's address, adapted to its class; and its site, if it is IPv6.
    Address,
    Account,
    Client,
    ClientAndAddress,
    /// One login under way, one flow, one device.
    Session,
    MailDomain,
    Token,
    /// All senders together.
    Everybody,
}

impl Key {
    pub const fn is_of_an_address(self) -> bool {
        matches!(self, Self::Address | Self::ClientAndAddress)
    }
}

/// What happens when the bucket is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// A proof of work is asked for.
    Challenge,
    /// Refused until there is something in it again.
    Refuse,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The key in `[rates]`, and the policy's name in the `RateLimit` fields.
    pub name: &'static str,
    pub action: Action,
    pub key: Key,
    pub excess: Excess,
    pub rate: fn(&RatesConfig) -> Rate,
}

impl Limit {
    /// Says that this row refused, for whoever explains it.
    pub fn note(&self, rate: Rate) {
        // The check of src/protocol/checks that the row belongs to.
        let check = match self.action {
            Action::Login
            | Action::Passkey
            | Action::FirstParty
            | Action::Authorize
            | Action::RegisterClient
            | Action::FindRegistration => "address_limit",
            Action::FetchClientDocument => "client_document_limit",
            Action::UserCode | Action::FailUserCode => "user_code_attempts",
            Action::AskPerson => "asked_often",
            Action::FailAskPerson => "unknown_people",
            Action::Code | Action::RecoveryCode | Action::NewPassword => "code_attempts",
            Action::Reauthenticate => "password_attempts",
            Action::AddFactor | Action::ChangeAddress => "changes",
            Action::Register | Action::Recover | Action::RequestMail => "limit",
            Action::TokenPublic | Action::Token | Action::Introspect | Action::ManageRegistration | Action::AskSomebody => {
                "client_limit"
            }
            Action::FailClientAuthentication => "failed_authentications",
            Action::Api | Action::UserInfo => "call_limit",
            Action::FailApi => "failed_calls",
        };
        findings::note(check, "limit", format_args!("rates.{}: {rate}", self.name));
    }
}

macro_rules! limits {
    ($($name:ident: $action:ident by $key:ident => $excess:ident;)*) => {
        /// Every row. Those of one action are asked in this order, and none after one that refuses.
        pub const LIMITS: &[Limit] = &[$(Limit {
            name: stringify!($name),
            action: Action::$action,
            key: Key::$key,
            excess: Excess::$excess,
            rate: |rates| rates.$name,
        },)*];
    };
}

limits! {
    login: Login by Address => Challenge;
    login_hard: Login by Address => Refuse;
    passkey: Passkey by Address => Refuse;
    code_session: Code by Session => Refuse;
    code_address: Code by Address => Refuse;
    code_account_hourly: Code by Account => Refuse;
    code_account_daily: Code by Account => Refuse;
    recovery_code: RecoveryCode by Account => Refuse;
    new_password: NewPassword by Session => Refuse;
    reauthentication: Reauthenticate by Account => Refuse;
    first_party: FirstParty by Address => Refuse;
    new_factor: AddFactor by Account => Refuse;
    new_address: ChangeAddress by Account => Refuse;
    register: Register by Address => Challenge;
    register_hard: Register by Address => Refuse;
    register_domain: Register by MailDomain => Challenge;
    mail: RequestMail by Address => Refuse;
    mail: Recover by Address => Challenge;
    recover_hard: Recover by Address => Refuse;
    authorize: Authorize by Address => Refuse;
    user_code_session: UserCode by Session => Refuse;
    user_code_address: UserCode by Address => Refuse;
    user_code_wrong: FailUserCode by Address => Refuse;
    user_code_wrong_everywhere: FailUserCode by Everybody => Refuse;
    asking_client: AskSomebody by Client => Refuse;
    asked_person: AskPerson by Account => Refuse;
    unknown_people: FailAskPerson by Client => Refuse;
    register_client: RegisterClient by Address => Refuse;
    find_registration: FindRegistration by Address => Refuse;
    manage_registration: ManageRegistration by Client => Refuse;
    client_document: FetchClientDocument by Address => Refuse;
    token_public: TokenPublic by ClientAndAddress => Refuse;
    token: Token by Client => Refuse;
    introspect: Introspect by Client => Refuse;
    userinfo: UserInfo by Token => Refuse;
    client_authentication: FailClientAuthentication by ClientAndAddress => Refuse;
    api: Api by Token => Refuse;
    api_refused: FailApi by Address => Refuse;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_reads_the_rate_of_its_own_name() {
        let rates = serde_json::to_value(RatesConfig::default()).unwrap();
        for limit in LIMITS {
            assert_eq!(serde_json::to_value((limit.rate)(&RatesConfig::default())).unwrap(), rates[limit.name], "{}", limit.name);
        }
    }
}
