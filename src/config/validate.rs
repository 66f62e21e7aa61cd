//! Refuses a configuration that could not be run safely.

mod client_registration;
mod jwt_bearer;
mod telemetry;
mod tls;

use url::Url;

use super::{Config, MailConfig, MailTls, MailTransport, PasskeysConfig, RegistrationMode};
use crate::protocol::email_address::EmailAddress;
use crate::text::Text;

/// A key whose value can't be used, and why. The value itself is not printed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration: '{key}' {problem}")]
pub struct InvalidConfig {
    pub key: &'static str,
    pub problem: &'static str,
}

impl Config {
    /// Checks what the types can't say.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        issuer(&self.server.issuer)?;
        tls::check(self)?;
        require(
            !self.server.client_certificate_header || !self.server.trusted_proxies.is_empty(),
            "server.client_certificate_header",
            "needs server.trusted_proxies",
        )?;
        for network in &self.server.trusted_proxies {
            require(network.prefix_len() > 0, "server.trusted_proxies", "must not trust every address")?;
        }
        for (key, seconds) in [
            ("tokens.authorization_code", self.tokens.authorization_code),
            ("tokens.access_token", self.tokens.access_token),
            ("tokens.id_token", self.tokens.id_token),
            ("tokens.refresh_token_idle", self.tokens.refresh_token_idle),
            ("tokens.refresh_token_absolute", self.tokens.refresh_token_absolute),
            ("tokens.authorization_request", self.tokens.authorization_request),
            ("session.idle", self.session.idle),
            ("session.absolute", self.session.absolute),
        ] {
            require((1..=31_536_000).contains(&seconds), key, "must be between 1 second and 365 days")?;
        }
        require(
            (0..=31_536_000).contains(&self.session.remembered_absolute),
            "session.remembered_absolute",
            "must be between 0 seconds and 365 days",
        )?;
        require(self.account.deletion_grace_days <= 365, "account.deletion_grace_days", "must not exceed 365")?;
        require(
            self.tokens.authorization_code <= 600,
            "tokens.authorization_code",
            "must not exceed 600 seconds (RFC 6749 section 4.1.2)",
        )?;
        require(
            (0..=60).contains(&self.tokens.refresh_token_grace),
            "tokens.refresh_token_grace",
            "must be between 0 and 60 seconds",
        )?;
        require(
            (0..=24 * 365).contains(&self.tokens.client_secret_overlap_hours),
            "tokens.client_secret_overlap_hours",
            "must be between 0 hours and 365 days",
        )?;
        require(self.explain.days <= 365, "explain.days", "must not exceed 365")?;
        require((1_000..=10_000_000).contains(&self.explain.rows), "explain.rows", "must be between 1000 and 10000000")?;
        self.audit()?;
        require(self.keys.rotation_days > 0, "keys.rotation_days", "must be at least 1")?;
        require(
            u64::from(self.keys.publish_hours) < u64::from(self.keys.rotation_days) * 24,
            "keys.publish_hours",
            "must be shorter than keys.rotation_days",
        )?;
        require(self.password.memory_kib >= 7_168, "password.memory_kib", "must be at least 7168")?;
        require((1..=16).contains(&self.password.iterations), "password.iterations", "must be between 1 and 16")?;
        require((1..=16).contains(&self.password.parallelism), "password.parallelism", "must be between 1 and 16")?;
        require((8..=64).contains(&self.password.min_length), "password.min_length", "must be between 8 and 64")?;
        self.registration()?;
        require(self.password.min_strength <= 4, "password.min_strength", "must be between 0 and 4")?;
        require(self.server.max_connections > 0, "server.max_connections", "must be at least 1")?;
        require(self.server.max_connections_per_address > 0, "server.max_connections_per_address", "must be at least 1")?;
        require(self.database.max_connections > 0, "database.max_connections", "must be at least 1")?;
        require(
            Text::languages().contains(&self.server.default_locale),
            "server.default_locale",
            "must be a language that the pages exist in: en or fr",
        )?;
        jwt_bearer::check(self)?;
        client_registration::check(self)?;
        telemetry::check(self)?;
        mail(&self.mail, &self.server.issuer)?;
        passkeys(&self.passkeys, &self.server.issuer)?;
        self.limits()?;
        let url = &self.database.url;
        let known = url.is_empty() || ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        require(known, "database.url", "must start with sqlite: or postgres://")
    }

    fn limits(&self) -> Result<(), InvalidConfig> {
        let limits = &self.limits;
        for (key, networks) in
            [("limits.shared_networks", &limits.shared_networks), ("limits.datacentre_networks", &limits.datacentre_networks)]
        {
            require(networks.iter().all(|network| network.prefix_len() > 0), key, "must not hold every address")?;
        }
        require((18..=22).contains(&limits.proof_of_work_bits), "limits.proof_of_work_bits", "must be between 18 and 22")?;
        require((10..=100).contains(&limits.lock_after), "limits.lock_after", "must be between 10 and 100")?;
        require((1..=24 * 31).contains(&limits.block_hours), "limits.block_hours", "must be between 1 hour and 31 days")?;
        require((1..=400).contains(&limits.device_days), "limits.device_days", "must be between 1 and 400 days")?;
        require(limits.max_buckets >= 1_000, "limits.max_buckets", "must be at least 1000")?;
        let url = &self.redis.url;
        let known = url.is_empty()
            || url.split(',').all(|url| ["redis://", "rediss://"].iter().any(|scheme| url.trim().starts_with(scheme)));
        require(known, "redis.url", "must start with redis:// or rediss://")?;
        let one = self.redis.mode != super::RedisMode::Single || !url.contains(',');
        require(one, "redis.url", "must be one URL, unless redis.mode is cluster or sentinel")?;
        require(self.redis.expected_nodes > 0, "redis.expected_nodes", "must be at least 1")?;
        require((1..=1_000).contains(&self.redis.timeout_ms), "redis.timeout_ms", "must be between 1 and 1000")
    }

    fn audit(&self) -> Result<(), InvalidConfig> {
        let audit = &self.audit;
        require(audit.retention_days <= 36_500, "audit.retention_days", "must not exceed 36500")?;
        let interval = (10..=86_400).contains(&audit.checkpoint_interval);
        require(interval, "audit.checkpoint_interval", "must be between 10 seconds and a day")?;
        let target = &audit.checkpoint_syslog;
        let known = target.is_empty() || target.strip_prefix("unix:/").is_some() || is_udp(target);
        require(known, "audit.checkpoint_syslog", "must be udp://HOST:PORT or unix:/PATH")
    }

    fn registration(&self) -> Result<(), InvalidConfig> {
        let config = &self.registration;
        let needs_mail = config.mode != RegistrationMode::Closed && config.identifier.has_address();
        require(
            self.mail.is_on() || !needs_mail,
            "registration.mode",
            "must be 'closed' while mail.transport is 'off', unless registration.identifier is 'username': addresses are proved by mail",
        )?;
        let is_domain = |domain: &String| EmailAddress::parse(&format!("a@{domain}")).is_ok();
        let all = config.allowed_domains.iter().all(is_domain);
        require(all, "registration.allowed_domains", "must be domain names, such as example.org")?;
        let hours = (1..=8_760).contains(&config.invitation_hours);
        require(hours, "registration.invitation_hours", "must be between 1 and 8760")
    }
}

fn is_udp(target: &str) -> bool {
    let address = target.strip_prefix("udp://").and_then(|address| address.rsplit_once(':'));
    address.is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok())
}

fn require(holds: bool, key: &'static str, problem: &'static str) -> Result<(), InvalidConfig> {
    if holds { Ok(()) } else { Err(InvalidConfig { key, problem }) }
}

/// OpenID Connect Discovery 1.0 §3: https, no query, no fragment. Ours: http for a loopback host.
fn issuer(text: &str) -> Result<(), InvalidConfig> {
    const KEY: &str = "server.issuer";
    let Ok(url) = Url::parse(text) else {
        return Err(InvalidConfig { key: KEY, problem: "must be an absolute URL" });
    };
    require(url.query().is_none() && url.fragment().is_none(), KEY, "must have neither query nor fragment")?;
    require(url.username().is_empty() && url.password().is_none(), KEY, "must not hold a user name or password")?;
    require(!text.ends_with('/'), KEY, "must not end with a slash")?;
    let loopback = is_loopback(url.host_str());
    match url.scheme() {
        "https" => Ok(()),
        "http" => require(loopback, KEY, "must use https, unless the host is localhost, 127.0.0.1 or [::1]"),
        _ => Err(InvalidConfig { key: KEY, problem: "must use https" }),
    }?;
    let canonical = url.as_str().trim_end_matches('/');
    require(canonical == text, KEY, "must be written in canonical form: lower-case host, no default port, no dot segments")
}

fn is_loopback(host: Option<&str>) -> bool {
    matches!(host, Some("localhost" | "127.0.0.1" | "::1" | "[::1]"))
}

/// WebAuthn Level 3 §5.1.2: a relying party's id is the domain of the origin, or one above it.
fn passkeys(passkeys: &PasskeysConfig, issuer: &str) -> Result<(), InvalidConfig> {
    const ORIGINS: &str = "passkeys.origins";
    let Some((issuer, rp_id)) = Url::parse(issuer).ok().and_then(|issuer| Some((issuer.clone(), passkeys.rp_id(&issuer)?)))
    else {
        return Ok(());
    };
    let is_above = |url: &Url| {
        url.domain().is_some_and(|host| host.strip_suffix(&rp_id).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    };
    require(is_above(&issuer), "passkeys.rp_id", "must be the issuer's host or a domain above it")?;
    let is_single_label = !rp_id.contains('.') && rp_id != "localhost";
    require(!is_single_label || passkeys.rp_id.is_empty(), "passkeys.rp_id", "must not be a top-level domain")?;
    for origin in &passkeys.origins {
        if origin.starts_with("android:apk-key-hash:") {
            continue;
        }
        let url = Url::parse(origin).map_err(|_| InvalidConfig { key: ORIGINS, problem: "must hold origins" })?;
        let is_origin = url.origin().ascii_serialization() == *origin;
        require(
            is_origin && is_above(&url),
            ORIGINS,
            "must hold origins such as https://id.example.org, at or below passkeys.rp_id",
        )?;
        let is_secure = url.scheme() == "https" || is_loopback(url.host_str());
        require(is_secure, ORIGINS, "must hold https origins")?;
    }
    let vouched_for = passkeys.attestation_models.is_empty() || !passkeys.attestation_ca_file.as_os_str().is_empty();
    require(vouched_for, "passkeys.attestation_models", "must be empty while passkeys.attestation_ca_file is")?;
    let named = !passkeys.rp_name.trim().is_empty() && passkeys.rp_name.len() <= 64;
    require(named && !passkeys.rp_name.contains(char::is_control), "passkeys.rp_name", "must be 1 to 64 bytes of text")?;
    require((1..=100).contains(&passkeys.max_per_person), "passkeys.max_per_person", "must be between 1 and 100")
}

fn mail(mail: &MailConfig, issuer: &str) -> Result<(), InvalidConfig> {
    if !mail.from.is_empty() {
        let parsed = mail.from.parse::<lettre::message::Mailbox>().is_ok() && !mail.from.contains(char::is_control);
        require(parsed, "mail.from", "must be an address, such as Example <no-reply@example.org>")?;
    }
    require((1..=300).contains(&mail.timeout), "mail.timeout", "must be between 1 and 300 seconds")?;
    match mail.transport {
        MailTransport::Off => Ok(()),
        MailTransport::Log => {
            let host = Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
            let problem =
                "must not be 'log' unless the issuer's host is localhost, 127.0.0.1 or [::1]: codes would be in the log";
            require(is_loopback(host.as_deref()), "mail.transport", problem)
        }
        MailTransport::Smtp => smtp(mail),
    }
}

fn smtp(mail: &MailConfig) -> Result<(), InvalidConfig> {
    require(url::Host::parse(&mail.host).is_ok(), "mail.host", "must be the SMTP server's host name")?;
    require(!mail.from.is_empty(), "mail.from", "must be set when mail.transport is 'smtp'")?;
    let in_the_clear = mail.tls == MailTls::None && !is_loopback(Some(&mail.host));
    require(!in_the_clear, "mail.tls", "must not be 'none' unless mail.host is localhost, 127.0.0.1 or ::1")?;
    let (has_password, has_file) = (!mail.password.is_empty(), !mail.password_file.as_os_str().is_empty());
    require(!(has_password && has_file), "mail.password_file", "must be empty when mail.password is set")?;
    let together = mail.username.is_empty() != (has_password || has_file);
    require(together, "mail.username", "and a password must be set together, or neither")
}
