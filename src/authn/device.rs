//! What to call a browser in a list: its name and its system, as far as its User-Agent and its client hints tell
//! (User-Agent Client Hints §3).
//!
//! For people to recognise their own by; nothing is decided on it. Both come of fixed lists: what a browser says of itself is
//! read by people, in mails too, and must not be able to say anything else.

use crate::text::Text;

/// What a browser says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words<'a> {
    /// `User-Agent`.
    pub user_agent: &'a str,
    /// `Sec-CH-UA`: brands, some of them made up so that nobody relies on their order.
    pub brands: &'a str,
    /// `Sec-CH-UA-Platform`.
    pub platform: &'a str,
}

/// `Firefox on Linux`; one of the two if only that is known; empty if neither is. The hints go first: browsers that send them
/// freeze the other.
pub fn device(words: Words<'_>) -> String {
    let browser = first(BRANDS, words.brands).or_else(|| first(BROWSERS, words.user_agent));
    let system = first(PLATFORMS, words.platform).or_else(|| first(SYSTEMS, words.user_agent));
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser}{ON}{system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    }
}

/// The name in the reader's language.
pub fn in_words(device: &str, text: Text) -> String {
    match device.split_once(ON) {
        Some((browser, system)) => {
            text.with_all("device-on", &[("browser", browser.to_owned()), ("system", system.to_owned())], None)
        }
        None if device.is_empty() => text.of("device-unknown"),
        None => device.to_owned(),
    }
}

const ON: &str = " on ";

fn first(table: &[(&str, &'static str)], text: &str) -> Option<&'static str> {
    table.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name)
}

/// Every one of them is Chromium too: that comes last.
const BRANDS: &[(&str, &str)] = &[
    ("\"Brave\"", "Brave"),
    ("\"Microsoft Edge\"", "Edge"),
    ("\"Opera", "Opera"),
    ("\"Vivaldi\"", "Vivaldi"),
    ("\"Samsung Internet\"", "Samsung Internet"),
    ("\"DuckDuckGo\"", "DuckDuckGo"),
    ("\"YaBrowser\"", "Yandex Browser"),
    ("\"Yandex\"", "Yandex Browser"),
    ("\"Google Chrome\"", "Chrome"),
    ("\"HeadlessChrome\"", "Chrome"),
    ("\"Chromium\"", "Chromium"),
];

const PLATFORMS: &[(&str, &str)] = &[
    ("\"Android\"", "Android"),
    ("\"Chrome OS\"", "ChromeOS"),
    ("\"Chromium OS\"", "ChromeOS"),
    ("\"Linux\"", "Linux"),
    ("\"macOS\"", "Mac"),
    ("\"Windows\"", "Windows"),
];

/// Browsers claim to be their ancestors too: the most particular mark comes first.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("YaBrowser/", "Yandex Browser"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_called_by_its_own_name_and_not_its_ancestors() {
        for (user_agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.5.0", "curl"),
            ("", ""),
            ("<script>", ""),
        ] {
            assert_eq!(device(Words { user_agent, ..Words::default() }), name, "{user_agent}");
        }
    }

    #[test]
    fn client_hints_know_better_than_the_frozen_user_agent() {
        let user_agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        for (brands, platform, name) in [
            ("\"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\", \"Brave\";v=\"140\"", "\"Windows\"", "Brave on Windows"),
            ("\"Not;A=Brand\";v=\"99\", \"Google Chrome\";v=\"139\", \"Chromium\";v=\"139\"", "\"macOS\"", "Chrome on Mac"),
            ("\"Chromium\";v=\"139\"", "\"Chrome OS\"", "Chromium on ChromeOS"),
            ("\"Your account is locked, call +1 555\";v=\"1\"", "\"evil.example\"", "Chrome on Linux"),
            ("", "", "Chrome on Linux"),
        ] {
            assert_eq!(device(Words { user_agent, brands, platform }), name, "{brands} {platform}");
        }
    }

    #[test]
    fn a_name_can_be_said_in_another_language() {
        let french = Text::wanted(Some("fr"), "en");
        assert_eq!(in_words("Samsung Internet on Android", french), "Samsung Internet sur Android");
        assert_eq!((in_words("curl", french).as_str(), in_words("", french).as_str()), ("curl", "Navigateur inconnu"));
        for (_, name) in [BRANDS, PLATFORMS, BROWSERS, SYSTEMS].concat() {
            assert!(!name.contains(ON), "{name}");
        }
    }
}
