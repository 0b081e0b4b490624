//! Lines that are no TOML, so that the rest of the file can be read all the same.

use std::ops::Range;

use toml_edit::{ImDocument, TomlError};
use zeroize::Zeroizing;

use super::Excerpt;
use crate::config::schema::{Kind, Schema};

pub struct UnreadableLine {
    pub at: Range<usize>,
    pub message: String,
    /// The setting that the line would have had, if that is known.
    pub path: Vec<String>,
}

/// A file with more such lines is no configuration.
const MAX_LINES: usize = 50;

/// The text with unreadable lines blanked out, of the same length, and what is wrong with them. The
/// text is `None` where a line cannot be left out without changing the meaning of others.
pub fn readable_part(text: &str) -> (Option<Zeroizing<String>>, Vec<UnreadableLine>) {
    let (mut readable, mut lines) = (Zeroizing::new(text.to_owned()), Vec::new());
    while lines.len() < MAX_LINES {
        let Err(error) = ImDocument::parse(readable.as_str()) else {
            return (Some(readable), lines);
        };
        let at = error.span().unwrap_or(0..0);
        let line = line_around(&readable, at.start);
        let assignment = readable.get(line.clone()).and_then(assigned);
        let path = match &assignment {
            Some(names) => [table_before(&readable, line.start), names.clone()].concat(),
            None => Vec::new(),
        };
        lines.push(UnreadableLine { at, message: message(&error), path });
        if assignment.is_none() {
            return (None, lines);
        }
        let blank = " ".repeat(line.len());
        readable.replace_range(line, &blank);
    }
    (None, lines)
}

/// Without the text of the line, which may contain a secret.
fn message(error: &TomlError) -> String {
    let words: Vec<&str> =
        error.message().lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    format!("this is not TOML: {}", words.join(", "))
}

fn line_around(text: &str, offset: usize) -> Range<usize> {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    // An error at the end of the file is one of its last line.
    let before = text[..offset].trim_end_matches(['\n', '\r']);
    let offset = if offset == text.len() { before.len() } else { offset };
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = text[offset..].find('\n').map_or(text.len(), |at| offset + at);
    start..end
}

/// The names in front of the `=`, if the line is one assignment.
fn assigned(line: &str) -> Option<Vec<String>> {
    let (names, _) = line.split_once('=')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.\"' \t".contains(c);
    if !names.chars().all(is_name) {
        return None;
    }
    let names = toml_edit::Key::parse(names.trim()).ok()?;
    Some(names.iter().map(|key| key.get().to_owned()).collect())
}

/// The names of the table that a line at `offset` belongs to.
fn table_before(text: &str, offset: usize) -> Vec<String> {
    let mut headers = text[..offset].lines().map(str::trim).filter(|line| line.starts_with('['));
    let Some(header) = headers.next_back() else { return Vec::new() };
    let header = header.split('#').next().unwrap_or_default();
    let is_list = header.starts_with("[[");
    let names = toml_edit::Key::parse(header.trim_matches(['[', ']', ' ', '\t'])).ok();
    let mut path: Vec<String> =
        names.into_iter().flatten().map(|key| key.get().to_owned()).collect();
    if is_list {
        let number = text[..offset].lines().filter(|line| line.trim() == header.trim()).count();
        path.push(number.saturating_sub(1).to_string());
    }
    path
}

impl UnreadableLine {
    /// The value is shown only where the name on the line is that of settings without a secret.
    pub fn excerpt(&self, text: &str, schema: &Schema) -> Option<Excerpt> {
        let line = line_around(text, self.at.start);
        let shown = text.get(line.clone())?.trim_end();
        let column = |offset: usize| {
            let offset = text.floor_char_boundary(offset.clamp(line.start, line.end));
            text[line.start..offset].chars().count()
        };
        let public = self.path.last().is_some_and(|name| is_public(name, schema));
        let shown = match shown.split_once('=') {
            Some((names, _)) if !public => format!("{names}= ..."),
            None if shown.contains(['"', '\'']) => "...".to_owned(),
            _ => shown.to_owned(),
        };
        let indent = shown.chars().take_while(|c| c.is_whitespace()).count();
        let width = shown.chars().count();
        let start = column(self.at.start).clamp(indent, width.max(indent));
        let end = column(self.at.end).clamp(start + 1, width.max(start + 1));
        let shown: String = shown.chars().skip(indent).collect();
        Some(Excerpt {
            line: shown.replace(char::is_control, " "),
            marked: start - indent..end - indent,
        })
    }
}

/// True if no setting with this name is a secret or holds one.
fn is_public(name: &str, schema: &Schema) -> bool {
    let mut named: Vec<_> = schema.tables().iter().flat_map(|table| table.children()).collect();
    named.retain(|setting| setting.name() == name);
    let holds_others = |kind: Kind| {
        matches!(kind, Kind::Map | Kind::Table | Kind::TableOrBoolean | Kind::ListOfTables)
    };
    !named.is_empty() && named.iter().all(|s| !s.is_secret() && !holds_others(s.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> (bool, Vec<String>) {
        let (readable, lines) = readable_part(text);
        let found = lines.iter().map(|line| {
            let number = text[..line.at.start].matches('\n').count() + 1;
            format!("{number}: {}", line.path.join("."))
        });
        (readable.is_some(), found.collect())
    }

    #[test]
    fn lines_are_left_out_one_by_one() {
        let (rest, lines) = faults(
            "listen = 1.2.3\nworkers = 2\n[apps.a]\nkey = \"k\nsecret = 's'\n[[apps.a.rules]]\n[[apps.a.rules]]\nchannel = x\n",
        );
        assert!(rest);
        assert_eq!(lines, ["1: listen", "4: apps.a.key", "8: apps.a.rules.1.channel"]);
    }

    #[test]
    fn repeated_name_is_a_fault_of_its_line() {
        let (rest, lines) = faults("workers = 1\nworkers = 2\n");
        assert!(rest);
        assert_eq!(lines, ["2: workers"]);
    }

    #[test]
    fn broken_tables_end_the_reading() {
        for text in ["[apps.a\nkey = 'k'\n", "workers = 1\nthis is not toml\n", "[a]\n[a]\n"] {
            let (rest, lines) = faults(text);
            assert!(!rest && lines.len() == 1, "{text}: {lines:?}");
        }
    }

    #[test]
    fn value_is_hidden_unless_its_name_is_public() {
        let schema = Schema::new();
        for (text, shown) in [
            ("listen = 1.2.3", "listen = 1.2.3"),
            ("secret = \"abc", "secret = ..."),
            ("secert = \"abc", "secert = ..."),
            ("channels = [{ a = \"abc\"", "channels = ..."),
            ("headers = { A = \"abc", "headers = ..."),
            ("\"abc", "..."),
        ] {
            let (_, lines) = readable_part(text);
            let excerpt = lines[0].excerpt(text, &schema).unwrap();
            assert_eq!(excerpt.line, shown, "{text}");
        }
    }
}
