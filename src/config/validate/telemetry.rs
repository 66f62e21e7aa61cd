//! What operators see of the server.

use std::net::SocketAddr;

use url::Url;

use super::{Config, InvalidConfig, require};

pub(super) fn check(config: &Config) -> Result<(), InvalidConfig> {
    let listen = &config.metrics.listen;
    let address = listen.parse::<SocketAddr>().ok();
    require(listen.is_empty() || address.is_some(), "metrics.listen", "must be an address with a port, such as 127.0.0.1:9090")?;
    // Port 0 is another one each time.
    let apart = address.is_none_or(|address| address.port() == 0 || address.port() != config.server.listen.port());
    require(apart, "metrics.listen", "must have another port than server.listen")?;

    let telemetry = &config.telemetry;
    let endpoint = Url::parse(&telemetry.otlp_endpoint).ok();
    let usable = endpoint.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    require(
        usable || !telemetry.is_on(),
        "telemetry.otlp_endpoint",
        "must be a URL with http or https, and without user name, query or fragment",
    )?;
    require((0.0..=1.0).contains(&telemetry.sample_ratio), "telemetry.sample_ratio", "must be between 0 and 1")?;
    let named = !telemetry.service_name.is_empty() && telemetry.service_name.len() <= 64;
    require(named, "telemetry.service_name", "must be 1 to 64 bytes of text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(change: impl FnOnce(&mut Config)) -> Option<&'static str> {
        let mut config = Config::default();
        change(&mut config);
        check(&config).err().map(|invalid| invalid.key)
    }

    #[test]
    fn the_figures_are_never_where_the_public_asks() {
        assert_eq!(checked(|_| ()), None);
        assert_eq!(checked(|config| config.metrics.listen = "127.0.0.1:9090".to_owned()), None);
        assert_eq!(checked(|config| config.metrics.listen = "127.0.0.1:0".to_owned()), None);
        for wrong in ["9090", ":9090", "localhost", "127.0.0.1:8080", "0.0.0.0:8080"] {
            assert_eq!(checked(|config| config.metrics.listen = wrong.to_owned()), Some("metrics.listen"), "{wrong}");
        }
    }

    #[test]
    fn a_collector_is_a_url_without_secrets() {
        let endpoint = |text: &str| checked(|config| config.telemetry.otlp_endpoint = text.to_owned());
        assert_eq!(endpoint("http://localhost:4318"), None);
        assert_eq!(endpoint("https://otel.example/prefix"), None);
        for wrong in ["localhost:4318", "grpc://otel.example", "https://user:secret@otel.example", "https://otel.example?key=1"] {
            assert_eq!(endpoint(wrong), Some("telemetry.otlp_endpoint"), "{wrong}");
        }
        assert_eq!(checked(|config| config.telemetry.sample_ratio = 1.5), Some("telemetry.sample_ratio"));
        assert_eq!(checked(|config| config.telemetry.sample_ratio = f64::NAN), Some("telemetry.sample_ratio"));
    }
}
