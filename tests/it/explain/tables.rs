//! The tables of checks are the code's own: every reason stands in one, and none stands there that nobody gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ostiary::protocol::checks;

#[test]
fn the_checks_in_the_docs_are_what_the_tables_declare() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/checks.md");
    let reference = checks::reference();
    if std::env::var_os("OSTIARY_UPDATE_DOCS").is_some() {
        fs::write(&file, &reference).expect("written");
    }
    let written = fs::read_to_string(&file).expect("docs/checks.md");
    assert_eq!(written, reference, "renew it: OSTIARY_UPDATE_DOCS=1 cargo test checks_in_the_docs");
}

#[test]
fn the_keys_that_the_tables_name_exist() {
    let known: BTreeSet<String> = ostiary::config::Config::SECTIONS
        .iter()
        .flat_map(|(section, _, keys)| keys.iter().map(move |(key, _)| format!("{section}.{key}")))
        .collect();
    let needs = checks::groups().into_iter().flat_map(|group| group.checks).map(|check| check.needs);
    let named = needs.flat_map(|text| text.split('`').skip(1).step_by(2)).filter(|word| word.split('.').count() == 2);
    let unknown: Vec<_> = named.filter(|key| !known.contains(*key)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// What a refusal is made with. The reason is the last word among the arguments.
const CONSTRUCTORS: &[&str] = &[
    "OAuthError::new(",
    "Problem::new(",
    "Problem::request(",
    "Self::request(",
    "Self::busy(",
    "closed = Some(",
    "closed = is_locked.then_some(",
    "audit::refused(",
    "findings::refused(",
    "findings::answered(",
    "invalid_token(",
    " invalid(",
    "(invalid(",
    "(refused(",
    "unusable(",
    "refuse(",
    " refused(",
    " wrong(",
];

/// Files in which reasons are the arms of a `match`, or stand beside an answer.
const WITH_ARMS: &[&str] = &[
    "account.rs",
    "api/auth/login.rs",
    "api/error.rs",
    "authn/login.rs",
    "authn/passkey/refusal.rs",
    "authn/password/policy.rs",
    "flow/login.rs",
    "flow/password.rs",
    "pages/login.rs",
    "pages/security.rs",
    "pages/totp.rs",
    "web/body.rs",
    "web/error.rs",
    "web/params.rs",
];

/// Words in the same places that are no reasons: codes of OAuth, methods, names of parameters.
const NO_REASONS: &[&str] = &[
    "access_denied",
    // Its reason is an argument.
    "invalid_token",
    "members",
    "parameters",
    "authorization_code",
    "mfa_token",
    "server_error",
    "expires_in",
    "lowercase",
    "uppercase",
    "digit",
    "symbol",
];

#[test]
fn every_reason_stands_in_a_table_and_every_table_entry_is_a_reason() {
    let known: BTreeSet<&str> =
        checks::groups().iter().flat_map(|group| group.checks).flat_map(|check| check.reasons).copied().collect();
    let mut given = BTreeMap::new();
    for (file, code) in code() {
        for reason in reasons(&file, &code) {
            given.entry(reason).or_insert(file.clone());
        }
    }
    let missing: Vec<_> = given.iter().filter(|(reason, _)| !known.contains(reason.as_str())).collect();
    assert!(missing.is_empty(), "reasons that stand in no check of src/protocol/checks: {missing:#?}");
    let idle: Vec<_> = known.iter().filter(|reason| !given.contains_key(**reason)).collect();
    assert!(idle.is_empty(), "nobody refuses for: {idle:?}");
}

/// The scan finds what it is there to find.
#[test]
fn a_reason_in_any_of_its_forms_is_found() {
    let sample = r#"
        const A: OAuthError = OAuthError::new(ErrorCode::InvalidRequest, "reason_a", "Some text");
        return Err(invalid("reason_b").into());
        let problem = Problem::new(error.status(), "unauthorized_client", "reason_c", "");
        state.refusals.refused(Event { user_id, ..audit::refused(Kind::UserLogin, &context, "reason_d") });
        let reason = if admitted { "reason_e" } else { "reason_f" };
        InvalidClientDataType => "reason_g",
    "#;
    let found = reasons("pages/totp.rs", sample);
    for letter in ["a", "b", "c", "d", "e", "f", "g"] {
        assert!(found.contains(&format!("reason_{letter}")), "{letter} of {found:?}");
    }
}

#[test]
fn every_route_has_a_procedure_of_its_own() {
    let app = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/app.rs")).unwrap();
    let routes: Vec<&str> = app.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(routes.len() > 30, "{routes:?}");
    let lost: Vec<_> = routes
        .into_iter()
        .filter(|route| {
            !route.starts_with("/health") && !matches!(*route, "/" | "/metrics" | "/favicon.ico" | "/challenge/{action}")
        })
        .filter(|route| ["GET", "POST"].iter().all(|method| checks::of_request(method, route).name == "other"))
        .collect();
    assert!(lost.is_empty(), "no procedure in src/protocol/checks for {lost:?}");
}

fn reasons(file: &str, code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for constructor in CONSTRUCTORS {
        for (at, _) in code.match_indices(constructor) {
            // `ApiError::invalid(` tells of single members of a request.
            if code[..at + constructor.len()].ends_with("::invalid(") || code[..at].ends_with("fn") {
                continue;
            }
            found.extend(words(arguments(&code[at + constructor.len()..])).pop());
        }
    }
    found.extend(code.split("let reason = \"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    if file.ends_with("/error.rs") {
        let made = code.match_indices("Self::new(").map(|(at, marker)| arguments(&code[at + marker.len()..]));
        found.extend(made.filter_map(|arguments| words(arguments).pop()));
    }
    if file == "api/error.rs" {
        let table = code.split("errors! {").nth(1).and_then(|rest| rest.split("\n}").next()).unwrap_or_default();
        found.extend(table.lines().filter_map(|line| words(line).into_iter().next()));
    }
    if WITH_ARMS.contains(&file) {
        for marker in ["=> \"", "=> {\n                \"", "{ \"", ", \"", "Self(\"", "(\""] {
            for (at, _) in code.match_indices(marker) {
                let rest = &code[at + marker.len()..];
                let word = rest.split('"').next().unwrap_or_default();
                let ends = rest[word.len()..].trim_start_matches('"');
                let is_reason = match marker {
                    ", \"" => ends.starts_with(", None)") || ends.starts_with(", \"") && file.starts_with("web/"),
                    "(\"" => {
                        file == "web/params.rs" && ends.starts_with(", \"") || file == "flow/login.rs" && ends.starts_with(')')
                    }
                    "{ \"" => ends.starts_with(" }"),
                    _ => true,
                };
                found.extend(Some(word.to_owned()).filter(|word| is_reason && is_word(word)));
            }
        }
    }
    found.retain(|word| !NO_REASONS.contains(&word.as_str()));
    found
}

/// Up to the parenthesis that closes.
fn arguments(rest: &str) -> &str {
    let mut depth = 1;
    for (at, character) in rest.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &rest[..at];
        }
    }
    rest
}

fn words(text: &str) -> Vec<String> {
    text.split('"').skip(1).step_by(2).filter(|word| is_word(word)).map(str::to_owned).collect()
}

fn is_word(text: &str) -> bool {
    text.len() > 2 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Every file below `src` but the tables, without its tests and its comments.
fn code() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path()) {
            if entry.is_dir() { folders.push(entry) } else { files.push(entry) }
        }
    }
    let below = |file: &Path| file.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
    let is_code = |name: &String| {
        !name.contains("tests")
            && !name.starts_with("protocol/checks")
            && !["cli", "config", "outbound"].iter().any(|room| name.starts_with(room))
    };
    let files = files.iter().map(|file| (below(file), file)).filter(|(name, _)| is_code(name));
    files
        .map(|(name, file)| {
            let text = fs::read_to_string(file).expect("source");
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
            let bare = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            (name, bare)
        })
        .collect()
}
