//! The router: every route of the server, on one screen.

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, any, get, post};

use crate::api;
use crate::config::ServerConfig;
use crate::endpoints::{
    authorize, backchannel_authentication, check_session, client_registration, device_authorization, discovery, end_session,
    health, introspect, jwks, metrics, par, revoke, token, userinfo,
};
use crate::pages::site::Site;
use crate::pages::{
    self, account, admin, challenge, consent, credentials, device, factor, language, login, logout, passkey, passkeys,
    reauthenticate, recover, register, security, setup, statics, totp,
};
use crate::protocol::metadata::{self, path};
use crate::protocol::resource_metadata::Own;
use crate::state::AppState;
use crate::web::audience::Audiences;
use crate::web::cors;
use crate::web::dpop;
use crate::web::error::{ErrorRenderer, method_not_allowed, not_found};
use crate::web::shell::{Shell, Watch};

/// Every route, below the issuer's path. The well-known documents stand where RFC 8414 §3.1 (between host and path) and
/// OpenID Connect Discovery §4 (after the path) put them, and where clients that mix the two look for them.
pub fn router(state: AppState) -> Router {
    let base = state.base.clone();
    let below = Router::new()
        // OAuth 2.0 and OpenID Connect
        .route(path::AUTHORIZATION, get(authorize::get).post(authorize::post))
        .route("/authorize/resume", get(authorize::resume))
        .merge(of_clients(&state))
        .route(path::END_SESSION, get(end_session::get).post(end_session::post))
        .route(path::CLIENT_REGISTRATION, for_anybody(post(client_registration::register)))
        .route(
            &format!("{}/{{client_id}}", path::CLIENT_REGISTRATION),
            for_anybody(get(client_registration::read).put(client_registration::replace).delete(client_registration::delete)),
        )
        .route(path::CHECK_SESSION, get(check_session::check_session))
        .route(path::JWKS, public(get(jwks::jwks)))
        // People
        .route("/login", get(login::get).post(login::post))
        .route("/challenge/{action}", get(challenge::renew))
        .route("/login/passkey", get(passkey::get).post(passkey::post))
        .route("/login/select", get(login::get_select).post(login::post_select))
        .route("/login/factor", get(factor::get).post(factor::post))
        .route("/register", get(register::get).post(register::post))
        .route("/register/code", get(register::get_code).post(register::post_code))
        .route("/recover", get(recover::get).post(recover::post))
        .route("/recover/code", get(recover::get_code).post(recover::post_code))
        .route("/recover/password", get(recover::get_password).post(recover::post_password))
        .route("/consent", get(consent::get).post(consent::post))
        .route(device::PATH, get(device::get).post(device::post))
        .route(device::ALLOWED, get(device::get_allowed))
        .route(device::DENIED, get(device::get_denied))
        .route("/language", get(language::get))
        .route("/logout", get(logout::get).post(logout::post))
        .route("/setup", get(setup::get).post(setup::post))
        .route("/", get(account::home))
        .route("/account", get(account::get))
        .route("/account/password", get(credentials::get_password).post(credentials::post_password))
        .route("/account/email", get(credentials::get_email).post(credentials::post_email))
        .route("/account/email/code", get(credentials::get_change_code).post(credentials::post_code))
        .route("/account/email/verify", get(credentials::get_verify_code).post(credentials::post_verify))
        .route("/account/sessions", get(account::sessions::get).post(account::sessions::post))
        .route("/account/sessions/name", post(account::sessions::post_name))
        .route("/account/apps", get(account::apps::get).post(account::apps::post))
        .route("/account/requests", get(account::requests::get))
        .route(account::requests::ALLOWED, get(account::requests::get_allowed))
        .route(account::requests::DENIED, get(account::requests::get_denied))
        .route("/account/activity", get(account::activity::get))
        .route("/account/language", get(account::language::get).post(account::language::post))
        .route("/account/data", get(account::data::get).post(account::data::post))
        .route("/account/delete", get(account::data::get_delete).post(account::data::post_delete))
        .route("/account/reauthenticate", get(reauthenticate::get).post(reauthenticate::post))
        .route("/account/security", get(security::get))
        .route("/account/security/totp", get(totp::get).post(totp::post))
        .route("/account/security/totp/remove", post(security::post_remove_totp))
        .route("/account/security/passkeys", get(passkeys::get).post(passkeys::post))
        .route("/account/security/passkeys/name", get(passkeys::get_name).post(passkeys::post_name))
        .route("/account/security/passkeys/remove", post(passkeys::post_remove))
        .route("/account/security/password/remove", post(passkeys::post_remove_password))
        .route("/account/security/recovery-codes", post(security::post_recovery_codes))
        .route("/admin", get(admin::get))
        .route(statics::ROUTE, get(statics::serve))
        // Operation
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready));
    // A nested "/" is the path without a slash at its end: people type either.
    let home = format!("{base}/");
    let mut router = if base.is_empty() { below } else { Router::new().nest(&base, below).route(&home, get(account::home)) };
    for location in metadata::locations(&state.config.server.issuer) {
        router = router.route(&location, public(get(discovery::metadata)));
    }
    for own in Own::ALL {
        let document = async move |State(state): State<AppState>| discovery::of_resource(own, &state);
        router = router.route(&own.location(&state.config.server.issuer), public(get(document)));
    }
    // Browsers look for it there and nowhere else, whatever the issuer's path is.
    router = router.route("/favicon.ico", get(statics::favicon));
    completed(router, state)
}

/// What clients call directly: all that there is where they show certificates (`mtls_endpoint_aliases`).
fn of_clients(state: &AppState) -> Router<AppState> {
    Router::new()
        .route(path::TOKEN, for_clients(post(token::token)))
        .route(path::PUSHED_REQUEST, for_clients(post(par::push)))
        .route(path::DEVICE_AUTHORIZATION, for_clients(post(device_authorization::begin)))
        .route(path::BACKCHANNEL_AUTHENTICATION, for_clients(post(backchannel_authentication::ask)))
        .route(path::INTROSPECTION, post(introspect::introspect))
        .route(path::REVOCATION, for_clients(post(revoke::revoke)))
        .route(path::USERINFO, for_clients(get(userinfo::userinfo).post(userinfo::userinfo)))
        .nest(api::PATH, api::router(state))
}

fn completed(router: Router<AppState>, state: AppState) -> Router {
    let router = if state.config.dpop.require_nonce {
        router.layer(from_fn_with_state(state.clone(), dpop::with_nonce::<AppState>))
    } else {
        router
    };
    router.fallback(any(not_found)).method_not_allowed_fallback(method_not_allowed).with_state(state)
}

/// The router with everything around it.
pub fn shell(state: &AppState) -> Shell {
    around(router(state.clone()), state, &state.config.server)
}

/// The same, where certificates are asked for: no page, and nothing that a browser is sent to.
pub fn shell_for_certificates(state: &AppState) -> Shell {
    let below = of_clients(state);
    let router = if state.base.is_empty() { below } else { Router::new().nest(&state.base, below) };
    // Clients come to it themselves: nobody there speaks for another one, whatever address they come from.
    let server = ServerConfig { trusted_proxies: Vec::new(), client_certificate_header: false, ..state.config.server.clone() };
    around(completed(router, state.clone()), state, &server)
}

fn around(router: Router, state: &AppState, server: &ServerConfig) -> Shell {
    let audiences = Audiences {
        page: pages::error::renderer(Site::of_issuer(&state.issuer, &state.config.server.default_locale)),
        api: api::error::renderer(),
        api_path: state.path(api::PATH),
    };
    let watch = Watch { counts: state.config.metrics.address().is_some(), lines: state.config.log.requests, recorder: None };
    Shell::new(router, state.clock.clone(), server, audiences).explaining(state.explanations.clone()).watching(watch)
}

/// What is served on the listener for the figures: nothing else.
pub fn metrics_shell(state: &AppState) -> Shell {
    let router = Router::new().route("/metrics", get(metrics::metrics)).fallback(any(not_found));
    let router = router.method_not_allowed_fallback(method_not_allowed).with_state(state.clone());
    let (page, api) = (ErrorRenderer::default(), ErrorRenderer::default());
    let audiences = Audiences { page, api, api_path: api::PATH.to_owned() };
    Shell::new(router, state.clock.clone(), &ServerConfig::default(), audiences)
}

/// A public document: any origin may read it.
fn public(routes: MethodRouter<AppState>) -> MethodRouter<AppState> {
    routes.options(cors::public_preflight)
}

/// An endpoint that scripts of every origin may call, for nobody is known by a cookie there.
fn for_anybody(routes: MethodRouter<AppState>) -> MethodRouter<AppState> {
    routes.options(cors::registration_preflight)
}

/// An endpoint that scripts of registered origins may call.
fn for_clients(routes: MethodRouter<AppState>) -> MethodRouter<AppState> {
    routes.options(cors::client_preflight::<AppState>)
}
