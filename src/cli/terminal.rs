//! Escapes for terminals. Strangers choose names and write events: their text must not control the
//! terminal.

use std::fmt::Write;

/// True if a terminal prints the character as itself, without moving or colouring anything.
pub fn is_visible(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().count() == 1
}

/// Escapes only the characters that a terminal would act upon.
pub fn harmless(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        // Writing to a string cannot fail.
        let _ = match is_visible(c) {
            true => escaped.write_char(c),
            false => write!(escaped, "{}", c.escape_debug()),
        };
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_kept_and_control_characters_are_escaped() {
        let json = r#"{"data":"{\"a\": 'é'}"}"#;
        assert_eq!(harmless(json), json);
        for nasty in ["\u{1b}[2J", "\u{9b}2J", "a\nb", "\u{202e}x", "a\rb", "\0"] {
            let escaped = harmless(nasty);
            assert!(escaped.contains('\\') && escaped.chars().all(is_visible), "{escaped:?}");
        }
    }
}
