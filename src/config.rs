//! Configuration: built-in defaults, then a TOML file, then `OSTIARY_…` environment variables; unknown keys refuse to start.
//!
//! A section is declared once, by `section!`: its fields, their defaults and their documentation. The example file,
//! `docs/configuration.md` and `ostiary config check` are made from the same declaration.

mod limits;
mod load;
mod rate;
mod secret;
mod sections;
mod validate;

pub use limits::{LimitsConfig, RatesConfig, RedisConfig, RedisMode};
pub use load::{ConfigError, load};
pub use rate::{InvalidRate, Rate};
pub use secret::Secret;
pub use sections::{
    AccountConfig, AdminConfig, AuditConfig, AuthenticationConfig, CharacterKind, ClientCertificates,
    ClientIdMetadataDocumentsConfig, ClientRegistrationConfig, ClientRegistrationMode, DatabaseConfig, DpopConfig, ExplainConfig,
    Identifier, JwtBearerConfig, KeysConfig, LegacyConfig, LogConfig, LogFormat, MailConfig, MailTls, MailTransport, McpConfig,
    MetricsConfig, OutboundConfig, PasskeysConfig, PasswordConfig, RegistrationConfig, RegistrationMode, ServerConfig,
    SessionConfig, StatementIssuer, SubjectIs, TelemetryConfig, TlsConfig, TokenConfig, TrustedIssuer, UserVerification,
};
pub use validate::InvalidConfig;

use serde::{Deserialize, Serialize};

impl Config {
    /// The audience of the management API.
    pub fn api_audience(&self) -> String {
        format!("{}/api/v1", self.server.issuer)
    }

    /// Whether the document at a `client_id` is taken as the registration of a client.
    pub const fn takes_client_documents(&self) -> bool {
        self.client_id_metadata_documents.enabled || self.mcp.enabled
    }

    /// Whether applications may register themselves.
    pub fn client_registration_mode(&self) -> ClientRegistrationMode {
        match self.client_registration.mode {
            ClientRegistrationMode::Off if self.mcp.enabled => self.mcp.client_registration,
            mode => mode,
        }
    }

    /// Where clients with certificates go, if that is another origin than the issuer's.
    pub fn mutual_tls_origin(&self) -> Option<&str> {
        Some(self.tls.mtls_origin.as_str()).filter(|origin| !origin.is_empty())
    }

    /// The origins at which clients reach this server; `own` is the issuer's.
    pub fn origins(&self, own: &str) -> Vec<String> {
        std::iter::once(own).chain(self.mutual_tls_origin()).map(str::to_owned).collect()
    }

    /// Whether certificates of clients can be seen at all.
    pub fn has_mutual_tls(&self) -> bool {
        let is_asked = self.tls.client_auth == ClientCertificates::Optional || !self.tls.mtls_listen.is_empty();
        is_asked || self.server.client_certificate_header
    }
}

/// One documented key, as the reference prints it.
#[derive(Clone, Debug)]
pub struct Key {
    /// `section.name`.
    pub name: String,
    /// What it does, from the declaration's doc comment.
    pub doc: String,
    /// The default, as TOML.
    pub default: String,
}

macro_rules! section {
    (
        $(#[doc = $section_doc:literal])*
        $section:ident {
            $($(#[doc = $doc:literal])* $name:ident: $kind:ty = $default:expr;)*
        }
    ) => {
        $(#[doc = $section_doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $section {
            $($(#[doc = $doc])* pub $name: $kind,)*
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl $section {
            /// What the section is for.
            pub const DOC: &'static str = concat!($($section_doc, "\n",)*);

            /// Each key with its documentation: `(name, doc)`, in the order of the declaration.
            pub const KEYS: &'static [(&'static str, &'static str)] = &[$((stringify!($name), concat!($($doc, "\n",)*)),)*];
        }
    };
}
use section;

macro_rules! config {
    ($($name:ident: $section:ident,)*) => {
        /// The whole configuration.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Config {
            $(pub $name: $section,)*
        }

        impl Config {
            /// Every section: `(name, what it is for, its keys)`.
            pub const SECTIONS: &'static [(&'static str, &'static str, &'static [(&'static str, &'static str)])] =
                &[$((stringify!($name), $section::DOC, $section::KEYS),)*];
        }
    };
}

config! {
    server: ServerConfig,
    tls: TlsConfig,
    database: DatabaseConfig,
    keys: KeysConfig,
    tokens: TokenConfig,
    session: SessionConfig,
    password: PasswordConfig,
    registration: RegistrationConfig,
    client_registration: ClientRegistrationConfig,
    legacy: LegacyConfig,
    client_id_metadata_documents: ClientIdMetadataDocumentsConfig,
    mcp: McpConfig,
    mail: MailConfig,
    outbound: OutboundConfig,
    dpop: DpopConfig,
    jwt_bearer: JwtBearerConfig,
    account: AccountConfig,
    authentication: AuthenticationConfig,
    passkeys: PasskeysConfig,
    admin: AdminConfig,
    limits: LimitsConfig,
    rates: RatesConfig,
    redis: RedisConfig,
    audit: AuditConfig,
    explain: ExplainConfig,
    log: LogConfig,
    metrics: MetricsConfig,
    telemetry: TelemetryConfig,
}
