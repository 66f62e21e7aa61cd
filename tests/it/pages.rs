//! The pages as HTML: what must be true of every one of them, whatever it says.

use std::collections::HashSet;
use std::path::Path;

use scraper::{ElementRef, Html, Selector};

pub mod samples;

fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

/// Holds `check` against every sample, in every language.
fn every_page(check: impl Fn(&str, &Html)) {
    for (name, html) in samples::all() {
        check(&name, &Html::parse_document(&html));
    }
    for (name, html) in samples::french() {
        check(&format!("{name}, in French"), &Html::parse_document(&html));
    }
}

#[test]
fn every_page_says_its_language_title_and_one_heading() {
    every_page(|name, page| {
        let language = if name.ends_with(", in French") { "fr" } else { "en" };
        assert_eq!(all(page, &format!("html[lang={language}][dir=ltr]")).len(), 1, "{name}");
        assert!(all(page, "title")[0].text().any(|text| text.contains("Ostiary")), "{name}");
        assert_eq!(all(page, "h1").len(), 1, "{name}");
        assert_eq!(all(page, "main").len(), 1, "{name}");
    });
}

#[test]
fn headings_skip_no_level() {
    every_page(|name, page| {
        let mut last = 0;
        for heading in all(page, "h1, h2, h3, h4, h5, h6") {
            let level: u32 = heading.value().name()[1..].parse().unwrap();
            assert!(level <= last + 1, "{name}: h{level} after h{last}");
            last = level;
        }
    });
}

#[test]
fn ids_are_unique_and_references_lead_somewhere() {
    every_page(|name, page| {
        let ids: Vec<_> = all(page, "[id]").iter().map(|element| element.value().attr("id").unwrap()).collect();
        let unique: HashSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{name}: {ids:?}");
        for attribute in ["aria-describedby", "aria-labelledby", "for", "data-reveals"] {
            for element in all(page, &format!("[{attribute}]")) {
                for id in element.value().attr(attribute).unwrap().split(' ') {
                    assert!(unique.contains(id), "{name}: {attribute}={id}");
                }
            }
        }
    });
}

#[test]
fn every_field_has_a_label_and_says_how_to_fill_it() {
    every_page(|name, page| {
        // A hidden name tells password managers whose password is asked for.
        for input in all(page, "input:not([type=hidden]):not([hidden])") {
            let id = input.value().attr("id").unwrap();
            let labelled = all(page, "label[for]").iter().any(|label| label.value().attr("for") == Some(id))
                || input.ancestors().filter_map(ElementRef::wrap).any(|parent| parent.value().name() == "label");
            assert!(labelled, "{name}: {id}");
            if input.value().attr("type") != Some("checkbox") {
                let how = input.value().attr("autocomplete");
                let fine = matches!(
                    how,
                    Some("username" | "username webauthn" | "current-password" | "new-password" | "email" | "one-time-code")
                );
                // Nobody but their owner keeps recovery codes; and what is typed to confirm is no login.
                let own = matches!(id, "recovery-code" | "name" | "user-code")
                    || id.starts_with("name-")
                    || (name.starts_with("delete") && id == "username");
                assert!(fine || (own && how == Some("off")), "{name}: {id}");
            }
        }
    });
}

/// The Content-Security-Policy allows none of these (style-src 'self', script-src 'nonce-…').
#[test]
fn no_page_has_inline_styles_or_handlers_or_anything_from_elsewhere() {
    every_page(|name, page| {
        assert!(all(page, "[style], style, object, embed, base").is_empty(), "{name}");
        // Applications log out in frames, which can't do anything with the page around them.
        let frames = all(page, "iframe");
        assert!(frames.is_empty() || name.starts_with("signed-out-of-applications"), "{name}");
        for frame in frames {
            assert_eq!(frame.value().attr("sandbox"), Some("allow-scripts allow-same-origin"), "{name}");
        }
        for script in all(page, "script") {
            assert_eq!(script.value().attr("nonce"), Some(samples::NONCE), "{name}");
        }
        for element in all(page, "*:not(iframe)") {
            assert!(element.value().attrs().all(|(attribute, _)| !attribute.starts_with("on")), "{name}");
            let source =
                element.value().attr("src").or_else(|| element.value().attr("href").filter(|_| element.value().name() == "link"));
            assert!(source.is_none_or(|url| url.starts_with("/static/") || url.starts_with("data:image/")), "{name}: {source:?}");
        }
    });
}

#[test]
fn every_form_posts_and_carries_a_csrf_token() {
    every_page(|name, page| {
        for form in all(page, "form") {
            assert_eq!(form.value().attr("method"), Some("post"), "{name}");
            let token = Selector::parse("input[type=hidden][name=csrf]").unwrap();
            assert!(form.select(&token).count() == 1 || name.starts_with("form-post"), "{name}");
        }
    });
}

#[test]
fn what_others_wrote_stays_text() {
    every_page(|name, page| {
        assert!(all(page, "script").iter().all(|script| !script.inner_html().contains("alert")), "{name}");
        assert!(all(page, "img[src=x], b").is_empty(), "{name}");
    });
}

#[test]
fn a_form_post_carries_its_fields_exactly() {
    let (_, html) = samples::all().into_iter().find(|(name, _)| name.starts_with("form-post")).unwrap();
    let page = Html::parse_document(&html);
    let state = all(&page, "input[name=state]")[0].value().attr("value").unwrap().to_owned();
    assert_eq!(state, samples::HOSTILE);
    assert_eq!(all(&page, "form")[0].value().attr("action"), Some("https://app.example/cb?a=1&b=2"));
    assert_eq!(all(&page, "form button[type=submit]").len(), 1, "without JavaScript the reader presses it");
    assert!(all(&page, "img, link:not([rel=stylesheet])").is_empty(), "its policy allows no images");
}

#[test]
fn an_error_page_loads_a_style_sheet_and_nothing_else() {
    let (_, html) = samples::all().into_iter().find(|(name, _)| name == "error").unwrap();
    let page = Html::parse_document(&html);
    assert!(all(&page, "script, img, form").is_empty());
    assert_eq!(all(&page, "link").len(), 1);
}

#[test]
fn a_login_that_was_refused_keeps_the_name_and_says_so_to_all() {
    let (_, html) = samples::all().into_iter().find(|(name, _)| name == "login-refused").unwrap();
    let page = Html::parse_document(&html);
    assert_eq!(all(&page, "#username")[0].value().attr("value"), Some("alice@example.org"));
    assert_eq!(all(&page, "#password")[0].value().attr("value"), None, "a password never comes back");
    assert_eq!(all(&page, "[role=alert]#problem").len(), 1);
    assert_eq!(all(&page, "[aria-describedby=problem][aria-invalid=true]").len(), 2);
    assert!(all(&page, "title")[0].inner_html().starts_with("Error: "));
}

#[test]
fn an_issuer_with_a_path_keeps_it_in_every_link() {
    for (name, html) in samples::under("/auth") {
        let page = Html::parse_document(&html);
        for element in all(&page, "a[href^='/'], link, script[src], form[action^='/']") {
            let value = element.value();
            let url = value.attr("href").or(value.attr("src")).or(value.attr("action")).unwrap();
            assert!(url.starts_with("/auth/"), "{name}: {url}");
        }
    }
}

/// Every message id that a template or a page names exists, and every message is named somewhere.
#[test]
fn the_texts_and_the_templates_fit_each_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |folder: &str| -> String {
        let mut folders = vec![root.join(folder)];
        let mut text = String::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    text += &std::fs::read_to_string(entry.path()).unwrap();
                    text.push('\n');
                }
            }
        }
        text
    };
    let messages = read("locales/en");
    let known: Vec<&str> = messages
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .filter_map(|line| line.split_once(" =").map(|(id, _)| id))
        .collect();
    let used = read("templates") + &read("src/pages") + &read("src/outbound") + &read("src/authn");
    for id in &known {
        let by_name = ["scope-", "claim-", "mail-", "activity-"].iter().any(|kind| id.starts_with(kind));
        assert!(by_name || used.contains(&format!("\"{id}\"")) || used.contains(&format!("\"{id}.")), "{id} is used nowhere");
    }
    for call in ["text.of(\"", "text.with(\"", "text.naming(\"", "text.count(\""] {
        for (at, _) in used.match_indices(call) {
            let id = used[at + call.len()..].split('"').next().unwrap();
            assert!(known.contains(&id), "{id} is missing");
        }
    }
}
