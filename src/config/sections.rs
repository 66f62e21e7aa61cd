//! The sections, one declaration each.

mod client_registration;
mod jwt_bearer;
mod legacy;
mod mail;
mod outbound;
mod passkeys;
mod password;
mod registration;
mod telemetry;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use super::{Secret, section};
use crate::protocol::authentication::Acr;
use crate::protocol::client::Algorithm;
use crate::protocol::scope::Scope;

pub use client_registration::{
    ClientIdMetadataDocumentsConfig, ClientRegistrationConfig, ClientRegistrationMode, McpConfig, StatementIssuer,
};
pub use jwt_bearer::{JwtBearerConfig, SubjectIs, TrustedIssuer};
pub use legacy::LegacyConfig;
pub use mail::{MailConfig, MailTls, MailTransport};
pub use outbound::OutboundConfig;
pub use passkeys::{PasskeysConfig, UserVerification};
pub use password::{CharacterKind, PasswordConfig};
pub use registration::{Identifier, RegistrationConfig, RegistrationMode};
pub use telemetry::{MetricsConfig, TelemetryConfig};
pub use tls::{ClientCertificates, TlsConfig};

section! {
    /// Where the server listens and who it says it is.
    ServerConfig {
        /// Address and port to listen on.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080));
        /// The issuer: the URL under which clients and people reach this server. `https`, without query or fragment;
        /// `http` for a loopback host only. A path is allowed.
        issuer: String = "http://localhost:8080".to_owned();
        /// The language of pages and mails for whoever asks for none that there is: `en` or `fr`.
        default_locale: String = "en".to_owned();
        /// Folder for the embedded database and the master key. Created with mode 0700; refused when others may write to it.
        data_dir: PathBuf = PathBuf::from("data");
        /// Networks of reverse proxies whose `X-Forwarded-For` is believed.
        trusted_proxies: Vec<IpNet> = Vec::new();
        /// Whether the trusted proxies tell the certificate of the client in `Client-Cert` and `Client-Cert-Chain` (RFC 9440). They have to
        /// take these fields out of what clients send: whoever can send them is whoever they say.
        client_certificate_header: bool = false;
        /// Seconds a client may take to send the request's head.
        header_timeout: u64 = 8;
        /// Seconds a client may take to send the request's body.
        body_timeout: u64 = 12;
        /// Seconds between the signal to stop and the last connection taken. Meanwhile `/health/ready` says no, so that load
        /// balancers look elsewhere.
        shutdown_delay: u64 = 0;
        /// Seconds that requests under way are given to finish at shutdown.
        shutdown_timeout: u64 = 20;
        /// Connections served at once; more wait in the listen queue, and those who do nothing with theirs make room. It is
        /// lowered to what the limit of open files (`ulimit -n`) allows.
        max_connections: usize = 10_000;
        /// Connections of one address (with IPv6: of one network of 64 bits) at once; more are closed. There is no such limit
        /// for this machine and for `server.trusted_proxies`, which stand for many.
        max_connections_per_address: usize = 512;
    }
}

section! {
    /// The database.
    DatabaseConfig {
        /// `sqlite:PATH` (a file in `server.data_dir` when empty) or `postgres://USER:PASSWORD@HOST/NAME`.
        url: Secret = Secret::default();
        /// Connections to keep open at most (for SQLite: readers; there is one writer).
        max_connections: u32 = 8;
        /// Seconds to wait for a free connection before the request is answered with 503.
        acquire_timeout: u64 = 1;
        /// Seconds a statement may take on PostgreSQL.
        statement_timeout: u64 = 3;
    }
}

section! {
    /// The master key and the signing keys.
    KeysConfig {
        /// File with the master key (32 bytes, base64); `master.key` in `server.data_dir` when empty. It is created at the
        /// first start with mode 0600. Every node needs one that the database accepts: the same, but while it is replaced
        /// (`ostiary key rotate-master`).
        master_key_file: PathBuf = PathBuf::new();
        /// Algorithms to hold a signing key for. `RS256` and `ES256` are always among them.
        algorithms: Vec<Algorithm> = Algorithm::ALL.to_vec();
        /// Days after which a signing key is replaced.
        rotation_days: u32 = 90;
        /// Hours a new key is published before it signs.
        publish_hours: u32 = 24;
    }
}

section! {
    /// Lifetimes, in seconds.
    TokenConfig {
        /// Authorization codes.
        authorization_code: i64 = 60;
        /// Access tokens, where the client has no lifetime of its own.
        access_token: i64 = 900;
        /// ID tokens.
        id_token: i64 = 900;
        /// A refresh token that is not used.
        refresh_token_idle: i64 = 604_800;
        /// A family of refresh tokens, from the login on.
        refresh_token_absolute: i64 = 2_592_000;
        /// How long a refresh token that was used works once more when its answer was lost, while its successor has not been used. 60 at most.
        refresh_token_grace: i64 = 60;
        /// How long a login may take, from the authorization request to the code.
        authorization_request: i64 = 900;
        /// Whether only authorization requests that were pushed are taken (RFC 9126), from every client. A single client can be
        /// registered so.
        require_pushed_authorization_requests: bool = false;
        /// Scope values that clients may be registered for besides the standard ones, each with the sentence that the consent page shows.
        scopes: BTreeMap<String, String> = BTreeMap::new();
        /// Hours that both secrets of a client work after a reset.
        client_secret_overlap_hours: i64 = 24;
    }
}

section! {
    /// Access tokens that only the holder of a key can use (DPoP, RFC 9449). They are given to whoever asks for them with a proof.
    DpopConfig {
        /// Whether a proof has to hold a nonce that the server gave out in the last ten minutes: nobody can then make proofs ahead
        /// of time. The first request of a client is refused, with the nonce to use.
        require_nonce: bool = false;
    }
}

section! {
    /// Browser sessions, in seconds.
    SessionConfig {
        /// A session that is not used.
        idle: i64 = 43_200;
        /// A session, from the login on.
        absolute: i64 = 604_800;
        /// A session whose person wants to stay logged in ("remember me"), from the login on. It ends neither with the browser
        /// nor by not being used. 0 offers no such thing.
        remembered_absolute: i64 = 2_592_000;
        /// Whether what applications were given for when their person is away (`offline_access`) ends with the session in which
        /// it was given, when that is ended before its time. Everything else does in any case.
        logout_ends_offline_access: bool = false;
        /// Whether applications may watch the session from the browser (OpenID Connect Session Management 1.0). It needs a
        /// cookie that scripts can read and other sites' frames are sent, so it is off where nobody needs it.
        check_session_iframe: bool = false;
    }
}

section! {
    /// What people may do with their own accounts.
    AccountConfig {
        /// For how long a person who deletes their account can take it back by logging in, in days. 0 deletes it at once.
        deletion_grace_days: u32 = 14;
    }
}

section! {
    /// How strongly people must prove who they are.
    AuthenticationConfig {
        /// The least `acr` that people with a role have to reach: `1` one factor, `2` two factors or a passkey that verified
        /// its user, `phr` a passkey. Who has no such factor is led to set one up.
        required_acr_by_role: BTreeMap<String, Acr> = BTreeMap::new();
    }
}

impl AuthenticationConfig {
    /// What the roles of a person ask for.
    pub fn required_of(&self, roles: &[String]) -> impl Iterator<Item = Acr> {
        roles.iter().filter_map(|role| self.required_acr_by_role.get(role)).copied()
    }
}

section! {
    /// Administration.
    AdminConfig {
        /// Which role gives which scopes of the management API.
        roles: BTreeMap<String, Scope> = BTreeMap::from([
            ("admin".to_owned(), crate::protocol::scope::management()),
        ]);
    }
}

section! {
    /// The audit log.
    AuditConfig {
        /// Write a row for each stateless token too. Otherwise they are logged and counted only.
        tokens: bool = false;
        /// Days that entries are kept. 0 keeps them for ever.
        retention_days: u32 = 0;
        /// Seconds between two checkpoints, which are made while there are new entries. What is cut off the end of the log since the last
        /// one that was copied elsewhere leaves no trace.
        checkpoint_interval: i64 = 300;
        /// A file that checkpoints are appended to, outside the database: `ostiary audit verify --checkpoints FILE`. Empty for none.
        checkpoint_file: PathBuf = PathBuf::new();
        /// A collector that checkpoints are sent to as syslog messages (RFC 5424): `udp://logs.example:514` or `unix:/dev/log`. Empty for
        /// none.
        checkpoint_syslog: String = String::new();
    }
}

section! {
    /// Explanations of refused requests (`ostiary explain`).
    ExplainConfig {
        /// Days that they are kept. 0 keeps none.
        days: u32 = 7;
        /// The most that are kept; the oldest go first.
        rows: u32 = 100_000;
    }
}

section! {
    /// The log on standard error.
    LogConfig {
        /// `text` or `json`.
        format: LogFormat = LogFormat::Text;
        /// What to log, as a tracing filter: `info`, `ostiary=debug`.
        filter: String = "info".to_owned();
        /// Whether each request has a line, at the level `info`: method, endpoint, status, microseconds and trace id. Never the query, nor
        /// who asked.
        requests: bool = false;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}
