//! The texts of the pages and mails, language against language.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The language that all others are translations of.
const ORIGINAL: &str = "en";

fn locales() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("locales")
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Each message and attribute (`id` or `id.attribute`) of a file, with its text.
fn messages(file: &Path) -> BTreeMap<String, String> {
    let (mut messages, mut id, mut key) = (BTreeMap::<String, String>::new(), String::new(), String::new());
    for line in fs::read_to_string(file).unwrap().lines().filter(|line| !line.starts_with('#')) {
        let named = line.split_once(" =").filter(|(name, _)| name.trim_start_matches([' ', '.']).chars().all(is_of_a_name));
        let text = match named {
            Some((name, text)) if line.starts_with(|first: char| first.is_ascii_lowercase()) => {
                id = name.to_owned();
                key.clone_from(&id);
                text
            }
            Some((name, text)) if name.trim_start().starts_with('.') => {
                key = format!("{id}{}", name.trim_start());
                text
            }
            _ => line,
        };
        assert!(named.is_none() || !messages.contains_key(&key), "{} says {key} twice", file.display());
        let message = messages.entry(key.clone()).or_default();
        message.push_str(text);
        message.push('\n');
    }
    messages.retain(|_, text| !text.trim().is_empty());
    messages
}

fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'
}

/// The `$names` in a text.
fn variables(text: &str) -> BTreeSet<&str> {
    text.split('$').skip(1).map(|rest| rest.split(|letter| !is_of_a_name(letter)).next().unwrap()).collect()
}

/// The text without what is between braces.
fn prose(text: &str) -> String {
    let mut depth = 0_i32;
    let outside = text.chars().filter(|letter| {
        depth += i32::from(*letter == '{') - i32::from(*letter == '}');
        depth == 0 && *letter != '}'
    });
    outside.collect()
}

#[test]
fn every_language_says_all_that_english_says_and_nothing_else() {
    let languages = names_in(&locales());
    assert!(languages.contains(ORIGINAL) && languages.len() > 1);
    for language in languages.iter().filter(|language| *language != ORIGINAL) {
        let (ours, theirs) = (locales().join(ORIGINAL), locales().join(language));
        assert_eq!(names_in(&ours), names_in(&theirs), "the files of {language}");
        for file in names_in(&ours) {
            let (ours, theirs) = (messages(&ours.join(&file)), messages(&theirs.join(&file)));
            assert!(!ours.is_empty());
            let keys = |of: &BTreeMap<String, String>| of.keys().cloned().collect::<BTreeSet<_>>();
            let (ours_alone, theirs_alone): (BTreeSet<_>, BTreeSet<_>) =
                (&keys(&ours) - &keys(&theirs), &keys(&theirs) - &keys(&ours));
            assert!(ours_alone.is_empty(), "{language}/{file} lacks {ours_alone:?}");
            assert!(theirs_alone.is_empty(), "{language}/{file} has {theirs_alone:?}, which English has not");
            for (key, text) in &ours {
                assert_eq!(variables(text), variables(&theirs[key]), "what {language} names in {key}");
            }
        }
    }
}

#[test]
fn every_message_of_every_language_can_be_read() {
    use ostiary::text::Text;
    for language in Text::languages() {
        let text = Text::wanted(Some(&language), ORIGINAL);
        for file in names_in(&locales().join(&language)) {
            for (id, message) in messages(&locales().join(&language).join(&file)) {
                let mut values = Vec::new();
                for name in variables(&message).into_iter().filter(|name| *name != "count") {
                    values.push((&*name.to_owned().leak(), "VALUE".to_owned()));
                }
                let read = text.with_all(&id, &values, Some(2));
                assert!(read != id && !read.contains(['{', '$']), "{language}: {id} reads {read}");
            }
        }
    }
}

/// Lexique des règles typographiques en usage à l'Imprimerie nationale.
#[test]
fn french_is_set_as_french_is() {
    for file in names_in(&locales().join("fr")) {
        for (id, text) in messages(&locales().join("fr").join(&file)) {
            assert!(!text.contains(['\'', '"']), "{id}: straight quotes in {text}");
            let prose = prose(&text);
            for (at, mark) in prose.char_indices().filter(|(_, mark)| ":;!?»".contains(*mark)) {
                let before = prose[..at].chars().last();
                let expected = if mark == ':' || mark == '»' { '\u{a0}' } else { '\u{202f}' };
                assert_eq!(before, Some(expected), "{id}: before {mark} in {text}");
            }
            assert!(!prose.replace("«\u{a0}", "").contains('«'), "{id}: after « in {text}");
            let familiar = ["tu", "ton", "ta", "tes", "toi"];
            let words: Vec<_> =
                prose.split(|letter: char| !letter.is_alphabetic()).filter(|word| familiar.contains(word)).collect();
            assert!(words.is_empty(), "{id}: {words:?}");
        }
    }
}

#[test]
fn english_has_typographic_apostrophes_too() {
    for file in names_in(&locales().join(ORIGINAL)) {
        for (id, text) in messages(&locales().join(ORIGINAL).join(&file)) {
            assert!(!text.contains('\''), "{id}: {text}");
        }
    }
}
