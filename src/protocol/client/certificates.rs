//! What is registered of clients that authenticate with certificates (RFC 8705 §2).

use std::net::IpAddr;

use super::ClientMetadata;

/// Whose a certificate has to be (RFC 8705 §2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateSubject<'a> {
    /// A distinguished name (RFC 4514).
    Dn(&'a str),
    Dns(&'a str),
    Uri(&'a str),
    Ip(IpAddr),
    Email(&'a str),
}

impl ClientMetadata {
    /// What the client's certificate has to name, by the member.
    pub fn certificate_subjects(&self) -> [(&'static str, Option<&str>); 5] {
        [
            ("tls_client_auth_subject_dn", self.tls_client_auth_subject_dn.as_deref()),
            ("tls_client_auth_san_dns", self.tls_client_auth_san_dns.as_deref()),
            ("tls_client_auth_san_uri", self.tls_client_auth_san_uri.as_deref()),
            ("tls_client_auth_san_ip", self.tls_client_auth_san_ip.as_deref()),
            ("tls_client_auth_san_email", self.tls_client_auth_san_email.as_deref()),
        ]
    }

    /// The one of them that is registered; none if there is not exactly one.
    pub fn certificate_subject(&self) -> Option<CertificateSubject<'_>> {
        let mut named = self.certificate_subjects().into_iter().filter_map(|(member, text)| Some((member, text?)));
        let (member, text) = named.next().filter(|_| named.next().is_none())?;
        Some(match member {
            "tls_client_auth_subject_dn" => CertificateSubject::Dn(text),
            "tls_client_auth_san_dns" => CertificateSubject::Dns(text),
            "tls_client_auth_san_uri" => CertificateSubject::Uri(text),
            "tls_client_auth_san_ip" => CertificateSubject::Ip(text.parse().ok()?),
            _ => CertificateSubject::Email(text),
        })
    }
}
