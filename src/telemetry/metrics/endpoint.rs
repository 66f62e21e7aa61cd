//! The closed list of endpoints that a request is counted under: the routes of the server, and one name for everything else.
//!
//! The shell, which counts, stands around the router and isn't told which route was taken; to find it here takes some 50 ns and
//! allocates nothing. `tests/it/telemetry` holds the list to the router.

use std::sync::LazyLock;

/// Below the issuer's path, in the order of their bytes. What is in braces stands for one segment.
const ENDPOINTS: [&str; COUNT] = [
    "/",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource",
    "/.well-known/openid-configuration",
    "/account",
    "/account/activity",
    "/account/apps",
    "/account/data",
    "/account/delete",
    "/account/email",
    "/account/email/code",
    "/account/email/verify",
    "/account/language",
    "/account/password",
    "/account/reauthenticate",
    "/account/requests",
    "/account/requests/allowed",
    "/account/requests/denied",
    "/account/security",
    "/account/security/passkeys",
    "/account/security/passkeys/name",
    "/account/security/passkeys/remove",
    "/account/security/password/remove",
    "/account/security/recovery-codes",
    "/account/security/totp",
    "/account/security/totp/remove",
    "/account/sessions",
    "/account/sessions/name",
    "/admin",
    "/api/v1/admin/audit-log",
    "/api/v1/admin/audit-log/export",
    "/api/v1/admin/client-registration-tokens",
    "/api/v1/admin/client-registration-tokens/{token_id}",
    "/api/v1/admin/clients",
    "/api/v1/admin/clients/{client_id}",
    "/api/v1/admin/clients/{client_id}/secret",
    "/api/v1/admin/explain/{trace_id}",
    "/api/v1/admin/invitations",
    "/api/v1/admin/invitations/{invitation_id}",
    "/api/v1/admin/keys",
    "/api/v1/admin/keys/rotate",
    "/api/v1/admin/lockouts",
    "/api/v1/admin/lockouts/{lockout_id}/keep",
    "/api/v1/admin/lockouts/{lockout_id}/release",
    "/api/v1/admin/resources",
    "/api/v1/admin/resources/{id}",
    "/api/v1/admin/sessions",
    "/api/v1/admin/sessions/{session_id}",
    "/api/v1/admin/users",
    "/api/v1/admin/users/{user_id}",
    "/api/v1/admin/users/{user_id}/consents",
    "/api/v1/admin/users/{user_id}/consents/{client_id}",
    "/api/v1/admin/users/{user_id}/factors",
    "/api/v1/admin/users/{user_id}/passkeys/{passkey_id}",
    "/api/v1/admin/users/{user_id}/password",
    "/api/v1/admin/users/{user_id}/sessions",
    "/api/v1/auth/email/resend",
    "/api/v1/auth/email/verify",
    "/api/v1/auth/login",
    "/api/v1/auth/logout",
    "/api/v1/auth/mfa",
    "/api/v1/auth/passkey",
    "/api/v1/auth/passkey/options",
    "/api/v1/auth/password/forgot",
    "/api/v1/auth/password/reset",
    "/api/v1/auth/reauthenticate",
    "/api/v1/auth/refresh",
    "/api/v1/auth/register",
    "/api/v1/docs",
    "/api/v1/openapi.json",
    "/api/v1/users/me",
    "/api/v1/users/me/activity",
    "/api/v1/users/me/connected-apps",
    "/api/v1/users/me/connected-apps/{client_id}",
    "/api/v1/users/me/consents",
    "/api/v1/users/me/consents/{client_id}",
    "/api/v1/users/me/email",
    "/api/v1/users/me/email/confirm",
    "/api/v1/users/me/email/verification",
    "/api/v1/users/me/export",
    "/api/v1/users/me/factors",
    "/api/v1/users/me/factors/totp",
    "/api/v1/users/me/factors/totp/confirm",
    "/api/v1/users/me/passkeys",
    "/api/v1/users/me/passkeys/options",
    "/api/v1/users/me/passkeys/{passkey_id}",
    "/api/v1/users/me/password",
    "/api/v1/users/me/recovery-codes",
    "/api/v1/users/me/sessions",
    "/api/v1/users/me/sessions/{session_id}",
    "/authorize",
    "/authorize/resume",
    "/backchannel-authentication",
    "/challenge/{action}",
    "/check-session",
    "/client-registration",
    "/client-registration/{client_id}",
    "/consent",
    "/device",
    "/device/allowed",
    "/device/denied",
    "/device_authorization",
    "/end-session",
    "/favicon.ico",
    "/health/live",
    "/health/ready",
    "/introspect",
    "/jwks",
    "/language",
    "/login",
    "/login/factor",
    "/login/passkey",
    "/login/select",
    "/logout",
    "/par",
    "/recover",
    "/recover/code",
    "/recover/password",
    "/register",
    "/register/code",
    "/revoke",
    "/setup",
    "/static/{hash}/{name}",
    "/token",
    "/userinfo",
    OTHER,
];

/// Whatever is asked for that does not exist.
const OTHER: &str = "other";

/// How many there are.
pub(super) const COUNT: usize = 126;

/// Documents that may have the issuer's path behind their own.
const WELL_KNOWN: &str = "/.well-known/";

/// How a path is found without looking at all of them.
struct Index {
    /// Those of each length.
    by_length: Vec<Vec<usize>>,
    /// Those with braces, and what comes before the first.
    templates: Vec<(usize, &'static str)>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let longest = ENDPOINTS.iter().map(|endpoint| endpoint.len()).max().unwrap_or_default();
    let of_length = |length| (0..COUNT).filter(|index| ENDPOINTS[*index].len() == length).collect();
    let template = |(index, endpoint): (usize, &'static str)| Some((index, endpoint.split_once('{')?.0));
    Index {
        by_length: (0..=longest).map(of_length).collect(),
        templates: ENDPOINTS.into_iter().enumerate().filter_map(template).collect(),
    }
});

/// One endpoint: its place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint(usize);

impl Endpoint {
    /// What there is none of.
    pub const NONE: Self = Self(COUNT - 1);

    /// The endpoint of a path below the issuer's.
    pub fn of(path: &str) -> Self {
        let Index { by_length, templates } = &*INDEX;
        let same = by_length.get(path.len()).map(Vec::as_slice).unwrap_or_default();
        if let Some(found) = same.iter().find(|index| ENDPOINTS[**index] == path) {
            return Self(*found);
        }
        if path.starts_with(WELL_KNOWN) {
            return ENDPOINTS.iter().position(|document| is_below(document, path)).map_or(Self::NONE, Self);
        }
        let fitting = templates.iter().find(|(index, begin)| path.starts_with(begin) && fits(ENDPOINTS[*index], path));
        fitting.map_or(Self::NONE, |(index, _)| Self(*index))
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..COUNT).map(Self)
    }

    pub const fn as_str(self) -> &'static str {
        ENDPOINTS[self.0]
    }

    pub(super) const fn index(self) -> usize {
        self.0
    }
}

fn is_below(document: &str, path: &str) -> bool {
    path.strip_prefix(document).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether the path is that of the template, each segment the same or in braces.
fn fits(template: &str, path: &str) -> bool {
    let (mut expected, mut found) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(expected), Some(found)) if expected == found => {}
            (Some(expected), Some(found)) if expected.starts_with('{') && !found.is_empty() => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_and_every_path_of_it_is_its_own() {
        assert!(ENDPOINTS.is_sorted());
        for endpoint in Endpoint::all() {
            assert_eq!(Endpoint::of(endpoint.as_str()), endpoint);
        }
    }

    #[test]
    fn identifiers_are_not_told_apart() {
        for (path, expected) in [
            ("/token", "/token"),
            ("/", "/"),
            ("/challenge/login", "/challenge/{action}"),
            ("/api/v1/admin/users/4711", "/api/v1/admin/users/{user_id}"),
            ("/api/v1/admin/users/4711/sessions", "/api/v1/admin/users/{user_id}/sessions"),
            ("/api/v1/users/me/passkeys/options", "/api/v1/users/me/passkeys/options"),
            ("/api/v1/users/me/passkeys/4711", "/api/v1/users/me/passkeys/{passkey_id}"),
            ("/.well-known/oauth-protected-resource/api/v1", "/.well-known/oauth-protected-resource"),
            ("/.well-known/oauth-authorization-server/tenant", "/.well-known/oauth-authorization-server"),
            ("/.well-known/security.txt", "other"),
            ("/.well-known/openid-configurations", "other"),
            ("/api/v1/admin/users/", "other"),
            ("/api/v1/admin/users/1/2/3/4", "other"),
            ("/token/", "other"),
            ("/wp-login.php", "other"),
            ("", "other"),
        ] {
            assert_eq!(Endpoint::of(path).as_str(), expected, "{path}");
        }
    }
}
