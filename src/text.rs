//! The texts of the pages, in the reader's language (Fluent; `ui_locales` of OpenID Connect Core §3.1.2.1).
//!
//! Every sentence that a person reads stands in `locales/<language>/*.ftl`. A language is added by adding its folder.

use std::borrow::Cow;
use std::collections::HashMap;

use askama::filters::Safe;
use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{Loader, static_loader};
use unic_langid::{CharacterDirection, LanguageIdentifier};

static_loader! {
    static LOCALES = {
        locales: "./locales",
        fallback_language: "en",
        // Isolation marks would end up in titles and in what tests compare; `Text::naming` isolates with <bdi> instead.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// How many of a request's languages are looked at.
const MAX_WANTED: usize = 16;

/// Stands for a name while its sentence is formatted: a private-use character that no message holds.
const PLACE: char = '\u{F8FF}';

/// What is known of the language that a reader wants, the strongest wish first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes<'w> {
    /// By hand, on a page of this server.
    pub chosen: Option<&'w str>,
    /// By the client (OpenID Connect Core §3.1.2.1).
    pub ui_locales: Option<&'w str>,
    /// By the browser (RFC 9110 §12.5.4).
    pub accept_language: Option<&'w str>,
    /// By the operator, for whoever wants none of those that there are.
    pub fallback: &'w str,
}

/// The texts in one language.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    language: &'static LanguageIdentifier,
}

impl Default for Text {
    /// In the language that every text exists in: English.
    fn default() -> Self {
        Self { language: LOCALES.fallback() }
    }
}

impl Text {
    /// The first language that is wanted and that there are texts in; English when there is none.
    pub fn negotiate(wishes: &Wishes<'_>) -> Self {
        let asked = wishes.ui_locales.unwrap_or_default().split_ascii_whitespace().take(MAX_WANTED);
        let accepted = by_weight(wishes.accept_language.unwrap_or_default());
        let available: Vec<_> = LOCALES.locales().collect();
        let mut wanted = wishes.chosen.into_iter().chain(asked).chain(accepted).chain([wishes.fallback]);
        wanted.find_map(|tag| choose(tag, &available)).map_or_else(Self::default, |language| Self { language })
    }

    /// In the language of this tag, or else in one that is near to it, or else in `fallback`'s.
    pub fn wanted(tag: Option<&str>, fallback: &str) -> Self {
        let available: Vec<_> = LOCALES.locales().collect();
        let mut wanted = [tag, Some(fallback)].into_iter().flatten();
        wanted.find_map(|tag| choose(tag, &available)).map_or_else(Self::default, |language| Self { language })
    }

    /// The languages that there are texts in, as BCP 47 tags, in alphabetical order.
    pub fn languages() -> Vec<String> {
        let mut languages: Vec<_> = LOCALES.locales().map(ToString::to_string).collect();
        languages.sort();
        languages
    }

    /// For the `lang` attribute.
    pub fn language(self) -> String {
        self.language.to_string()
    }

    /// For the `dir` attribute.
    pub fn direction(self) -> &'static str {
        match self.language.character_direction() {
            CharacterDirection::RTL => "rtl",
            _ => "ltr",
        }
    }

    /// The message `id`.
    pub fn of(self, id: &str) -> String {
        LOCALES.try_lookup(self.language, id).unwrap_or_else(|| id.to_owned())
    }

    /// The message `id`, if there is one: for values that an operator may add to.
    pub fn find(self, id: &str) -> Option<String> {
        LOCALES.try_lookup(self.language, id)
    }

    /// The message `id` with `$name` filled in, as plain text.
    pub fn with(self, id: &str, name: &'static str, value: impl AsRef<str>) -> String {
        self.fill(id, name, FluentValue::from(value.as_ref()))
    }

    /// The message `id` with the number `$count`, in the plural form of the language.
    pub fn count(self, id: &str, count: i64) -> String {
        self.fill(id, "count", FluentValue::from(count))
    }

    /// The message `id` with several values, as plain text; `count`, when there is one, is the number `$count`.
    pub fn with_all(self, id: &str, values: &[(&'static str, String)], count: Option<i64>) -> String {
        let values = values.iter().map(|(name, value)| (*name, FluentValue::from(value.as_str())));
        let count = count.map(|count| ("count", FluentValue::from(count)));
        let arguments = values.chain(count).map(|(name, value)| (Cow::Borrowed(name), value)).collect();
        LOCALES.try_lookup_with_args(self.language, id, &arguments).unwrap_or_else(|| id.to_owned())
    }

    /// The message `id` as HTML, with `$name` filled in, escaped, emphasised, and kept from turning the direction of the
    /// sentence around it: the name of a client or a person may hold anything.
    pub fn naming(self, id: &str, name: &'static str, value: impl AsRef<str>) -> Safe<String> {
        let sentence = self.fill(id, name, FluentValue::from(PLACE.to_string()));
        let name = format!("<bdi class=\"name\">{}</bdi>", escaped(value.as_ref()));
        Safe(escaped(&sentence).replace(PLACE, &name))
    }

    fn fill(self, id: &str, name: &'static str, value: FluentValue<'_>) -> String {
        let arguments = HashMap::from([(Cow::Borrowed(name), value)]);
        LOCALES.try_lookup_with_args(self.language, id, &arguments).unwrap_or_else(|| id.to_owned())
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// The tags of an `Accept-Language` field, the most wanted first; those of equal weight keep their order.
fn by_weight(field: &str) -> impl Iterator<Item = &str> {
    let mut tags: Vec<(&str, f32)> = field
        .split(',')
        .take(MAX_WANTED)
        .filter_map(|item| {
            let (tag, parameter) = item.split_once(';').unwrap_or((item, "q=1"));
            let weight = parameter.trim().strip_prefix("q=")?.parse().ok()?;
            (weight > 0.0 && !tag.trim().is_empty()).then_some((tag.trim(), weight))
        })
        .collect();
    tags.sort_by(|left, right| right.1.total_cmp(&left.1));
    tags.into_iter().map(|(tag, _)| tag)
}

/// The available language that `tag` names, or else one that differs in script or region only (RFC 4647 §3.4, loosely).
fn choose<'a>(tag: &str, available: &[&'a LanguageIdentifier]) -> Option<&'a LanguageIdentifier> {
    let wanted: LanguageIdentifier = tag.parse().ok()?;
    let exact = available.iter().find(|language| ***language == wanted);
    let near = || {
        let mut near: Vec<_> = available.iter().filter(|language| language.language == wanted.language).collect();
        near.sort_by_key(|language| language.to_string().len());
        near.first().copied()
    };
    exact.or_else(near).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(tag: &str, available: &[&str]) -> Option<String> {
        let available: Vec<LanguageIdentifier> = available.iter().map(|tag| tag.parse().unwrap()).collect();
        choose(tag, &available.iter().collect::<Vec<_>>()).map(ToString::to_string)
    }

    #[test]
    fn the_exact_language_comes_before_a_near_one() {
        assert_eq!(chosen("pt-BR", &["pt", "pt-BR", "en"]).as_deref(), Some("pt-BR"));
        assert_eq!(chosen("pt-PT", &["pt-BR", "pt", "en"]).as_deref(), Some("pt"));
        assert_eq!(chosen("fr-CA", &["fr", "en"]).as_deref(), Some("fr"));
        assert_eq!(chosen("de", &["fr", "en"]), None);
        assert_eq!(chosen("*", &["fr", "en"]), None);
    }

    #[test]
    fn accept_language_is_read_by_weight() {
        let order: Vec<_> = by_weight("en;q=0.5, fr-CA, de;q=0, it;q=0.9, x;q=?").collect();
        assert_eq!(order, ["fr-CA", "it", "en"]);
        assert_eq!(by_weight("").count(), 0, "an absent field wants nothing");
    }

    #[test]
    fn an_unknown_or_malformed_language_gets_english() {
        let bad = [(None, None), (Some("tlh"), Some("xx-YY;q=0.3")), (Some("%%% \u{0}"), Some(";;;,,q="))];
        for (ui_locales, accept_language) in bad {
            let wishes = Wishes { ui_locales, accept_language, ..Wishes::default() };
            assert_eq!(Text::negotiate(&wishes).language(), "en");
            assert_eq!(Text::negotiate(&Wishes { chosen: Some("../x"), fallback: "fr", ..wishes }).language(), "fr");
        }
    }

    #[test]
    fn what_the_reader_chose_goes_before_what_the_client_asks_and_that_before_the_browser() {
        let wishes = Wishes { chosen: Some("fr"), ui_locales: Some("de en"), accept_language: Some("en"), fallback: "en" };
        assert_eq!(Text::negotiate(&wishes).language(), "fr");
        assert_eq!(Text::negotiate(&Wishes { chosen: None, accept_language: Some("fr"), ..wishes }).language(), "en");
        let browser = Wishes { chosen: None, ui_locales: None, accept_language: Some("de, fr-BE;q=0.5"), fallback: "en" };
        assert_eq!(Text::negotiate(&browser).language(), "fr");
    }

    #[test]
    fn a_name_in_a_sentence_is_escaped_and_isolated() {
        let html = Text::default().naming("login-continue-to", "client", "<b>\u{202e}\"evil' & co").0;
        assert!(html.contains("<bdi class=\"name\">&lt;b&gt;\u{202e}&quot;evil&#39; &amp; co</bdi>"), "{html}");
        assert!(!html.contains(PLACE), "{html}");
    }

    #[test]
    fn no_isolation_marks_surround_a_value() {
        let text = Text::default().with("login-title-for", "client", "Notes");
        assert!(text.contains("Notes") && !text.contains(['\u{2068}', '\u{2069}']), "{text}");
    }
}
