//! What only others can tell: the issuer as clients reach it, its name, its clock, and the mail server.

use std::time::Duration;

use http::header::{self, HeaderMap};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::time::timeout;
use url::{Host, Url};

use super::Finding;
use super::installation::{clock, seconds_between};
use super::machine::host;
use crate::cli::mail::explain;
use crate::clock::Clock;
use crate::config::Config;
use crate::outbound::http::{Answer, Outbound};
use crate::outbound::mail::Transport;
use crate::protocol::time::Timestamp;

/// How long the name servers may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn look(config: &Config, ours: &Clock) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some((url, host)) = host(config) {
        findings.extend(name(&url, &host).await);
        findings.extend(issuer(config, &url, ours).await);
    }
    findings.push(mail(config).await);
    findings
}

async fn name(url: &Url, host: &str) -> Option<Finding> {
    let Some(Host::Domain(_)) = url.host() else { return None };
    let port = url.port_or_known_default().unwrap_or(443);
    let Ok(found) = timeout(PATIENCE, tokio::net::lookup_host((host, port))).await else {
        return Some(
            Finding::error("name", "nobody says what its address is", "Look at the name servers of this machine.").of(host),
        );
    };
    let found: Vec<_> = found.into_iter().flatten().map(|address| address.ip().to_string()).collect();
    Some(if found.is_empty() {
        Finding::error("name", "it has no address", "Make an entry for it in the DNS, or correct server.issuer.").of(host)
    } else {
        Finding::ok("name", format!("it leads to {}", found.join(", "))).of(host)
    })
}

/// Asks for the discovery document as every client does.
async fn issuer(config: &Config, url: &Url, ours: &Clock) -> Vec<Finding> {
    const CHECK: &str = "discovery";
    let document = format!("{}/.well-known/openid-configuration", config.server.issuer);
    let Ok(document) = Url::parse(&document) else { return Vec::new() };
    let asked = match Outbound::for_operator(&config.outbound, url, ours, "doctor") {
        Ok(outbound) => outbound.get(&document, "application/json").await.map_err(|failure| failure.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let answer = match asked {
        Ok(answer) => answer,
        Err(failure) => {
            let mend = "Start the server; then look at the reverse proxy, its certificate (a private authority belongs into outbound.ca_file) and the firewall.";
            return vec![Finding::error(CHECK, format!("{document}: {failure}"), mend).of("issuer")];
        }
    };
    let mut findings = vec![document_of(config, &document, &answer)];
    findings.extend(doubled(&answer.headers));
    if let Some(theirs) = date(&answer.headers) {
        findings.push(clock("issuer", seconds_between(theirs, ours.now())));
    }
    findings
}

fn document_of(config: &Config, document: &Url, answer: &Answer) -> Finding {
    const CHECK: &str = "discovery";
    let wanted = &config.server.issuer;
    if answer.status != 200 {
        let saw = format!("{document} answers with {}", answer.status.as_u16());
        let mend = "The reverse proxy has to hand over every path below the issuer as it is, its prefix included.";
        return Finding::error(CHECK, saw, mend);
    }
    let read: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match read["issuer"].as_str() {
        Some(issuer) if issuer == wanted => Finding::ok(CHECK, format!("{document} tells of this issuer")),
        Some(issuer) => {
            let saw = format!("{document} tells of the issuer {issuer}");
            Finding::error(CHECK, saw, "Another server, or one with another configuration, answers there: clients refuse it.")
        }
        None => {
            Finding::error(CHECK, format!("{document} is no discovery document"), "Something else than Ostiary answers there.")
        }
    }
}

/// A proxy that adds what is there already: browsers take neither, or both.
fn doubled(headers: &HeaderMap) -> Vec<Finding> {
    let once = [
        header::CONTENT_TYPE,
        header::CACHE_CONTROL,
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::STRICT_TRANSPORT_SECURITY,
        header::X_CONTENT_TYPE_OPTIONS,
        header::CONTENT_SECURITY_POLICY,
        header::REFERRER_POLICY,
    ];
    let twice = once.into_iter().filter(|name| headers.get_all(name).iter().count() > 1);
    let mend = "Have the reverse proxy leave the fields of Ostiary's answers alone.";
    twice.map(|name| Finding::warning("headers", "it comes twice", mend).of(name.as_str())).collect()
}

/// RFC 9110 §5.6.7; its form is one of RFC 2822.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(header::DATE)?.to_str().ok()?.replace("GMT", "+0000");
    OffsetDateTime::parse(&text, &Rfc2822).ok().map(|time| Timestamp::from_seconds(time.unix_timestamp()))
}

/// As far as the login: nothing is sent.
async fn mail(config: &Config) -> Finding {
    const CHECK: &str = "mail";
    let transport = match Transport::new(config) {
        Ok(Some(transport)) => transport,
        Ok(None) => {
            let mend = "Without mail nobody recovers an account or is told of changes: set mail.transport.";
            return Finding::note(CHECK, "off", mend).page("mail.md");
        }
        Err(error) => return Finding::error(CHECK, error.to_string(), "Correct the key that is named.").page("mail.md"),
    };
    if let Transport::Log = transport {
        let mend = "Set mail.transport = \"smtp\" before people come.";
        return Finding::warning(CHECK, "mails with their codes are printed on standard error", mend).page("mail.md");
    }
    let checked = transport.check().await;
    transport.close().await;
    match checked {
        Ok(()) => Finding::ok(CHECK, "the mail server lets us in; ostiary mail test sends one"),
        Err(failure) => Finding::error(CHECK, explain(failure), "Then try: ostiary mail test ADDRESS.").page("mail.md"),
    }
}
