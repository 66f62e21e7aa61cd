//! Whether TLS can be spoken as it is configured, and where clients show certificates.

use url::Url;

use super::{InvalidConfig, require};
use crate::config::{ClientCertificates, Config};

const ORIGIN: &str = "tls.mtls_origin";

pub(super) fn check(config: &Config) -> Result<(), InvalidConfig> {
    let (tls, issuer) = (&config.tls, &config.server.issuer);
    let (has_cert, has_key) = (!tls.cert.as_os_str().is_empty(), !tls.key.as_os_str().is_empty());
    require(has_cert == has_key, "tls.key", "must stand beside tls.cert")?;
    require(!has_cert || issuer.starts_with("https:"), "tls.cert", "needs an issuer that begins with https:")?;
    let asks = tls.client_auth == ClientCertificates::Optional;
    require(has_cert || !asks, "tls.client_auth", "needs tls.cert: without it there is no TLS")?;
    let listen = tls.second_listener();
    let listen = listen.map_err(|_| InvalidConfig { key: "tls.mtls_listen", problem: "must be an address and a port" })?;
    require(has_cert || listen.is_none(), "tls.mtls_listen", "needs tls.cert: without it there is no TLS")?;
    if tls.mtls_origin.is_empty() {
        return require(listen.is_none(), "tls.mtls_listen", "needs tls.mtls_origin: nobody would find it");
    }
    let origin = Url::parse(&tls.mtls_origin).ok().filter(|url| url.scheme() == "https");
    let origin = origin.map(|url| url.origin().ascii_serialization());
    let is_origin = origin.as_ref() == Some(&tls.mtls_origin);
    require(is_origin, ORIGIN, "must be an origin in canonical form, such as https://mtls.example.com")?;
    let own = Url::parse(issuer).ok().map(|url| url.origin().ascii_serialization());
    require(own != origin, ORIGIN, "must be another one than the issuer's: there everybody would be asked for a certificate")?;
    require(
        config.has_mutual_tls(),
        ORIGIN,
        "needs tls.mtls_listen, or a proxy that tells certificates: server.client_certificate_header",
    )
}
