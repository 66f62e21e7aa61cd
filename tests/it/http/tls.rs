//! TLS on the server's own socket: who may speak it, how, and for how long (H3 of behaviours 1.0; M3 of 1.7).

use std::time::Duration;

use ostiary::config::{ClientCertificates, ServerConfig, TlsConfig};
use ostiary::web::server::Tls;
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::aws_lc_rs::cipher_suite;
use tokio_rustls::rustls::{self, ProtocolVersion, SupportedProtocolVersion};

use super::fixture::{Server, quick};
use crate::support::certificate::{Authority, self_signed};
use crate::support::tls::{Peer, allow, config, of_server, write};

const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

struct Fixture {
    server: Server,
    tls: Tls,
    authority: Authority,
    files: TempDir,
}

impl Fixture {
    async fn start(client_auth: ClientCertificates) -> Self {
        let (authority, files) = (Authority::new("Servers"), TempDir::new().unwrap());
        write(&files, &of_server(&authority));
        let tls = Tls::new(&TlsConfig { client_auth, ..config(&files) }).unwrap().unwrap();
        let server = Server::within(quick(), &ServerConfig::default(), Some(tls.clone())).await;
        Self { server, tls, authority, files }
    }

    fn client(&self) -> Peer<'_> {
        Peer::new(self.server.address, &self.authority)
    }
}

#[tokio::test]
async fn a_request_within_tls_is_answered_and_the_certificate_of_its_client_is_known() {
    let asks = Fixture::start(ClientCertificates::Optional).await;
    let held = self_signed("CN=client");
    for versions in [TLS13, TLS12] {
        let without = Peer { versions, ..asks.client() }.get("/certificate").await.unwrap();
        assert!(without.answer.starts_with("HTTP/1.1 200") && without.answer.ends_with("\r\n-"), "{without:?}");
        assert_eq!(without.version, versions[0].version);
        let with = Peer { versions, held: Some(&held), ..asks.client() }.get("/certificate").await.unwrap();
        assert!(with.answer.ends_with(&held.thumbprint()), "{with:?}");
    }
    let does_not_ask = Fixture::start(ClientCertificates::None).await;
    let unseen = Peer { held: Some(&held), ..does_not_ask.client() }.get("/certificate").await.unwrap();
    assert!(unseen.answer.ends_with("\r\n-"), "{unseen:?}");
}

#[tokio::test]
async fn of_tls_1_2_only_ecdhe_with_aes_gcm_is_spoken() {
    let fixture = Fixture::start(ClientCertificates::None).await;
    let versions = TLS12;
    let good = [cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
    let peer = Peer { versions, suites: Some(&good), ..fixture.client() };
    assert_eq!(peer.get("/json").await.unwrap().version, ProtocolVersion::TLSv1_2);
    let other = [cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256];
    assert!(Peer { versions, suites: Some(&other), ..fixture.client() }.get("/json").await.is_err());
    // Who speaks no TLS gets no answer.
    let mut plain = fixture.server.connect().await;
    plain.write("GET /json HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(plain.read_answer().await.is_none());
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_while_the_server_runs() {
    let fixture = Fixture::start(ClientCertificates::None).await;
    let before = fixture.client().get("/json").await.unwrap().certificate;
    assert!(!fixture.tls.reload().unwrap(), "nothing has changed");
    let next = of_server(&fixture.authority);
    write(&fixture.files, &next);
    assert!(fixture.tls.reload().unwrap());
    let after = fixture.client().get("/json").await.unwrap().certificate;
    assert_eq!(after, next.certificate);
    assert_ne!(after, before);

    // A certificate without its key, as while the files are being written, and what is none at all.
    std::fs::write(fixture.files.path().join("cert.pem"), of_server(&fixture.authority).pem().0).unwrap();
    assert!(fixture.tls.reload().is_err());
    std::fs::write(fixture.files.path().join("cert.pem"), "").unwrap();
    assert!(fixture.tls.reload().is_err());
    assert_eq!(fixture.client().get("/json").await.unwrap().certificate, after, "the one before stays");
}

#[tokio::test]
async fn h3_a_handshake_and_the_first_request_have_no_more_time_than_a_plain_request() {
    let fixture = Fixture::start(ClientCertificates::None).await;
    let silent = fixture.server.connect().await.closed_after().await;
    let mut broken_off = fixture.server.connect().await;
    // The beginning of a ClientHello.
    broken_off.write([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await;
    let broken_off = broken_off.closed_after().await;
    for elapsed in [silent, broken_off] {
        assert!((Duration::from_millis(350)..Duration::from_millis(1_200)).contains(&elapsed), "{elapsed:?}");
    }
    assert!(fixture.client().get("/json").await.unwrap().answer.starts_with("HTTP/1.1 200"));
}

/// OP4.
#[tokio::test]
async fn a_key_that_everybody_may_read_is_not_taken() {
    let fixture = Fixture::start(ClientCertificates::None).await;
    allow(&fixture.files, 0o644);
    let refused = Tls::new(&config(&fixture.files)).err().unwrap().to_string();
    assert!(refused.contains("key.pem may be read by everybody: run `chmod 640`"), "{refused}");
}
