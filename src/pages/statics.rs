//! Style sheets and scripts, embedded in the binary and served under the hash of their content.
//!
//! A file's URL changes with its content, so browsers may keep it for good.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// File name → the hash in its URL: the first 64 bits of its SHA-256.
static HASHES: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    Files::iter()
        .filter_map(|name| {
            let file = Files::get(&name)?;
            let [a, b, c, d, e, f, g, h, ..] = file.metadata.sha256_hash();
            Some((name.into_owned(), format!("{:016x}", u64::from_be_bytes([a, b, c, d, e, f, g, h]))))
        })
        .collect()
});

/// The path pattern of [`serve`], below the issuer's path.
pub const ROUTE: &str = "/static/{hash}/{name}";

/// The path of the file `name`, below the issuer's path `base` (empty for an issuer without a path).
pub fn path(base: &str, name: &str) -> String {
    let hash = HASHES.get(name).map_or("missing", String::as_str);
    format!("{base}/static/{hash}/{name}")
}

/// Serves a file under the hash of its present content; anything else is 404, so that no cache keeps a file under a name
/// that isn't its own.
pub async fn serve(Path((hash, name)): Path<(String, String)>) -> Response {
    let known = HASHES.get(&name).is_some_and(|current| *current == hash);
    match Files::get(&name).filter(|_| known) {
        Some(file) => (
            [
                (header::CONTENT_TYPE.as_str(), media_type(&name)),
                (header::CACHE_CONTROL.as_str(), "public, max-age=31536000, immutable"),
                ("cross-origin-resource-policy", "same-origin"),
                (header::X_CONTENT_TYPE_OPTIONS.as_str(), "nosniff"),
            ],
            file.data,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `/favicon.ico`, which browsers ask for where a page names no icon: the mark, kept for a day.
pub async fn favicon() -> Response {
    let kept = [(header::CONTENT_TYPE.as_str(), "image/svg+xml"), (header::CACHE_CONTROL.as_str(), "public, max-age=86400")];
    Files::get("mark.svg").map_or_else(|| StatusCode::NOT_FOUND.into_response(), |file| (kept, file.data).into_response())
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_served_under_its_hash_for_good_and_under_no_other() {
        let path = path("", "ostiary.css");
        let mut parts = path.trim_start_matches("/static/").split('/').map(str::to_owned);
        let (hash, name) = (parts.next().unwrap(), parts.next().unwrap());
        assert_eq!((hash.len(), name.as_str()), (16, "ostiary.css"));

        let response = serve(Path((hash, name.clone()))).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(response.headers()["cross-origin-resource-policy"], "same-origin");
        assert_eq!(response.headers()["content-type"], "text/css; charset=utf-8");

        for (hash, name) in [("0000000000000000", name.as_str()), ("missing", "../Cargo.toml"), ("missing", "none.css")] {
            assert_eq!(serve(Path((hash.into(), name.into()))).await.status(), StatusCode::NOT_FOUND, "{name}");
        }
    }

    #[test]
    fn nothing_static_reaches_for_another_place() {
        for name in Files::iter() {
            let file = Files::get(&name).unwrap();
            let text = String::from_utf8(file.data.into_owned()).unwrap();
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for word in ["http:", "https:", "@import", "innerHTML", "eval("] {
                assert!(!text.contains(word), "{name} holds {word}");
            }
        }
    }
}
