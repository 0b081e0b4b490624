//! Ids, keys, secrets and tokens, as files, shells and clipboards deliver them.
//!
//! One rule for all: the value counts as it is written, without the line breaks at the end of a
//! file. A stray character at either end causes a warning and is never removed: the other side may
//! have copied it along.

use std::{fmt, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::checks::{ConfigResult, error};
use crate::crypto::key::read_secret_file;

/// Characters that are hardly ever meant, at one end of a value or at both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    Begin(StrayKind),
    End(StrayKind),
    Both(StrayKind, StrayKind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrayKind {
    LineBreak,
    Blank,
    Invisible,
    QuotationMark,
}

impl StrayKind {
    fn of(c: char) -> Option<Self> {
        /// Byte order mark, zero-width characters, text direction marks.
        const INVISIBLE: [char; 7] =
            ['\u{feff}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{2060}'];
        const QUOTATION_MARKS: [char; 8] =
            ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}'];
        match c {
            '\n' | '\r' => Some(Self::LineBreak),
            c if c.is_whitespace() => Some(Self::Blank),
            c if c.is_control() || INVISIBLE.contains(&c) => Some(Self::Invisible),
            c if QUOTATION_MARKS.contains(&c) => Some(Self::QuotationMark),
            _ => None,
        }
    }

    /// True for characters that a trimming parser removes.
    fn is_trimmed(self) -> bool {
        match self {
            Self::LineBreak | Self::Blank => true,
            Self::Invisible | Self::QuotationMark => false,
        }
    }
}

impl fmt::Display for StrayKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineBreak => "a line break",
            Self::Blank => "a blank",
            Self::Invisible => "an invisible character",
            Self::QuotationMark => "a quotation mark",
        })
    }
}

impl Stray {
    pub fn of(text: &str) -> Option<Self> {
        let begin = text.chars().next().and_then(StrayKind::of);
        let end = text.chars().next_back().and_then(StrayKind::of);
        match (begin, end) {
            (Some(begin), Some(end)) => Some(Self::Both(begin, end)),
            (Some(begin), None) => Some(Self::Begin(begin)),
            (None, Some(end)) => Some(Self::End(end)),
            (None, None) => None,
        }
    }

    /// True if a trimming parser removes all stray characters.
    pub fn is_trimmed(self) -> bool {
        match self {
            Self::Begin(kind) | Self::End(kind) => kind.is_trimmed(),
            Self::Both(begin, end) => begin.is_trimmed() && end.is_trimmed(),
        }
    }
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(kind) => write!(f, "begins with {kind}"),
            Self::End(kind) => write!(f, "ends with {kind}"),
            Self::Both(begin, end) if begin == end => write!(f, "begins and ends with {end}"),
            Self::Both(begin, end) => write!(f, "begins with {begin} and ends with {end}"),
        }
    }
}

/// Messages do not contain the value: it may be a secret.
pub fn warn_of_stray(name: &str, text: &str, warnings: &mut Vec<String>) {
    if let Some(stray) = Stray::of(text) {
        warnings.push(format!(
            "{name} {stray}, which counts as part of it: take it off, here or in the file or variable that it comes from, unless the other side has it too"
        ));
    }
}

/// `: it ends with a blank`, for an error message; empty if there is no stray character.
pub fn stray_hint(text: &str) -> String {
    Stray::of(text).map(|stray| format!(": it {stray}")).unwrap_or_default()
}

/// A secret from its setting or from a file, never both.
pub fn secret(
    name: &str,
    value: &Option<SecretString>,
    file: &Option<PathBuf>,
) -> ConfigResult<Option<SecretString>> {
    match (value, file) {
        (Some(_), Some(_)) => {
            error(name, format!("{name} and {name}_file are both given: keep one"))
        }
        (Some(value), None) => Ok(Some(value.clone())),
        (None, Some(path)) => match read_secret_file(path) {
            Ok(text) => Ok(Some(SecretString::from(text.as_str().to_owned()))),
            Err(reason) => error(format!("{name}_file"), format!("{name}_file: {reason}")),
        },
        (None, None) => Ok(None),
    }
}

/// The same, with a warning of stray characters.
pub fn checked_secret(
    name: &str,
    value: &Option<SecretString>,
    file: &Option<PathBuf>,
    warnings: &mut Vec<String>,
) -> ConfigResult<Option<SecretString>> {
    let secret = secret(name, value, file)?;
    if let Some(secret) = &secret {
        warn_of_stray(name, secret.expose_secret(), warnings);
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stray_characters_at_the_ends_are_named() {
        for (text, expected) in [
            ("abc\n", "ends with a line break"),
            ("abc\r", "ends with a line break"),
            ("abc\r\n", "ends with a line break"),
            ("abc ", "ends with a blank"),
            ("abc\u{a0}", "ends with a blank"),
            ("\tabc", "begins with a blank"),
            ("\u{feff}abc", "begins with an invisible character"),
            ("abc\u{200b}", "ends with an invisible character"),
            ("\"abc\"", "begins and ends with a quotation mark"),
            ("'abc", "begins with a quotation mark"),
            ("abc'", "ends with a quotation mark"),
            ("\u{201c}abc\u{201d}", "begins and ends with a quotation mark"),
            (" abc\"", "begins with a blank and ends with a quotation mark"),
            ("\"", "begins and ends with a quotation mark"),
        ] {
            assert_eq!(
                Stray::of(text).map(|s| s.to_string()).as_deref(),
                Some(expected),
                "{text:?}"
            );
        }
        for text in ["", "abc", "a b", "a\"b", "base64:abc=", "é"] {
            assert_eq!(Stray::of(text), None, "{text:?}");
        }
    }

    #[test]
    fn parsers_trim_blanks_and_line_breaks_only() {
        for (text, trimmed) in [
            (" abc\n", true),
            ("abc ", true),
            (" abc\"", false),
            ("\"abc ", false),
            ("'abc", false),
        ] {
            assert_eq!(Stray::of(text).map(Stray::is_trimmed), Some(trimmed), "{text:?}");
        }
    }
}
