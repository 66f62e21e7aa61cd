//! Checks of the authorization endpoint.

use super::{Group, check, client_document, sometimes, target};

/// What is answered with a page, for the redirection URI isn't known yet.
pub const ASKING: Group = Group {
    name: "Client that asks",
    checks: &[
        check("client_id", &["client_id_duplicated", "client_id_missing"], "client_id", "One client_id."),
        check(
            "client",
            &["client_unknown"],
            "Is there such a client?",
            "The client_id of a registered client: `ostiary client list`. Or the URL of a document, where `client_id_metadata_documents.enabled` or `mcp.enabled` is set: https, with a path, as the URL standard writes it.",
        ),
        client_document::HOST,
        client_document::LIMIT,
        client_document::DOCUMENT,
        check("client_status", &["client_disabled"], "Is it enabled?", "Enabling the client: `ostiary client enable`."),
    ],
};

/// What a `request_uri` of ours stands for; a page too.
pub const PUSHED: Group = Group {
    name: "Pushed request",
    checks: &[
        sometimes("request_uri_once", &["request_uri_duplicated"], "Is there one request_uri?", "One request_uri."),
        sometimes(
            "pushed_request_required",
            &["pushed_request_required"],
            "Was the request pushed, if it has to be?",
            "A request that was sent to /par first (RFC 9126): the client is registered with require_pushed_authorization_requests or a profile that asks for it, or `tokens.require_pushed_authorization_requests` is set.",
        ),
        sometimes(
            "pushed_request",
            &["pushed_request_unknown"],
            "Was it pushed here?",
            "The request_uri as /par answered it, complete. One that nobody can open any more is forgotten after a while.",
        ),
        sometimes(
            "pushed_request_client",
            &["pushed_request_of_another_client"],
            "Did this client push it?",
            "The client_id of the client that pushed it.",
        ),
        sometimes(
            "pushed_request_use",
            &["pushed_request_used"],
            "Has a login with it come to its end?",
            "Pushing another request: the end of a login uses it up.",
        ),
        sometimes(
            "pushed_request_age",
            &["pushed_request_expired"],
            "May it still be opened?",
            "Sending the browser within 90 seconds.",
        ),
    ],
};

/// What is pushed.
pub const PUSH: Group = Group {
    name: "Request to push",
    checks: &[
        check(
            "request_uri_inside",
            &["request_uri_pushed"],
            "Does it refer to another request?",
            "A request without request_uri (RFC 9126 section 2.1).",
        ),
        check(
            "client_id_inside",
            &["client_id_differs"],
            "Is it the request of the client that authenticated?",
            "The same client_id, or none.",
        ),
    ],
};

/// Where the answer goes. An error is a page, for it may be an attacker's.
pub const DESTINATION: Group = Group {
    name: "Redirection URI",
    checks: &[
        check("redirect_uri_given", &["redirect_uri_duplicated", "redirect_uri_missing"], "redirect_uri", "One redirect_uri."),
        check(
            "redirect_uri",
            &["redirect_uri_mismatch"],
            "Is it one of those that the client is registered for?",
            "A redirect_uri that is registered, character by character (RFC 9700 section 2.1); only the port of a native application's loopback address may differ.",
        ),
    ],
};

/// What is answered by redirect, to the client.
pub const REQUEST: Group = Group {
    name: "Authorization request",
    checks: &[
        check(
            "repetition",
            &["parameter_duplicated"],
            "Was a parameter given more than once?",
            "Each parameter once (RFC 6749 section 3.1).",
        ),
        check(
            "response_type",
            &["response_type_missing", "response_type_unsupported"],
            "response_type",
            "response_type=code; with `legacy.response_types` also id_token, id_token token, code id_token, code token and code id_token token.",
        ),
        check(
            "grant_type",
            &["grant_type_not_registered"],
            "May the client log people in?",
            "A client that is registered with the grant type authorization_code.",
        ),
        check(
            "response_type_registered",
            &["response_type_not_registered"],
            "May the client have tokens through the browser?",
            "response_type=code, or a client that is registered for the other one in response_types, with the grant type implicit.",
        ),
        check(
            "response_mode",
            &["response_mode_invalid"],
            "response_mode",
            "query, fragment or form_post, each also with .jwt behind it; or jwt; or none.",
        ),
        sometimes(
            "response_mode_signed",
            &["response_mode_unsigned"],
            "Of a client with the profile fapi2_message_signing: is the response to be signed?",
            "A response_mode that ends with jwt.",
        ),
        sometimes(
            "response_mode_for_tokens",
            &["response_mode_query"],
            "With tokens in the response: would they stand in a query?",
            "fragment, which is the default then, or form_post; each also with .jwt behind it.",
        ),
        check("unsupported", &["registration"], "Parameters that are not supported.", "A request without registration."),
        target::ASKED,
        target::DETAILS_ASKED,
        check(
            "code_challenge",
            &["code_challenge_missing"],
            "code_challenge",
            "A code_challenge: PKCE (RFC 7636) is required of every client. With response_type code id_token or code id_token token alone, one that can authenticate does without.",
        ),
        check(
            "code_challenge_method",
            &["code_challenge_method_unsupported"],
            "code_challenge_method",
            "code_challenge_method=S256; without one, plain would be meant.",
        ),
        check(
            "code_challenge_form",
            &["code_challenge_invalid"],
            "Is the challenge a hash?",
            "The SHA-256 of the verifier in base64url, without padding.",
        ),
        check("dpop_jkt", &["dpop_jkt_invalid"], "dpop_jkt", "The JWK thumbprint of a key: 43 characters of base64url."),
        check(
            "scope_form",
            &["scope_malformed"],
            "The form of scope.",
            "Scope values, separated by single spaces (RFC 6749 section 3.3).",
        ),
        check(
            "scope",
            &["scope_not_registered"],
            "May the client have what it asks for?",
            "Asking for values only that the client is registered for, or registering it for more.",
        ),
        check(
            "scope_left",
            &["scope_empty"],
            "Is something left that is known here?",
            "At least one scope value that this server knows.",
        ),
        check("nonce", &["nonce_invalid"], "The length of nonce.", "A nonce of at most 2048 bytes."),
        sometimes(
            "openid",
            &["openid_not_asked_for"],
            "With tokens in the response: is it OpenID Connect?",
            "The scope value openid, or response_type=code.",
        ),
        sometimes("nonce_given", &["nonce_missing"], "With tokens in the response: nonce", "A nonce, or response_type=code."),
        sometimes(
            "token_binding",
            &["front_channel_token_unbound"],
            "With an access token in the response: would it have to be bound to a key?",
            "A request without dpop_jkt, of a client whose access tokens need not be bound; or a response_type without token.",
        ),
        check(
            "state",
            &["state_invalid"],
            "Can state be given back as it is?",
            "A state of at most 4096 bytes, without line breaks for form_post.",
        ),
        check("prompt", &["prompt_invalid"], "prompt", "none alone, or any of login, consent, select_account and create."),
        sometimes(
            "prompt_create",
            &["prompt_create_unsupported"],
            "With prompt=create: may anybody register?",
            "`registration.mode` open; `prompt_values_supported` says so.",
        ),
        check("max_age", &["max_age_invalid"], "max_age", "A number of seconds."),
        check(
            "claims",
            &["claims_invalid"],
            "claims",
            "A JSON object as OpenID Connect Core section 5.5 describes it, of at most 4 KiB.",
        ),
        check(
            "id_token_hint_length",
            &["id_token_hint_too_long"],
            "The length of id_token_hint.",
            "An id_token_hint of at most 8192 bytes.",
        ),
        check("acr_values", &["acr_values_too_long"], "The length of acr_values.", "acr_values of at most 1024 bytes."),
        sometimes(
            "id_token_hint_encryption",
            &["id_token_hint_encrypted"],
            "Is id_token_hint encrypted?",
            "The signed ID token that the client found when it decrypted its own.",
        ),
        sometimes(
            "id_token_hint",
            &["id_token_hint_invalid"],
            "Is id_token_hint an ID token of this server?",
            "An ID token that this server signed, expired or not.",
        ),
    ],
};

/// Whether a code may be given.
pub const DECISION: Group = Group {
    name: "Person and consent",
    checks: &[
        sometimes(
            "acr_reachable",
            &["acr_unreachable"],
            "The essential acr values of the claims parameter.",
            "At least one that this server knows: 1, 2 or phr.",
        ),
        sometimes(
            "subjects",
            &["subjects_differ"],
            "Do id_token_hint and the sub claim name one person?",
            "The same person in both, or one of them alone.",
        ),
        check(
            "session",
            &["login_required"],
            "Is somebody logged in?",
            "A login in this browser: without prompt=none the person would have been asked.",
        ),
        check(
            "subject",
            &["other_user_logged_in"],
            "Is it the person who is asked for?",
            "That very person's login; without prompt=none there would have been a login page.",
        ),
        check(
            "age",
            &["max_age_exceeded"],
            "Is the login young enough?",
            "A login that is no older than max_age; without prompt=none the person would have been asked again.",
        ),
        check(
            "factors",
            &["step_up_required"],
            "Is the login strong enough?",
            "A further factor, which can't be asked for with prompt=none.",
        ),
        sometimes("consent", &["consent_denied"], "Did the person agree?", "The person says yes."),
        sometimes(
            "client_identity",
            &["client_identity_not_assured"],
            "Is it certain who the client is?",
            "A page on which the person agrees: anybody on the device could use this redirection URI, so prompt=none is refused.",
        ),
        sometimes(
            "remembered_consent",
            &["consent_required"],
            "Did the person agree before?",
            "A consent that covers all that is asked for; without prompt=none the person would have been asked.",
        ),
        check(
            "pushed_request_end",
            &["pushed_request_used"],
            "Is it the first login with this pushed request that comes to its end?",
            "Pushing another request: it was opened twice, and the other login was faster.",
        ),
        check(
            "flow_size",
            &["flow_too_large"],
            "Does the request fit into a URL once it is sealed?",
            "A shorter request: less than about 5 KB in all.",
        ),
    ],
};

/// What is posted is fetched again as a query.
pub const AS_QUERY: Group = Group {
    name: "Length of a posted request",
    checks: &[check(
        "request_length",
        &["request_too_large"],
        "Does the request fit into a URL?",
        "An authorization request of less than 8 KiB.",
    )],
};
