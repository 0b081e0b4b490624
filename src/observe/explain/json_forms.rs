//! The texts different libraries write for one JSON value: spaces, escapes and key order differ,
//! and with them the signature.

use std::fmt::Write as _;

use crate::protocol::json;

/// Longer texts are not rewritten: they are rarely signed, and each attempt costs time.
const MAX_BYTES: usize = 8 * 1024;

/// Differences from the plainest form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Style {
    /// `{"a": 1, "b": 2}`, as Python writes it.
    pub spaced: bool,
    /// `\/`, as PHP writes it.
    pub slashes: bool,
    /// `\u00e9`, as PHP and Python write it.
    pub ascii: bool,
    /// Keys in alphabetical order.
    pub sorted: bool,
}

impl Style {
    fn all() -> impl Iterator<Item = Self> {
        (0..16u8).map(|bits| Self {
            spaced: bits & 1 != 0,
            slashes: bits & 2 != 0,
            ascii: bits & 4 != 0,
            sorted: bits & 8 != 0,
        })
    }
}

impl std::fmt::Display for Style {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.spaced { "with spaces" } else { "without spaces" })?;
        for (given, text) in [
            (self.slashes, ", with \\/ for /"),
            (self.ascii, ", with \\u escapes"),
            (self.sorted, ", with its keys sorted"),
        ] {
            if given {
                f.write_str(text)?;
            }
        }
        Ok(())
    }
}

/// All forms of a JSON value; empty if `text` is not JSON.
pub fn forms(text: &str) -> Vec<(Style, String)> {
    if text.len() > MAX_BYTES {
        return Vec::new();
    }
    let Ok(value) = json::value(text) else { return Vec::new() };
    let sorted = value.to_string();
    let (as_given, sorted) = (tokens(text), tokens(&sorted));
    Style::all()
        .map(|style| (style, written(if style.sorted { &sorted } else { &as_given }, style)))
        .collect()
}

enum Token<'a> {
    Text(String),
    /// A bracket, a number, a name, a comma or a colon.
    Other(&'a str),
}

/// Splits a valid JSON text into tokens.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'"' => string_length(rest),
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            _ => {
                rest.find(|c: char| ",:{}[]".contains(c) || c.is_whitespace()).unwrap_or(rest.len())
            }
        };
        let (token, after) = rest.split_at(length.max(1));
        tokens.push(match serde_json::from_str(token) {
            Ok(text) => Token::Text(text),
            Err(_) => Token::Other(token),
        });
        rest = after.trim_start();
    }
    tokens
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

fn written(tokens: &[Token<'_>], style: Style) -> String {
    let mut out = String::new();
    for token in tokens {
        match token {
            Token::Text(text) => write_string(&mut out, text, style),
            Token::Other(other) => out.push_str(other),
        }
        if style.spaced && matches!(token, Token::Other("," | ":")) {
            out.push(' ');
        }
    }
    out
}

fn write_string(out: &mut String, text: &str, style: Style) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' if style.slashes => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || style.ascii && !c.is_ascii() => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_of_each_common_library_is_included() {
        let javascript = r#"{"user_id":"ü","url":"a/b","n":[1,2.50,null]}"#;
        let written: Vec<String> = forms(javascript).into_iter().map(|(_, text)| text).collect();
        for library in [
            javascript,
            r#"{"user_id":"\u00fc","url":"a\/b","n":[1,2.50,null]}"#,
            r#"{"user_id": "\u00fc", "url": "a/b", "n": [1, 2.50, null]}"#,
            r#"{"n":[1,2.5,null],"url":"a/b","user_id":"ü"}"#,
        ] {
            assert!(written.iter().any(|text| text == library), "{library}: {written:?}");
            // The reverse must work, too.
            let back = forms(library);
            let same = |text: &str| text.replace("2.5,", "2.50,") == javascript;
            assert!(
                library.starts_with(r#"{"n""#) || back.iter().any(|(_, text)| same(text)),
                "{library}"
            );
        }
        assert!(forms("{broken").is_empty() && forms("").is_empty());
        assert_eq!(forms(r#""𝄞""#)[4].1, r#""\ud834\udd1e""#);
    }

    proptest! {
        #[test]
        fn every_form_has_the_same_value(text in "\\PC{0,20}", key in "\\PC{0,5}") {
            let value = serde_json::json!({key: [text, 1, {"a/b": null}], "z": "\n\u{1}\"\\"});
            let forms = forms(&value.to_string());
            prop_assert_eq!(forms.len(), 16);
            for (style, form) in forms {
                let read: serde_json::Value = serde_json::from_str(&form).expect("JSON");
                prop_assert_eq!(&read, &value, "{}", style);
            }
        }
    }
}
