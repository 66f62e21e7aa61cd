//! Sections about abuse protection: what may be done how often, and where nodes count together.

use std::path::PathBuf;

use ipnet::IpNet;

use super::rate::Rate;
use super::{Secret, section};

const MINUTE: u32 = 60;
const HOUR: u32 = 3_600;
const DAY: u32 = 86_400;

section! {
    /// Protection against abuse. How often what may be done is in `[rates]`.
    LimitsConfig {
        /// Whether anything is limited at all. Off is for measurements.
        enabled: bool = true;
        /// Networks that many people share (the gateways of an office, a school, a mobile operator): five times the rates.
        shared_networks: Vec<IpNet> = Vec::new();
        /// Networks that people seldom sit in (hosting, Tor exits): a quarter of the rates, and logging in or registering
        /// needs a proof of work from the first attempt on.
        datacentre_networks: Vec<IpNet> = Vec::new();
        /// A file with more `datacentre_networks`, one on a line; `#` begins a comment. Read at the start.
        datacentre_file: PathBuf = PathBuf::new();
        /// Bits of a proof of work: each one more doubles it. 18 to 22.
        proof_of_work_bits: u8 = 20;
        /// Failed logins without a success between them, after which the password opens nothing on devices that are not
        /// known, until it is reset, or a passkey is used, or an administrator releases it. 100 at most (NIST SP 800-63B).
        lock_after: u32 = 100;
        /// Hours an address is kept out that failed at too many accounts (`rates.login_accounts`).
        block_hours: u32 = 24;
        /// Logins that may wait out their delay at the same time; more are refused with 503.
        max_delayed: usize = 512;
        /// Buckets kept in memory. One takes 24 bytes.
        max_buckets: usize = 200_000;
        /// Days a browser is known by which somebody logged in.
        device_days: u32 = 180;
    }
}

section! {
    /// How often what may be done: `"10; 1/6s"` is ten at once and then one in six seconds, `"5/15m"` five in fifteen minutes.
    /// An address is one IPv4 address or one IPv6 /64; a /48 may do sixteen times as much.
    RatesConfig {
        /// Attempts to log in from one address, after which a proof of work is asked for.
        login: Rate = Rate::new(10, 1, 6);
        /// Attempts to log in from one address, proof of work or not, after which it is refused.
        login_hard: Rate = Rate::new(40, 4, 6);
        /// Attempts from one address at one account.
        login_pair: Rate = Rate::per(5, 15 * MINUTE);
        /// Failed attempts at one account, wherever they come from, after which a proof of work is asked for. The first five
        /// are free; then each has to wait, longer and longer.
        login_account: Rate = Rate::per(20, HOUR);
        /// Attempts at an account from a browser that its owner logged in with. After that it is a browser like any other.
        login_device: Rate = Rate::per(10, HOUR);
        /// Accounts at which one address may fail before it is blocked.
        login_accounts: Rate = Rate::per(15, 3 * HOUR);
        /// Logins from one address that waited instead of proving work.
        waits: Rate = Rate::new(2, 1, MINUTE);
        /// Passkeys from one address.
        passkey: Rate = Rate::new(30, 1, 2);
        /// Codes of an authenticator app or a mail: in one login, …
        code_session: Rate = Rate::per(5, HOUR);
        /// … for one account in an hour, …
        code_account_hourly: Rate = Rate::per(10, HOUR);
        /// … and in a day.
        code_account_daily: Rate = Rate::per(20, DAY);
        /// Codes from one address.
        code_address: Rate = Rate::per(60, HOUR);
        /// Recovery codes for one account.
        recovery_code: Rate = Rate::per(5, HOUR);
        /// New passwords that one mailed code opens the way for, counted as they are hashed.
        new_password: Rate = Rate::per(5, HOUR);
        /// The password typed once more, for a change of the account.
        reauthentication: Rate = Rate::per(5, 10 * MINUTE);
        /// Steps of logins, registrations and recoveries without a browser (`/api/v1/auth`) from one address, counted before they
        /// are read; logins themselves are counted by `login` and `passkey`.
        first_party: Rate = Rate::new(60, 1, 1);
        /// Factors that a person adds to their account: an authenticator app, passkeys, recovery codes, a first password. Each is
        /// told by mail.
        new_factor: Rate = Rate::per(10, HOUR);
        /// Codes that a person asks for to another address of their account, whatever addresses and wherever from.
        new_address: Rate = Rate::per(5, HOUR);
        /// Registrations from one address, after which a proof of work is asked for.
        register: Rate = Rate::per(3, HOUR);
        /// Registrations from one address, proof of work or not, after which it is refused.
        register_hard: Rate = Rate::per(12, HOUR);
        /// Registrations with addresses of one mail domain, after which a proof of work is asked for.
        register_domain: Rate = Rate::per(3, HOUR);
        /// Requests of one address for a mail: a reset, a code once more. Whoever forgot the password may then go on with a proof
        /// of work.
        mail: Rate = Rate::per(5, HOUR);
        /// Requests of one address for a new password, proof of work or not, after which it is refused.
        recover_hard: Rate = Rate::per(20, HOUR);
        /// Mails of one kind to one mailbox in an hour. More are not sent, and nobody is told.
        mailbox_hourly: Rate = Rate::per(3, HOUR);
        /// Mails of one kind to one mailbox in a day.
        mailbox_daily: Rate = Rate::per(10, DAY);
        /// Authorization requests from one address.
        authorize: Rate = Rate::new(60, 5, 1);
        /// Codes of devices that are typed in one browser, …
        user_code_session: Rate = Rate::per(5, 15 * MINUTE);
        /// … and from one address.
        user_code_address: Rate = Rate::new(30, 1, MINUTE);
        /// Codes of devices from one address that no device waits with.
        user_code_wrong: Rate = Rate::per(10, HOUR);
        /// Codes of devices that no device waits with, from all addresses together: then nobody can connect one for a moment. Far more
        /// than people mistype, and few enough to find none of the codes there are.
        user_code_wrong_everywhere: Rate = Rate::new(1_000, 10, 1);
        /// Requests of one client to people who are elsewhere: one whose secret is out must not ask all of them.
        asking_client: Rate = Rate::new(60, 30, MINUTE);
        /// Requests of clients to one person who is elsewhere, whichever clients: more would wear them down.
        asked_person: Rate = Rate::per(5, 10 * MINUTE);
        /// Requests of one client to people whom there are not.
        unknown_people: Rate = Rate::per(30, HOUR);
        /// Applications that register themselves, from one address.
        register_client: Rate = Rate::per(5, DAY);
        /// Requests of such applications about their registration, from one address, …
        find_registration: Rate = Rate::per(300, HOUR);
        /// … and by one of them.
        manage_registration: Rate = Rate::per(60, HOUR);
        /// Documents at a `client_id` that are asked for because of one address.
        client_document: Rate = Rate::new(60, 1, 5);
        /// Token requests of one public client from one address.
        token_public: Rate = Rate::new(60, 10, 1);
        /// Token requests of one client that authenticates.
        token: Rate = Rate::new(2_000, 1_000, 1);
        /// Introspections by one client.
        introspect: Rate = Rate::per(5_000, 1);
        /// Requests for userinfo with one access token.
        userinfo: Rate = Rate::new(50, 10, 1);
        /// Failed authentications as one client from one address.
        client_authentication: Rate = Rate::per(10, MINUTE);
        /// Requests to the management API with one access token or session.
        api: Rate = Rate::new(50, 10, 1);
        /// Requests to the management API from one address whose credentials count for nothing.
        api_refused: Rate = Rate::new(60, 1, 1);
    }
}

section! {
    /// Redis or Valkey, where several nodes count together. Without it each node counts by itself.
    RedisConfig {
        /// `redis://USER:PASSWORD@HOST:6379/0`, or `rediss://…` for TLS; several, with commas between them, for a cluster or for
        /// sentinels. Empty: none.
        url: Secret = Secret::default();
        /// What answers at the URL: `single`, `cluster` or `sentinel`.
        mode: RedisMode = RedisMode::Single;
        /// The name of the master that the sentinels watch.
        sentinel_master: String = "mymaster".to_owned();
        /// A file with the certificate authorities (PEM) that the server's certificate is checked against; the system's when
        /// empty.
        ca_file: PathBuf = PathBuf::new();
        /// How many nodes there are. While Redis can't be reached, each allows its share of the rates.
        expected_nodes: u32 = 1;
        /// Milliseconds an answer may take. After that the node counts by itself, for a second at least.
        timeout_ms: u64 = 20;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedisMode {
    Single,
    Cluster,
    Sentinel,
}
