//! What is done, and which checks it goes through in which order.

use super::account::{ADMINISTRATOR, CHANGE, OWNER};
use super::api::{CALLER, CONTENT, FIRST_PARTY, PERMISSION, STEPS, THING};
use super::authorize::{AS_QUERY, ASKING, DECISION, DESTINATION, PUSH, PUSHED, REQUEST};
use super::backchannel::{AUTH_REQ_ID, BACKCHANNEL_DECISION, BACKCHANNEL_REQUEST};
use super::client_registration::{CLIENT_METADATA, REGISTRATION_TOKEN};
use super::device::{DEVICE_CODE, DEVICE_DECISION, DEVICE_REQUEST, USER_CODE};
use super::encryption::ENVELOPE;
use super::jwt_bearer::{JWT_BEARER, JWT_BEARER_END};
use super::login::{MAILED_CODE, PASSKEY, PASSKEY_QUESTION, PASSWORD, REGISTRATION, SECOND_FACTOR, SESSION, SETUP};
use super::logout::{END_SESSION, LOGOUT_FORM};
use super::request::{ADDRESS, BODY, CREDENTIALS_IN_QUERY, CSRF, FLOW, HEAD, QUERY, UNREPEATED};
use super::request_object::REQUEST_OBJECT;
use super::resource::{BEARER, CERTIFICATE, PROOF, PUSHED_KEY, USERINFO};
use super::target::RESOURCE;
use super::token::{CLIENT, CLIENT_CREDENTIALS, CODE, GRANT, INTROSPECTION, OWN_TOKEN, RATE, REFRESH, TOKEN};
use super::token_exchange::TOKEN_EXCHANGE;
use super::{Group, Procedure};

const fn procedure(
    name: &'static str,
    routes: &'static [&'static str],
    about: &'static str,
    groups: &'static [&'static Group],
) -> Procedure {
    Procedure { name, about, routes, groups }
}

/// What has no checks of its own: documents, health, and paths where there is nothing.
pub const ANYTHING: Procedure = procedure("other", &["* /*"], "Whatever stands nowhere else:", &[&HEAD, &QUERY]);

/// Every procedure. The first that fits a request is its own.
pub const PROCEDURES: &[Procedure] = &[
    procedure(
        "authorize",
        &["GET /authorize"],
        "An application sends a person to log in:",
        &[&HEAD, &ADDRESS, &QUERY, &ASKING, &PUSHED, &REQUEST_OBJECT, &DESTINATION, &REQUEST, &ENVELOPE, &DECISION],
    ),
    procedure("authorize/post", &["POST /authorize"], "The same as a form:", &[&HEAD, &ADDRESS, &BODY, &AS_QUERY]),
    procedure(
        "authorize/resume",
        &["GET /authorize/resume"],
        "A page of the login sends the browser back:",
        &[&HEAD, &ADDRESS, &QUERY, &FLOW, &DECISION, &ENVELOPE],
    ),
    procedure(
        "par",
        &["POST /par"],
        "A client pushes an authorization request:",
        &[
            &HEAD,
            &CREDENTIALS_IN_QUERY,
            &BODY,
            &UNREPEATED,
            &CLIENT,
            &RATE,
            &PUSH,
            &REQUEST_OBJECT,
            &PROOF,
            &PUSHED_KEY,
            &DESTINATION,
            &REQUEST,
            &ENVELOPE,
        ],
    ),
    procedure(
        "token",
        &["POST /token"],
        "A client asks for tokens:",
        &[&HEAD, &CREDENTIALS_IN_QUERY, &BODY, &UNREPEATED, &CLIENT, &RATE, &PROOF, &CERTIFICATE, &GRANT],
    ),
    procedure(
        "token/authorization_code",
        &[],
        "A client redeems an authorization code. Part of `POST /token`.",
        &[
            &HEAD,
            &CREDENTIALS_IN_QUERY,
            &BODY,
            &UNREPEATED,
            &CLIENT,
            &RATE,
            &PROOF,
            &CERTIFICATE,
            &GRANT,
            &CODE,
            &RESOURCE,
            &ENVELOPE,
        ],
    ),
    procedure(
        "token/refresh_token",
        &[],
        "A client uses a refresh token. Part of `POST /token` and of `POST /api/v1/auth/refresh`.",
        &[
            &HEAD,
            &CREDENTIALS_IN_QUERY,
            &BODY,
            &UNREPEATED,
            &CLIENT,
            &RATE,
            &PROOF,
            &CERTIFICATE,
            &GRANT,
            &REFRESH,
            &RESOURCE,
            &ENVELOPE,
        ],
    ),
    procedure(
        "token/client_credentials",
        &[],
        "A service asks for a token of its own. Part of `POST /token`.",
        &[
            &HEAD,
            &CREDENTIALS_IN_QUERY,
            &BODY,
            &UNREPEATED,
            &CLIENT,
            &RATE,
            &PROOF,
            &CERTIFICATE,
            &GRANT,
            &CLIENT_CREDENTIALS,
            &RESOURCE,
        ],
    ),
    procedure(
        "token/device_code",
        &[],
        "A device asks whether its person has decided. Part of `POST /token`.",
        &[
            &HEAD,
            &CREDENTIALS_IN_QUERY,
            &BODY,
            &UNREPEATED,
            &CLIENT,
            &RATE,
            &PROOF,
            &CERTIFICATE,
            &GRANT,
            &DEVICE_CODE,
            &RESOURCE,
            &ENVELOPE,
        ],
    ),
    procedure(
        "token/token_exchange",
        &[],
        "A client exchanges a token. Part of `POST /token`.",
        &[&HEAD, &CREDENTIALS_IN_QUERY, &BODY, &UNREPEATED, &CLIENT, &RATE, &PROOF, &CERTIFICATE, &GRANT, &TOKEN_EXCHANGE],
    ),
    procedure(
        "token/jwt_bearer",
        &[],
        "A client brings an assertion about a person. Part of `POST /token`.",
        &[
            &HEAD,
            &CREDENTIALS_IN_QUERY,
            &BODY,
            &UNREPEATED,
            &CLIENT,
            &RATE,
            &PROOF,
            &CERTIFICATE,
            &GRANT,
            &JWT_BEARER,
            &JWT_BEARER_END,
        ],
    ),
    procedure(
        "token/ciba",
        &[],
        "A client asks whether the person whom it asked has decided. Part of `POST /token`.",
        &[
            &HEAD,
            &CREDENTIALS_IN_QUERY,
            &BODY,
            &UNREPEATED,
            &CLIENT,
            &RATE,
            &PROOF,
            &CERTIFICATE,
            &GRANT,
            &AUTH_REQ_ID,
            &RESOURCE,
        ],
    ),
    procedure(
        "backchannel_authentication",
        &["POST /backchannel-authentication"],
        "A client asks a person who is elsewhere:",
        &[&HEAD, &CREDENTIALS_IN_QUERY, &BODY, &UNREPEATED, &CLIENT, &RATE, &BACKCHANNEL_REQUEST],
    ),
    procedure(
        "device_authorization",
        &["POST /device_authorization"],
        "A device asks for a code that its person types elsewhere:",
        &[&HEAD, &CREDENTIALS_IN_QUERY, &BODY, &UNREPEATED, &CLIENT, &RATE, &DEVICE_REQUEST],
    ),
    procedure(
        "device",
        &["* /device", "* /device/*"],
        "A person types the code of a device:",
        &[&HEAD, &BODY, &CSRF, &USER_CODE],
    ),
    procedure(
        "introspect",
        &["POST /introspect"],
        "A resource server asks what a token is worth. A token that counts for nothing is no refusal:",
        &[&HEAD, &CREDENTIALS_IN_QUERY, &BODY, &UNREPEATED, &CLIENT, &INTROSPECTION, &RATE, &TOKEN, &ENVELOPE],
    ),
    procedure(
        "revoke",
        &["POST /revoke"],
        "A client takes a token back:",
        &[&HEAD, &CREDENTIALS_IN_QUERY, &BODY, &UNREPEATED, &CLIENT, &RATE, &TOKEN, &OWN_TOKEN],
    ),
    procedure("userinfo", &["GET /userinfo"], "A client asks who has logged in:", &[&HEAD, &BEARER, &PROOF, &USERINFO]),
    procedure(
        "userinfo/post",
        &["POST /userinfo"],
        "The same; the checks of the body are made where there is one:",
        &[&HEAD, &CREDENTIALS_IN_QUERY, &BODY, &UNREPEATED, &BEARER, &PROOF, &USERINFO, &ENVELOPE],
    ),
    procedure(
        "login",
        &["POST /login", "GET /login"],
        "A person gives a name and a password:",
        &[&HEAD, &ADDRESS, &BODY, &CSRF, &FLOW, &PASSWORD, &SESSION],
    ),
    procedure(
        "login/passkey",
        &["POST /login/passkey"],
        "A person uses a passkey:",
        &[&HEAD, &ADDRESS, &BODY, &CSRF, &FLOW, &PASSKEY, &SESSION],
    ),
    procedure(
        "login/passkey/question",
        &["GET /login/passkey"],
        "The login page asks for another challenge:",
        &[&HEAD, &PASSKEY_QUESTION],
    ),
    procedure(
        "login/factor",
        &["POST /login/factor", "GET /login/factor"],
        "A person proves a second factor:",
        &[&HEAD, &BODY, &CSRF, &FLOW, &SECOND_FACTOR, &SESSION, &DECISION, &ENVELOPE],
    ),
    procedure(
        "login/select",
        &["POST /login/select", "GET /login/select"],
        "A person chooses an account:",
        &[&HEAD, &BODY, &CSRF, &FLOW],
    ),
    procedure(
        "consent",
        &["POST /consent", "GET /consent"],
        "A person agrees, or does not:",
        &[&HEAD, &BODY, &FLOW, &CSRF, &CONSENT_FORM, &DECISION, &DEVICE_DECISION, &BACKCHANNEL_DECISION, &ENVELOPE],
    ),
    procedure(
        "register",
        &["* /register", "* /register/code"],
        "Somebody wants an account:",
        &[&HEAD, &BODY, &CSRF, &FLOW, &REGISTRATION, &MAILED_CODE],
    ),
    procedure(
        "recover",
        &["* /recover", "* /recover/*"],
        "Somebody forgot a password:",
        &[&HEAD, &BODY, &CSRF, &FLOW, &MAILED_CODE, &CHANGE],
    ),
    procedure("setup", &["* /setup"], "The first administrator is made:", &[&HEAD, &BODY, &CSRF, &SETUP, &REGISTRATION]),
    procedure(
        "reauthenticate",
        &["* /account/reauthenticate"],
        "A person shows that it is still them:",
        &[&HEAD, &BODY, &CSRF, &OWNER, &SECOND_FACTOR, &SESSION],
    ),
    procedure(
        "account",
        &["* /account", "* /account/*", "* /language"],
        "A person looks after their account:",
        &[&HEAD, &BODY, &CSRF, &OWNER, &SECOND_FACTOR, &MAILED_CODE, &CHANGE],
    ),
    procedure(
        "end_session",
        &["GET /end-session"],
        "An application sends a person to log out:",
        &[&HEAD, &ADDRESS, &QUERY, &UNREPEATED, &END_SESSION],
    ),
    procedure("end_session/post", &["POST /end-session"], "The same as a form:", &[&HEAD, &ADDRESS, &BODY, &AS_QUERY]),
    procedure(
        "client_registration",
        &["POST /client-registration"],
        "An application registers itself:",
        &[&HEAD, &ADDRESS, &REGISTRATION_TOKEN, &CLIENT_METADATA],
    ),
    procedure(
        "client_registration/own",
        &["* /client-registration/{client_id}"],
        "An application reads, changes or deletes its own registration:",
        &[&HEAD, &ADDRESS, &REGISTRATION_TOKEN, &RATE, &CLIENT_METADATA],
    ),
    procedure("logout", &["* /logout"], "A person logs out:", &[&HEAD, &BODY, &CSRF, &LOGOUT_FORM]),
    procedure("admin", &["* /admin", "* /admin/*"], "An administrator opens the console:", &[&HEAD, &ADMINISTRATOR]),
    procedure(
        "api/auth/register",
        &["* /api/v1/auth/register", "* /api/v1/auth/email/*"],
        "Somebody wants an account, in an application of the operator's own:",
        &[&HEAD, &ADDRESS, &CONTENT, &CLIENT, &RATE, &PROOF, &CERTIFICATE, &FIRST_PARTY, &REGISTRATION, &MAILED_CODE, &STEPS],
    ),
    procedure(
        "api/auth/password",
        &["* /api/v1/auth/password/*"],
        "Somebody forgot a password, in an application of the operator's own:",
        &[&HEAD, &ADDRESS, &CONTENT, &CLIENT, &RATE, &PROOF, &CERTIFICATE, &FIRST_PARTY, &MAILED_CODE, &CHANGE],
    ),
    procedure(
        "api/auth/passkey",
        &["* /api/v1/auth/passkey", "* /api/v1/auth/passkey/*"],
        "A passkey logs somebody in, in an application of the operator's own:",
        &[&HEAD, &ADDRESS, &CONTENT, &CLIENT, &RATE, &PROOF, &CERTIFICATE, &FIRST_PARTY, &PASSKEY, &SESSION, &STEPS],
    ),
    procedure(
        "api/auth/reauthenticate",
        &["* /api/v1/auth/reauthenticate"],
        "A person shows an application of the operator's own that it is still them:",
        &[&HEAD, &PROOF, &CONTENT, &CALLER, &PERMISSION, &OWNER, &SECOND_FACTOR, &ENVELOPE, &STEPS],
    ),
    procedure(
        "api/auth",
        &["* /api/v1/auth/*"],
        "An application of the operator's own does for a person what the pages do:",
        &[
            &HEAD,
            &ADDRESS,
            &CALLER,
            &CONTENT,
            &CLIENT,
            &RATE,
            &PROOF,
            &CERTIFICATE,
            &FIRST_PARTY,
            &PASSWORD,
            &SECOND_FACTOR,
            &SESSION,
            &STEPS,
            &GRANT,
            &REFRESH,
            &ENVELOPE,
            &PERMISSION,
        ],
    ),
    procedure(
        "api/users/me",
        &["* /api/v1/users/me", "* /api/v1/users/me/*"],
        "Somebody looks after their own account, by our pages' session or an application:",
        &[&HEAD, &PROOF, &CALLER, &CONTENT, &PERMISSION, &OWNER, &CHANGE, &MAILED_CODE, &PASSKEY, &THING],
    ),
    procedure(
        "api",
        &["* /api/v1", "* /api/v1/*"],
        "A call of the API:",
        &[&HEAD, &PROOF, &CALLER, &PERMISSION, &CONTENT, &THING],
    ),
    ANYTHING,
];

const CONSENT_FORM: Group = Group {
    name: "Form of the consent page",
    checks: &[super::check("scope_form", &["scope_malformed"], "What was ticked.", "The form as the page showed it.")],
};
