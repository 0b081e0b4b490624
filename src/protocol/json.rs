//! JSON from clients: bounded in depth before it is parsed, an object where one is expected, and
//! read as JavaScript writes it (`well_formed`).

use std::borrow::Cow;

use serde::{Deserialize, de::DeserializeOwned};

use super::well_formed::WellFormed;

/// The maximum nesting. A recursive parser can run out of stack on deeper text, here or at the
/// text's receivers (protocol.md 1.8).
pub const MAX_DEPTH: usize = 64;

/// True if no value in the JSON text is nested deeper than `MAX_DEPTH`. Does not check that the
/// text is valid.
pub fn is_shallow(json: &[u8]) -> bool {
    // Nearly always there are too few openings to be deep, and no string needs a look.
    openings(json) <= MAX_DEPTH || is_shallow_by_levels(json)
}

/// An upper bound on the objects and arrays in the text. Counted in chunks that fit into a byte, so
/// that the compiler vectorizes the loop.
fn openings(json: &[u8]) -> usize {
    let lots = json.chunks(usize::from(u8::MAX));
    // Only these two are `{` once that bit is set.
    lots.map(|lot| usize::from(lot.iter().map(|b| u8::from(b | 0x20 == b'{')).sum::<u8>())).sum()
}

fn is_shallow_by_levels(json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json {
        if in_string {
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidJson {
    #[error("it is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("it is not a JSON object")]
    NotAnObject,
    #[error("{0}")]
    Other(String),
}

/// Reads an object. Derived deserializers alone would also accept an array of the fields' values.
pub fn object<T: DeserializeOwned>(text: &str) -> Result<T, InvalidJson> {
    object_in(WellFormed::new(text).as_str())
}

/// The same for types that borrow from the text, after `WellFormed`.
pub fn object_in<'a, T: Deserialize<'a>>(well_formed: &'a str) -> Result<T, InvalidJson> {
    if !is_shallow(well_formed.as_bytes()) {
        return Err(InvalidJson::TooDeep);
    }
    if !well_formed.trim_start().starts_with('{') {
        return Err(InvalidJson::NotAnObject);
    }
    serde_json::from_str(well_formed).map_err(|error| InvalidJson::Other(error.to_string()))
}

/// Any JSON value.
pub fn value(text: &str) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(WellFormed::new(text).as_str())
}

/// The text of a JSON string, borrowed where it has no escapes. `None` for any other value.
pub fn string(json: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct JsonString<'a>(#[serde(borrow)] Cow<'a, str>);
    fn read(json: &str) -> Option<Cow<'_, str>> {
        serde_json::from_str(json).map(|JsonString(text)| text).ok()
    }
    if !json.starts_with('"') {
        // Most values that may be a string are none; the parser would build an error message.
        return None;
    }
    read(json).or_else(|| {
        let text = read(WellFormed::new(json).as_str())?.into_owned();
        Some(Cow::Owned(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_is_not_an_object() {
        #[derive(Deserialize, Debug, PartialEq)]
        struct One {
            a: u8,
        }
        assert_eq!(object(r#" {"a":1}"#), Ok(One { a: 1 }));
        assert_eq!(object::<One>("[1]"), Err(InvalidJson::NotAnObject));
        assert!(matches!(object::<One>("{"), Err(InvalidJson::Other(_))));
    }

    #[test]
    fn depth_limit_is_exact_and_ignores_strings() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(is_shallow(nested(MAX_DEPTH).as_bytes()));
        assert!(!is_shallow(nested(MAX_DEPTH + 1).as_bytes()));
        assert!(is_shallow(format!(r#"["{}\"{}"]"#, "[".repeat(999), "{".repeat(999)).as_bytes()));
        assert!(is_shallow(format!(r#"["\\",{}]"#, nested(MAX_DEPTH - 1)).as_bytes()));
        assert!(!is_shallow(format!(r#"["\\",{}]"#, nested(MAX_DEPTH)).as_bytes()));
        assert!(is_shallow("[],".repeat(1000).as_bytes()));
        assert!(!is_shallow(format!("{}{}", " ".repeat(250), nested(MAX_DEPTH + 1)).as_bytes()));
    }
}
