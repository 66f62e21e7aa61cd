//! Where a client is told of a logout (OpenID Connect Back-Channel Logout 1.0 §2.2; Front-Channel Logout 1.0 §2).

use url::Url;

use super::keys::{NOT_ASKED, may_be_asked};
use super::{Problems, RegistrationPolicy};
use crate::protocol::client::ClientMetadata;
use crate::protocol::redirect_uri::RedirectUri;

pub(super) fn check(metadata: &ClientMetadata, policy: &RegistrationPolicy, problems: &mut Problems) {
    if let Some(uri) = &metadata.backchannel_logout_uri
        && !may_be_asked(uri, policy)
    {
        problems.add("backchannel_logout_uri", "url", NOT_ASKED);
    }
    if let Some(uri) = &metadata.frontchannel_logout_uri {
        frontchannel(uri, metadata, problems);
    }
    for (field, required, uri) in [
        ("backchannel_logout_session_required", metadata.backchannel_logout_session_required, &metadata.backchannel_logout_uri),
        (
            "frontchannel_logout_session_required",
            metadata.frontchannel_logout_session_required,
            &metadata.frontchannel_logout_uri,
        ),
    ] {
        if required && uri.is_none() {
            problems.add(field, "no_uri", "is of no use without the URI that goes with it");
        }
    }
}

/// A frame on this server's page shows it, so it has to be a place of the client's own: scheme, host and port of one of its
/// redirection URIs.
fn frontchannel(text: &str, metadata: &ClientMetadata, problems: &mut Problems) {
    const FIELD: &str = "frontchannel_logout_uri";
    let usable = RedirectUri::parse(text).is_ok_and(|uri| !uri.is_plain_http() && !uri.has_private_use_scheme());
    let Some(url) = Url::parse(text).ok().filter(|_| usable) else {
        problems.add(FIELD, "url", "must be an https URL without fragment");
        return;
    };
    let is_own = |uri: &String| Url::parse(uri).is_ok_and(|known| known.origin() == url.origin());
    if !metadata.redirect_uris.iter().any(is_own) {
        problems.add(FIELD, "origin", "must have the scheme, host and port of one of redirect_uris");
    }
}
