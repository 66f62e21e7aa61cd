//! Logins that somebody else than the application begins (OpenID Connect Core §4).

use url::Url;

use super::client::Client;

/// Where a person goes to have the application log them in here, if it knows how to. Nothing is said of who they are.
pub fn url(client: &Client, issuer: &str) -> Option<String> {
    let uri = client.metadata.initiate_login_uri.as_deref().filter(|_| client.is_active())?;
    let mut url = Url::parse(uri).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    url.query_pairs_mut().append_pair("iss", issuer);
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::super::client::ClientStatus;
    use super::super::client::testing::client;
    use super::*;

    #[test]
    fn the_application_is_told_who_sends_the_person() {
        let with =
            |uri: &str| url(&client(|metadata| metadata.initiate_login_uri = Some(uri.to_owned())), "https://id.example/a");
        assert_eq!(with("https://app.ex/login").unwrap(), "https://app.ex/login?iss=https%3A%2F%2Fid.example%2Fa");
        assert_eq!(with("https://app.ex/login?a=b").unwrap(), "https://app.ex/login?a=b&iss=https%3A%2F%2Fid.example%2Fa");
        for other in ["javascript:alert(1)", "", "app"] {
            assert_eq!(with(other), None, "{other}");
        }
        assert_eq!(url(&client(|_| {}), "https://id.example"), None);
        let disabled = client(|metadata| metadata.initiate_login_uri = Some("https://app.ex/login".to_owned()));
        assert_eq!(url(&Client { status: ClientStatus::Disabled, ..disabled }, "https://id.example"), None);
    }
}
