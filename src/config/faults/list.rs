//! A list of faults as text for people, and as JSON.

use std::fmt;

use serde_json::{Value, json};

use super::{Excerpt, Fault, Place, excerpt::printable};

/// All faults, one after the other, each with its line.
pub struct Listing<'a> {
    faults: &'a [Fault],
    /// False if there may be more.
    are_all: bool,
}

/// Longer lines are cut around the fault.
const MAX_COLUMNS: usize = 96;
const INDENT: &str = "    ";

impl<'a> Listing<'a> {
    pub fn new(faults: &'a [Fault], are_all: bool) -> Self {
        Self { faults, are_all }
    }

    /// The last line: `3 faults; the server would not start`.
    pub fn summary(&self) -> String {
        let count = self.faults.len();
        let noun = if count == 1 { "fault" } else { "faults" };
        let at_least = if self.are_all { "" } else { "at least " };
        format!("{at_least}{count} {noun}; the server would not start")
    }

    pub fn to_json(&self) -> Value {
        let fault = |fault: &Fault| {
            let (file, position, source) = match &fault.place {
                Place::File { file, position } => (Some(file), *position, Some(file)),
                Place::Variable(name) | Place::Flag(name) => (None, None, Some(name)),
                Place::Unknown => (None, None, None),
            };
            json!({
                "file": file,
                "line": position.map(|position| position.line),
                "column": position.map(|position| position.column),
                "text": fault.excerpt.as_ref().map(|excerpt| &excerpt.line),
                "path": (!fault.path.is_empty()).then(|| fault.path.join(".")),
                "message": fault.message,
                "source": source,
            })
        };
        self.faults.iter().map(fault).collect()
    }
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Fault { place, message, excerpt, .. } in self.faults {
            let head = match place {
                Place::Unknown => message.clone(),
                place => format!("{place}  {message}"),
            };
            // A name in it may have line breaks.
            let head: String = head.chars().map(printable).collect();
            writeln!(f, "{head}")?;
            excerpt.as_ref().map_or(Ok(()), |excerpt| write_excerpt(excerpt, f))?;
        }
        Ok(())
    }
}

fn write_excerpt(Excerpt { line, marked }: &Excerpt, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let room = MAX_COLUMNS - INDENT.len();
    let length = line.chars().count();
    // A third of the room for what is in front.
    let skip = if length > room { marked.start.saturating_sub(room / 3) } else { 0 };
    let mut shown: Vec<char> = line.chars().skip(skip).take(room).collect();
    if let Some(first) = shown.first_mut().filter(|_| skip > 0) {
        *first = '…';
    }
    if let Some(last) = shown.last_mut().filter(|_| skip + room < length) {
        *last = '…';
    }
    let shown: String = shown.into_iter().collect();
    let before = " ".repeat(marked.start - skip);
    let width = marked.len().min(room.saturating_sub(marked.start - skip)).max(1);
    writeln!(f, "{INDENT}{shown}\n{INDENT}{before}{}", "^".repeat(width))
}
