//! JSON as JavaScript writes it. A string cut inside a character ends in a lone surrogate, which
//! `JSON.stringify` writes as an escape: `"cut \ud83d"`. No Rust string can hold that, and a parser
//! refuses the whole text for it.

use std::borrow::Cow;

use memchr::{memchr, memmem};

/// JSON text with U+FFFD for each escaped lone surrogate, as browsers encode the string in UTF-8.
pub struct WellFormed<'a> {
    sent: &'a str,
    text: Cow<'a, str>,
}

impl<'a> WellFormed<'a> {
    pub fn new(sent: &'a str) -> Self {
        let text = replaced(sent).map_or(Cow::Borrowed(sent), Cow::Owned);
        Self { sent, text }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text as sent, at the position of `part`, a slice of `as_str`. An escape and its
    /// replacement have the same length.
    pub fn as_sent<'b>(&'b self, part: &'b str) -> &'b str {
        let start = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let sent = start.checked_add(part.len()).and_then(|end| self.sent.get(start..end));
        sent.unwrap_or(part)
    }
}

/// Six bytes: `\ud83d`.
const ESCAPE: usize = 6;

/// `None` if there is nothing to replace, as in nearly every text.
fn replaced(json: &str) -> Option<String> {
    let bytes = json.as_bytes();
    // Most frames have no escape at all, and preparing the search costs more than a short frame.
    let escaped = &bytes[memchr(b'\\', bytes)?..];
    let mut escapes = memmem::find_iter(escaped, br"\u");
    if !escapes.any(|at| matches!(escaped.get(at + 2), Some(b'd' | b'D'))) {
        return None;
    }
    let mut text = Cow::Borrowed(bytes);
    let mut at = 0;
    // From the front, since a backslash may itself be escaped.
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr(b'\\', rest)) {
        let start = at + found;
        at = match half(&bytes[start..]) {
            None => start + 2,
            Some(Half::Leading) if half(&bytes[start + ESCAPE..]) == Some(Half::Trailing) => {
                start + 2 * ESCAPE
            }
            Some(_) => {
                text.to_mut()[start + 2..start + ESCAPE].copy_from_slice(b"fffd");
                start + ESCAPE
            }
        };
    }
    match text {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => Some(String::from_utf8(text).expect("ASCII took the place of ASCII")),
    }
}

#[derive(PartialEq, Eq)]
enum Half {
    Leading,
    Trailing,
}

/// The escaped surrogate at the start of the text.
fn half(text: &[u8]) -> Option<Half> {
    match text {
        [b'\\', b'u', b'd' | b'D', which, a, b, ..]
            if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() =>
        {
            match which.to_ascii_lowercase() {
                b'8' | b'9' | b'a' | b'b' => Some(Half::Leading),
                b'c' | b'd' | b'e' | b'f' => Some(Half::Trailing),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::json::{object, string};
    use proptest::prelude::*;
    use std::fmt::Write as _;

    /// As a browser writes a string that is no text: lone surrogates alone are escapes.
    fn stringified(units: &[u16]) -> String {
        let mut json = String::from("\"");
        for unit in char::decode_utf16(units.iter().copied()) {
            match unit {
                Ok('"') => json.push_str(r#"\""#),
                Ok('\\') => json.push_str(r"\\"),
                Ok(control) if control < ' ' => write!(json, "\\u{:04x}", control as u32).unwrap(),
                Ok(character) => json.push(character),
                Err(lone) => write!(json, "\\u{:04x}", lone.unpaired_surrogate()).unwrap(),
            }
        }
        json + "\""
    }

    /// As Python's `json.dumps` and PHP's `json_encode` write it: in ASCII.
    fn escaped(units: &[u16]) -> String {
        let mut json = String::from("\"");
        for unit in units {
            match char::from_u32(u32::from(*unit)).filter(|c| matches!(c, '#'..='Z' | 'a'..='z')) {
                Some(plain) => json.push(plain),
                None => write!(json, "\\u{unit:04X}").unwrap(),
            }
        }
        json + "\""
    }

    /// Surrogates are met far more often than in any 16 bits.
    fn units() -> impl Strategy<Value = Vec<u16>> {
        let unit = prop_oneof![
            any::<u16>(),
            0xd800u16..0xe000,
            0x20u16..0x7f,
            Just(u16::from(b'\\')),
            Just(u16::from(b'u')),
            Just(u16::from(b'd'))
        ];
        prop::collection::vec(unit, 0..40)
    }

    #[test]
    fn f22_only_lone_surrogates_are_replaced() {
        for (sent, text) in [
            (r#""cut \ud83d""#, Some(r#""cut \ufffd""#)),
            (r#""\uD83D\uD83D\uDE00\uDE00""#, Some(r#""\ufffd\uD83D\uDE00\ufffd""#)),
            (r#""\ud83d\n\\\udEAD""#, Some(r#""\ufffd\n\\\ufffd""#)),
            (r#""\ud83d\ude00 \u00e9 \ud7ff \ue000""#, None),
            (r#""{\"a\":\"\\ud83d\"}""#, None),
            (r#""\\ud83d""#, None),
            (r#""\ud83""#, None),
            (r#""\ud8zz""#, None),
            (r"\", None),
            (r"\u", None),
            (r"\ud83d", Some(r"\ufffd")),
            ("", None),
        ] {
            let well_formed = WellFormed::new(sent);
            assert_eq!(well_formed.as_str(), text.unwrap_or(sent), "{sent}");
            assert_eq!(matches!(well_formed.text, Cow::Owned(_)), text.is_some(), "{sent}");
            let part = &well_formed.as_str()[sent.len() / 2..];
            assert_eq!(well_formed.as_sent(part), &sent[sent.len() / 2..]);
            assert_eq!(well_formed.as_sent("elsewhere"), "elsewhere");
        }
    }

    proptest! {
        #[test]
        fn f22_strings_are_read_as_browsers_encode_them(units in units()) {
            let text = String::from_utf16_lossy(&units);
            for json in [stringified(&units), escaped(&units)] {
                prop_assert_eq!(string(&json), Some(text.as_str().into()), "{}", json);
                let members = format!(r#"{{{json}:[{json},1],"is":{json}}}"#);
                let read: serde_json::Map<String, serde_json::Value> = object(&members).unwrap();
                prop_assert_eq!(&read["is"], &text);
                prop_assert!(units.is_empty() || read[&text][0] == text || text == "is");
            }
        }

        #[test]
        fn f22_any_text_is_accepted(text in r#"[\\ud8dDc"{}a]{0,30}"#) {
            let well_formed = WellFormed::new(&text);
            prop_assert_eq!(well_formed.as_str().len(), text.len());
            prop_assert_eq!(well_formed.as_sent(well_formed.as_str()), &text);
        }
    }
}
