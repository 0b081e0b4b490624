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

/// JSON in which such characters are escaped: the same value on a line of its own.
pub fn json_line(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        // Only strings have such characters: a JSON text without line breaks has no others.
        match is_visible(c) {
            true => escaped.push(c),
            false => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(escaped, "\\u{unit:04x}");
            }),
        }
    }
    escaped.push('\n');
    escaped
}

/// True if colours are wanted: on a terminal, without `NO_COLOR`.
pub fn wants_colours(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Columns of the terminal at standard error. `None` if there is none.
pub fn error_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_json_is_the_same_value() {
        let value = serde_json::json!({"a": "\u{1b}[2J \u{9b} \u{202e} é \u{e0001} 😀 \\"});
        let line = json_line(&value.to_string());
        let text = line.strip_suffix('\n').unwrap();
        assert!(text.chars().all(is_visible), "{line:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }

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
