//! Clients with certificates (RFC 8705 §2.1.2, §2.2.2, §3.4).

use std::net::IpAddr;

use url::Url;
use x509_cert::name::Name;

use super::Problems;
use crate::protocol::client::{CertificateSubject, ClientAuthMethod, ClientMetadata};

/// The longest subject.
const MAX_SUBJECT: usize = 1_024;

pub(super) fn check(metadata: &ClientMetadata, problems: &mut Problems) {
    let named: Vec<_> = metadata.certificate_subjects().into_iter().filter_map(|(field, text)| Some((field, text?))).collect();
    match (metadata.token_endpoint_auth_method, named.as_slice()) {
        (ClientAuthMethod::TlsClientAuth, [(field, text)]) => subject(field, text, metadata, problems),
        (ClientAuthMethod::TlsClientAuth, _) => {
            problems.add(
                "tls_client_auth_subject_dn",
                "one_subject",
                "or one of the tls_client_auth_san_ members must be there, and no other",
            );
        }
        (_, [(field, _), ..]) => problems.add(*field, "method", "is for tls_client_auth"),
        (_, []) => {}
    }
    let has_keys = metadata.jwks.is_some() || metadata.jwks_uri.is_some();
    if metadata.token_endpoint_auth_method == ClientAuthMethod::SelfSignedTlsClientAuth && !has_keys {
        problems.add("jwks", "required", "or jwks_uri must be there for self_signed_tls_client_auth");
    }
    if metadata.tls_client_certificate_bound_access_tokens && metadata.dpop_bound_access_tokens {
        problems.add(
            "dpop_bound_access_tokens",
            "bound_twice",
            "must not stand beside tls_client_certificate_bound_access_tokens",
        );
    }
}

fn subject(field: &'static str, text: &str, metadata: &ClientMetadata, problems: &mut Problems) {
    let is_good = text.len() <= MAX_SUBJECT
        && match metadata.certificate_subject() {
            Some(CertificateSubject::Dn(name)) => name.parse::<Name>().is_ok_and(|name| !name.is_empty()),
            Some(CertificateSubject::Uri(uri)) => Url::parse(uri).is_ok(),
            Some(CertificateSubject::Ip(IpAddr::V4(_) | IpAddr::V6(_))) => true,
            Some(CertificateSubject::Dns(name) | CertificateSubject::Email(name)) => !name.is_empty() && name.is_ascii(),
            None => false,
        };
    if !is_good {
        problems.add(field, "malformed", "is not a subject of this kind");
    }
}
