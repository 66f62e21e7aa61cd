//! Metadata of the protected resources that this server is itself: the userinfo endpoint, and the API (RFC 9728).

use serde_json::{Value, json};

use super::client::Algorithm;
use super::metadata::issuer_path;
use super::scope;

/// RFC 9728 §3: put between the host and the path of the resource.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Where the API stands, below the issuer.
const API: &str = "/api/v1";

/// Which resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// Its identifier is the issuer.
    UserInfo,
    Api,
}

impl Own {
    pub const ALL: [Self; 2] = [Self::UserInfo, Self::Api];

    const fn path(self) -> &'static str {
        match self {
            Self::UserInfo => "",
            Self::Api => API,
        }
    }

    /// The path of its document, from the root of the host.
    pub fn location(self, issuer: &str) -> String {
        format!("{WELL_KNOWN}{}{}", issuer_path(issuer), self.path())
    }

    /// The URL of its document, for the challenges of the resource (RFC 9728 §5.1).
    pub fn url(self, issuer: &str) -> String {
        let origin = issuer.strip_suffix(issuer_path(issuer)).unwrap_or(issuer);
        format!("{}{}", origin.trim_end_matches('/'), self.location(issuer))
    }

    /// RFC 9728 §2.
    pub fn document(self, issuer: &str) -> Value {
        let (name, methods, scopes): (_, &[&str], Vec<&str>) = match self {
            Self::UserInfo => ("Ostiary: who has logged in", &["header", "body"], scope::STANDARD.to_vec()),
            Self::Api => {
                let scopes = scope::MANAGEMENT.into_iter().chain(scope::ACCOUNT).map(|(value, _)| value);
                ("Ostiary: management API", &["header"], scopes.collect())
            }
        };
        let mut document = json!({
            "resource": format!("{issuer}{}", self.path()),
            "resource_name": name,
            "authorization_servers": [issuer],
            "bearer_methods_supported": methods,
            "scopes_supported": scopes,
            "dpop_signing_alg_values_supported": Algorithm::ALL,
        });
        if self == Self::Api {
            document["resource_documentation"] = format!("{issuer}{API}/docs").into();
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_stands_between_host_and_path() {
        for (issuer, resource, url) in [
            ("https://id.example", Own::UserInfo, "https://id.example/.well-known/oauth-protected-resource"),
            ("https://id.example", Own::Api, "https://id.example/.well-known/oauth-protected-resource/api/v1"),
            ("https://id.example/a", Own::Api, "https://id.example/.well-known/oauth-protected-resource/a/api/v1"),
            ("https://[::1]:8080/a/b", Own::UserInfo, "https://[::1]:8080/.well-known/oauth-protected-resource/a/b"),
        ] {
            assert_eq!(resource.url(issuer), url);
        }
    }
}
