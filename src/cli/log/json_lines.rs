//! Lines of the JSON log, without characters that a terminal or a splitter of lines acts upon. JSON
//! itself escapes only those below U+0020.

use std::io;

use tracing_subscriber::fmt::MakeWriter;

use crate::{cli::terminal::is_visible, platform::output::OutputQueue};

pub struct JsonLines(pub OutputQueue);

/// One line: the formatter writes it at once.
pub struct JsonLine<'a>(&'a OutputQueue);

impl<'a> MakeWriter<'a> for JsonLines {
    type Writer = JsonLine<'a>;

    fn make_writer(&'a self) -> JsonLine<'a> {
        JsonLine(&self.0)
    }
}

impl io::Write for JsonLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) if !text.is_ascii() => self.0.push(escaped(text).as_bytes()),
            Ok(_) | Err(_) => self.0.push(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Outside of strings JSON is ASCII, so these characters stand in strings.
fn escaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len() + 16);
    for character in line.chars() {
        if character.is_ascii() || is_visible(character) {
            text.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f13_characters_that_act_upon_a_terminal_are_escaped_and_mean_the_same() {
        let value = serde_json::json!({"a": "\u{9b}31m \u{85}\u{2028}\u{202e} é 你 😀 \u{e0001}"});
        let line = format!("{value}\n");
        let written = escaped(&line);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), value);
        assert!(written.trim_end().chars().all(is_visible), "{written}");
        assert!(written.contains("é 你 😀") && written.ends_with("}\n"), "{written}");
    }
}
