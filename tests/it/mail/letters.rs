//! How letters read, in each language.

use std::collections::BTreeSet;

use askama::Template;
use ostiary::config::Config;
use ostiary::outbound::mail::{Letter, Mail, Message, Sender, compose};
use ostiary::protocol::time::Timestamp;
use ostiary::text::Text;
use scraper::{Html, Selector};

use super::{CODE, every_message, mail_to};

const LANGUAGES: [&str; 2] = ["en", "fr"];

fn sender() -> Sender {
    let mut config = Config::default();
    config.server.issuer = "https://id.example".to_owned();
    config.mail.from = "Example <no-reply@example.org>".to_owned();
    Sender::new(&config).unwrap()
}

fn letter(message: &Message, language: &str) -> Letter {
    Letter::new(message, Text::wanted(Some(language), "en"), &sender())
}

fn raw(mail: &Mail) -> String {
    let (_, bytes) = compose(mail, &sender(), "the-id", Timestamp::from_seconds(1_795_317_480)).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The lines of the header, unfolded.
fn header(raw: &str) -> Vec<String> {
    let (header, _) = raw.split_once("\r\n\r\n").unwrap();
    header.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n").map(str::to_owned).collect()
}

#[test]
fn every_kind_is_among_those_that_are_tested() {
    let tested: BTreeSet<_> = every_message().iter().map(Message::kind).collect();
    assert_eq!(tested, Message::KINDS.iter().copied().collect());
}

#[test]
fn every_message_is_whole_in_every_language() {
    for message in every_message() {
        for language in LANGUAGES {
            let letter = letter(&message, language);
            let (plain, html) = (letter.plain().unwrap(), letter.render().unwrap());
            for text in [&letter.subject, &plain, &html] {
                let holes = ["{", "}", "$", "mail-", "\u{2068}", "\u{2069}"];
                let found: Vec<_> = holes.iter().filter(|hole| text.contains(**hole)).collect();
                assert!(found.is_empty(), "{language} {message:?}: {found:?} in {text}");
            }
            assert!(plain.contains("id.example"), "{language}: {plain}");
            assert!(html.contains(&format!("<html lang=\"{language}\" dir=\"ltr\">")), "{html}");
        }
    }
}

#[test]
fn no_sentence_was_left_in_english() {
    for message in every_message() {
        let (english, french) = (letter(&message, "en"), letter(&message, "fr"));
        assert_ne!(english.subject, french.subject);
        let sentences = |letter: &Letter| -> BTreeSet<String> {
            let plain = letter.plain().unwrap();
            plain.lines().filter(|line| line.split(' ').count() > 3 && !line.starts_with("    ")).map(str::to_owned).collect()
        };
        let common: Vec<_> = sentences(&english).intersection(&sentences(&french)).cloned().collect();
        assert!(common.is_empty(), "{common:?}");
    }
}

#[test]
fn a_code_stands_in_the_mail_and_not_in_its_subject() {
    let with_code: Vec<_> = every_message().into_iter().filter(|message| !format!("{message:?}").contains(CODE)).collect();
    assert_eq!(with_code.len(), every_message().len(), "Debug shows no code");
    for kind in ["register_code", "verify_email", "change_email", "reset_password"] {
        let message = every_message().into_iter().find(|message| message.kind() == kind).unwrap();
        for language in LANGUAGES {
            let letter = letter(&message, language);
            assert!(letter.plain().unwrap().lines().any(|line| line.trim() == CODE), "on a line of its own, to be copied");
            assert!(letter.render().unwrap().contains(&format!(">{CODE}<")));
            assert!(!letter.subject.contains(CODE), "it would be in every notification");
        }
    }
}

#[test]
fn the_html_needs_nothing_from_elsewhere_and_leads_to_the_issuer_alone() {
    for message in every_message() {
        let html = letter(&message, "en").render().unwrap();
        let page = Html::parse_document(&html);
        let count = |selector: &str| page.select(&Selector::parse(selector).unwrap()).count();
        assert_eq!(count("img, script, link, iframe, form, style, base, object, phone"), 0, "{html}");
        assert_eq!(count("h1"), 1);
        for link in page.select(&Selector::parse("a").unwrap()) {
            assert!(link.attr("href").unwrap().starts_with("https://id.example/"), "{html}");
        }
        // What fixes one colour alone is unreadable in the other scheme.
        assert!(!html.contains("background") && !html.contains(";color:") && html.contains("content=\"light dark\""), "{html}");
    }
}

#[test]
fn what_a_person_named_adds_neither_markup_nor_header() {
    for message in every_message().into_iter().filter(|message| format!("{message:?}").contains("phone")) {
        let letter = letter(&message, "en");
        assert!(letter.render().unwrap().contains("My &#60;phone&#62; &#38; &#34;key&#34;  Bcc: x@example.com"));
        assert!(letter.plain().unwrap().contains("My <phone> & \"key\"  Bcc: x@example.com"), "one line");
        let header = header(&raw(&mail_to("ada@example.org", message)));
        assert!(header.iter().all(|line| !line.to_lowercase().starts_with("bcc")), "{header:?}");
    }
}

#[test]
fn the_language_is_the_readers_or_one_near_to_it_or_the_servers() {
    let subject = |locale: Option<&str>, default: &str| {
        let sender = Sender { default_locale: default.to_owned(), ..sender() };
        let text = Text::wanted(locale, &sender.default_locale);
        Letter::new(&Message::PasswordChanged, text, &sender).subject
    };
    let (english, french) = ("Your password was changed", "Votre mot de passe a été modifié");
    for (locale, default, expected) in [
        (Some("fr"), "en", french),
        (Some("fr-CA"), "en", french),
        (Some("en-GB"), "fr", english),
        (Some("de"), "fr", french),
        (Some("de"), "en", english),
        (Some("\r\nx"), "en", english),
        (None, "fr", french),
        (None, "tlh", english),
    ] {
        assert_eq!(subject(locale, default), expected, "{locale:?} {default}");
    }
}

#[test]
fn the_header_says_who_it_is_from_and_that_a_machine_wrote_it() {
    let mail = mail_to("Ada.L@Example.org", Message::PasswordChanged);
    let lines = header(&raw(&mail));
    for expected in [
        "From: Example <no-reply@example.org>",
        "To: Ada.L@example.org",
        "Date: Sun, 22 Nov 2026 03:18:00 +0000",
        "Message-ID: <the-id@example.org>",
        "Subject: Your password was changed",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:#?}");
    }
    // Every server takes plain ASCII, whatever the language.
    assert!(raw(&Mail { locale: Some("fr".to_owned()), ..mail }).is_ascii());
}

#[test]
fn a_code_mail_in_english() {
    insta::assert_snapshot!(letter(&every_message()[0], "en").plain().unwrap(), @r"
    Enter this code to go on with your registration at id.example:

        271828

    It works for 10 minutes. Nobody will ever ask you for it. If you did not want to register, you can ignore this mail: without the code nothing happens.

    -- 
    Sent by https://id.example. Nobody reads what is sent back to this address.
    ");
}

#[test]
fn a_notice_in_french() {
    let message = every_message().into_iter().find(|message| message.kind() == "new_device").unwrap();
    insta::assert_snapshot!(letter(&message, "fr").plain().unwrap(), @r"
    Quelqu’un s’est connecté à votre compte sur id.example depuis un appareil qui n’y avait encore jamais servi.

    Appareil : Firefox sur Linux
    Adresse réseau : 2001:db8::1
    Date et heure : 2026-11-22 03:18 UTC

    Si c’était vous, tout va bien. Sinon, mettez fin à cette session sur la page de votre compte et changez de mot de passe.

    Ouvrir votre compte
    https://id.example/account

    -- 
    Envoyé par https://id.example. Personne ne lit les réponses à cette adresse.
    ");
}

#[test]
fn a_code_mail_as_html() {
    insta::assert_snapshot!(letter(&every_message()[0], "en").render().unwrap(), @r#"
    <!doctype html>
    <html lang="en" dir="ltr">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta name="supported-color-schemes" content="light dark">
    <title>Confirm your e-mail address</title>
    </head>
    <body style="margin:0;padding:24px 16px;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5">
    <div role="article" aria-label="Confirm your e-mail address" style="max-width:560px;margin:0 auto">
    <h1 style="margin:0 0 16px;font-size:20px;line-height:1.3">Confirm your e-mail address</h1>
    <p style="margin:0 0 16px">Enter this code to go on with your registration at id.example:</p>
    <p style="margin:0 0 16px;padding:12px 16px;border:1px solid #8a8f98;border-radius:8px;font-family:ui-monospace,Menlo,Consolas,monospace;font-size:28px;letter-spacing:6px;text-align:center">271828</p>
    <p style="margin:0 0 16px">It works for 10 minutes. Nobody will ever ask you for it. If you did not want to register, you can ignore this mail: without the code nothing happens.</p>
    <p style="margin:24px 0 0;padding-top:12px;border-top:1px solid #8a8f98;font-size:13px">Sent by https://id.example. Nobody reads what is sent back to this address.</p>
    </div>
    </body>
    </html>
    "#);
}
