//! Positions in the configuration file, and lines of it to show.

use std::ops::Range;

use toml_edit::{ImDocument, Item, Table, TableLike, Value};

use super::TextPosition;
use crate::{config::schema::Schema, crypto::key::MasterKey};

/// A line of the file, and what is pointed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    pub line: String,
    /// In characters of the line.
    pub marked: Range<usize>,
}

/// The part of a setting that is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    Name,
    Value,
}

/// The text of the file with the places of its settings.
pub struct TomlFile<'a> {
    text: &'a str,
    /// `None` if the text is not TOML.
    document: Option<ImDocument<String>>,
    masked: Vec<Range<usize>>,
}

const MASK: &str = "\"********\"";

impl<'a> TomlFile<'a> {
    /// `readable`: the text with what is no TOML blanked out; of the same length.
    pub fn new(text: &'a str, readable: &str, schema: &Schema) -> Self {
        let document = ImDocument::parse(readable.to_owned()).ok();
        let mut masked = Vec::new();
        if let Some(document) = &document {
            mask_table(document.as_table(), &mut Vec::new(), schema, &mut masked);
        }
        Self { text, document, masked }
    }

    /// The place of a setting, or of the nearest table around it.
    pub fn find(&self, path: &[String], aim: Aim) -> Option<Range<usize>> {
        let mut found = None;
        let mut at: TomlNode<'_> = TomlNode::Table(self.document.as_ref()?.as_table());
        for (index, name) in path.iter().enumerate() {
            // A secret may be in a file instead.
            let inner = at.child(name).or_else(|| at.child(&format!("{name}_file")));
            let Some((key, inner)) = inner else { break };
            let is_last = index + 1 == path.len();
            let of_value = inner.span().filter(|_| !is_last || aim == Aim::Value);
            found = of_value.or(key).or(found);
            at = inner;
        }
        found
    }

    pub fn position(&self, offset: usize) -> TextPosition {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        TextPosition {
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
        }
    }

    /// The line on which `marked` begins.
    pub fn excerpt(&self, marked: Range<usize>) -> Option<Excerpt> {
        let line = self.line_of(marked.start)?;
        let masked = self.masked.iter().filter(|m| m.start < line.end && line.start < m.end);
        let (mut shown, mut at) = (String::new(), line.start);
        let (mut start, mut end) = (None, None);
        let mut note = |offset: usize, column: usize| {
            if start.is_none() && offset >= marked.start {
                start = Some(column);
            }
            if end.is_none() && offset >= marked.end {
                end = Some(column);
            }
        };
        for mask in masked {
            let from = mask.start.max(at);
            for (offset, letter) in self.text.get(at..from)?.char_indices() {
                note(at + offset, shown.chars().count());
                shown.push(letter);
            }
            note(from, shown.chars().count());
            shown.push_str(MASK);
            at = mask.end.min(line.end).max(from);
        }
        for (offset, letter) in self.text.get(at..line.end)?.char_indices() {
            note(at + offset, shown.chars().count());
            shown.push(letter);
        }
        let width = shown.trim_end().chars().count();
        let start = start.unwrap_or(width);
        let end = end.unwrap_or(width).clamp(start + 1, width.max(start + 1));
        let indent = shown.chars().take_while(|c| c.is_whitespace()).count().min(start);
        Some(Excerpt {
            line: shown.trim_end().chars().skip(indent).map(printable).collect(),
            marked: start - indent..end - indent,
        })
    }

    /// Without its comment, which may have a secret.
    fn line_of(&self, offset: usize) -> Option<Range<usize>> {
        let start = self.text.get(..offset)?.rfind('\n').map_or(0, |at| at + 1);
        let end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let line = &self.text[start..end];
        let comment = comment_of(line).filter(|at| start + at > offset);
        Some(start..comment.map_or(end, |at| start + line[..at].trim_end().len()))
    }
}

/// No control sequence of a file reaches the terminal, and no line break makes another line.
pub(super) fn printable(letter: char) -> char {
    let is_bidi = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if letter.is_control() || is_bidi { ' ' } else { letter }
}

/// Where a comment begins, as far as one line tells: not within quotes.
fn comment_of(line: &str) -> Option<usize> {
    let mut quote = None;
    let mut is_escaped = false;
    for (at, letter) in line.char_indices() {
        match (letter, quote) {
            _ if is_escaped => is_escaped = false,
            ('\\', Some('"')) => is_escaped = true,
            ('"' | '\'', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            ('#', None) => return Some(at),
            _ => {}
        }
    }
    None
}

enum TomlNode<'a> {
    Table(&'a Table),
    Inline(&'a dyn TableLike, Option<Range<usize>>),
    Tables(&'a toml_edit::ArrayOfTables),
    Value(&'a Value),
}

impl<'a> TomlNode<'a> {
    fn of(item: &'a Item) -> Option<Self> {
        Some(match item {
            Item::None => return None,
            Item::Table(table) => Self::Table(table),
            Item::ArrayOfTables(tables) => Self::Tables(tables),
            Item::Value(Value::InlineTable(table)) => Self::Inline(table, table.span()),
            Item::Value(value) => Self::Value(value),
        })
    }

    /// The place of the name, and what it stands for.
    fn child(&self, name: &str) -> Option<(Option<Range<usize>>, Self)> {
        let (key, item) = match self {
            Self::Table(table) => table.get_key_value(name)?,
            Self::Inline(table, _) => table.get_key_value(name)?,
            Self::Tables(tables) => {
                return Some((None, Self::Table(tables.get(name.parse().ok()?)?)));
            }
            Self::Value(value) => {
                let entry = value.as_array()?.get(name.parse().ok()?)?;
                let inner = match entry {
                    Value::InlineTable(table) => Self::Inline(table, table.span()),
                    value => Self::Value(value),
                };
                return Some((None, inner));
            }
        };
        Some((key.span(), Self::of(item)?))
    }

    fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::Table(table) => table.span(),
            Self::Inline(_, span) => span.clone(),
            Self::Tables(tables) => tables.span(),
            Self::Value(value) => value.span(),
        }
    }
}

fn mask_table(
    table: &dyn TableLike,
    path: &mut Vec<String>,
    schema: &Schema,
    masked: &mut Vec<Range<usize>>,
) {
    for (name, item) in table.iter() {
        path.push(name.to_owned());
        match item {
            Item::None => {}
            Item::Table(table) => mask_table(table, path, schema, masked),
            Item::ArrayOfTables(tables) => {
                for (index, table) in tables.iter().enumerate() {
                    path.push(index.to_string());
                    mask_table(table, path, schema, masked);
                    path.pop();
                }
            }
            Item::Value(value) => mask_value(value, path, schema, masked),
        }
        path.pop();
    }
}

fn mask_value(
    value: &Value,
    path: &mut Vec<String>,
    schema: &Schema,
    masked: &mut Vec<Range<usize>>,
) {
    match value {
        Value::InlineTable(table) => mask_table(table, path, schema, masked),
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                path.push(index.to_string());
                mask_value(value, path, schema, masked);
                path.pop();
            }
        }
        value if is_masked(value, path, schema) => masked.extend(value.span()),
        _ => {}
    }
}

/// A text under an unknown name may be a misspelt secret; numbers and switches are none.
fn is_masked(value: &Value, path: &[String], schema: &Schema) -> bool {
    schema.is_masked(path) && value.is_str() || is_key(value)
}

/// A key in the place of something else.
fn is_key(value: &Value) -> bool {
    let named = |text: &str| ["file:", "env:"].iter().any(|prefix| text.starts_with(prefix));
    value.as_str().is_some_and(|text| !named(text) && MasterKey::parse(text).is_ok())
}

#[cfg(test)]
mod tests;
