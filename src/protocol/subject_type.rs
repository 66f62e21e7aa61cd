//! Which sector a client belongs to: within it people are known by one `sub`, and elsewhere by another (OpenID Connect Core §8.1).

use serde_json::Value;
use url::Url;

use super::client::{ClientMetadata, SubjectType};

/// The host of the sector; `None` for a client that knows people by the `sub` that all know, and for one whose sector can't be told.
pub fn sector(metadata: &ClientMetadata) -> Option<String> {
    if metadata.subject_type == SubjectType::Public {
        return None;
    }
    if let Some(uri) = &metadata.sector_identifier_uri {
        return Url::parse(uri).ok()?.host_str().map(str::to_owned);
    }
    let mut hosts = metadata.redirect_uris.iter().map(|uri| proved_host(uri));
    let first = hosts.next()??;
    hosts.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

/// None where nobody has proved that it is theirs: of loopback addresses, and of an application's own schemes.
fn proved_host(uri: &str) -> Option<String> {
    Url::parse(uri).ok().filter(|uri| uri.scheme() == "https")?.host_str().map(str::to_owned)
}

/// What is wrong with a sector's document (OpenID Connect Registration 1.0 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSector {
    #[error("must answer with a JSON array of strings")]
    NotAList,
    #[error("lacks one of the redirect URIs")]
    LacksRedirectUri,
}

impl InvalidSector {
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAList => "not_a_list",
            Self::LacksRedirectUri => "lacks_redirect_uri",
        }
    }
}

/// Whether all redirection URIs of the client stand in the document of its sector.
pub fn check_document(document: &[u8], metadata: &ClientMetadata) -> Result<(), InvalidSector> {
    let document: Value = serde_json::from_slice(document).map_err(|_| InvalidSector::NotAList)?;
    let entries = document.as_array().ok_or(InvalidSector::NotAList)?;
    let listed: Vec<&str> = entries.iter().map(Value::as_str).collect::<Option<_>>().ok_or(InvalidSector::NotAList)?;
    let all = metadata.redirect_uris.iter().all(|uri| listed.contains(&uri.as_str()));
    if all { Ok(()) } else { Err(InvalidSector::LacksRedirectUri) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::testing::client;

    fn sector_of(uris: &[&str], sector_uri: Option<&str>) -> Option<String> {
        let app = client(|metadata| {
            metadata.subject_type = SubjectType::Pairwise;
            metadata.redirect_uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
            metadata.sector_identifier_uri = sector_uri.map(str::to_owned);
        });
        sector(&app.metadata)
    }

    #[test]
    fn the_sector_is_the_one_host_or_that_of_the_document() {
        assert_eq!(sector(&client(|_| {}).metadata), None, "public");
        assert_eq!(sector_of(&["https://app.ex/a", "https://app.ex:8443/b"], None).as_deref(), Some("app.ex"));
        for uris in [
            &["https://app.ex/", "https://b.ex/"][..],
            &[],
            &["com.example.app:/cb"],
            &["com.evil.app://app.ex/"],
            &["http://127.0.0.1/"],
        ] {
            assert_eq!(sector_of(uris, None), None, "{uris:?}");
            assert_eq!(sector_of(uris, Some("https://sector.ex/x")).as_deref(), Some("sector.ex"));
        }
    }

    #[test]
    fn n7_the_document_lists_every_redirect_uri_and_nothing_but_strings() {
        let app = client(|metadata| metadata.redirect_uris.push("https://b.ex/cb".to_owned()));
        let check = |document: &str| check_document(document.as_bytes(), &app.metadata);
        assert_eq!(check(r#"["https://b.ex/cb","https://app.ex/cb","https://c.ex/"]"#), Ok(()));
        assert_eq!(check(r#"["https://app.ex/cb"]"#), Err(InvalidSector::LacksRedirectUri));
        assert_eq!(check(r#"["https://app.ex/cb","https://b.ex/cb/"]"#), Err(InvalidSector::LacksRedirectUri));
        for bad in [r#"["https://b.ex/cb","https://app.ex/cb",1]"#, "{}", "<html>", ""] {
            assert_eq!(check(bad), Err(InvalidSector::NotAList), "{bad}");
        }
    }
}
