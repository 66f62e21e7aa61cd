//! Text from strangers, where it is shown or written down: nothing in it acts on a terminal, ends a line, or turns or hides text.

use std::fmt::Write as _;

/// The text as it may be shown in a terminal: what is not harmless is spelled out.
pub fn printable(text: &str) -> String {
    let spelled =
        |character: char| if is_harmless(character) { character.to_string() } else { character.escape_unicode().to_string() };
    text.chars().map(spelled).collect()
}

/// JSON with the same meaning, in which what is not harmless is spelled `\uXXXX`. Between strings there is nothing of the kind.
pub fn printable_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if is_harmless(character) {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Nothing fails in a text.
                _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// No control character, none that turns or hides text, none that some programs take for the end of a line.
fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(u32::from(character), 0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff
            | 0xfff9..=0xfffb | 0xe0000..=0xe007f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_sent_does_nothing_to_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\nc\u{202e}d\u{9b}é"), "a\\u{1b}[31mb\\u{a}c\\u{202e}d\\u{9b}é");
    }

    #[test]
    fn json_means_the_same_and_acts_on_nothing() {
        let text = "a\u{1b}[31m\r\nb\u{2028}c\u{e0041}d\u{9b}é\u{7f}";
        let json = printable_json(&serde_json::to_string(text).unwrap());
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        assert_eq!(json, "\"a\\u001b[31m\\r\\nb\\u2028c\\udb40\\udc41d\\u009bé\\u007f\"");
    }
}
