//! Faults of a configuration: what is wrong, and where.

mod excerpt;
mod list;
mod other_names;
mod syntax;
mod unreadable;

use excerpt::printable;
pub use excerpt::{Aim, Excerpt, TomlFile};
pub use list::Listing;
pub use syntax::readable_part;
pub use unreadable::{Misread, misread};

use std::fmt;

use super::setting_error::SettingError;

/// One fault.
#[derive(Clone, Debug)]
pub struct Fault {
    pub place: Place,
    /// The setting, by its names in the file. Empty where no setting is concerned.
    pub path: Vec<String>,
    /// A whole sentence without its full stop. Repeats no value: it may be a secret.
    pub message: String,
    /// The line of the file, with secrets masked.
    pub excerpt: Option<Excerpt>,
}

/// The place to mend it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    File {
        file: String,
        position: Option<TextPosition>,
    },
    Variable(String),
    Flag(String),
    /// A setting that is nowhere, or several.
    Unknown,
}

/// Counted from 1; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextPosition {
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, position: Some(TextPosition { line, column }) } => {
                write!(f, "{file}:{line}:{column}")
            }
            Self::File { file: name, position: None } | Self::Variable(name) | Self::Flag(name) => {
                f.write_str(name)
            }
            Self::Unknown => Ok(()),
        }
    }
}

/// A configuration that no server starts with. Its `Display` is one line, for the log and for
/// commands that need a configuration; `list` is all of it.
#[derive(Debug)]
pub struct ConfigError {
    /// Never empty.
    faults: Vec<Fault>,
}

impl ConfigError {
    pub fn new(first: Fault) -> Self {
        Self { faults: vec![first] }
    }

    /// `None` without a fault.
    pub fn of(faults: Vec<Fault>) -> Option<Self> {
        (!faults.is_empty()).then_some(Self { faults })
    }

    pub fn list(&self) -> Listing<'_> {
        Listing::new(&self.faults, true)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Fault { place, message, .. }) = self.faults.first() else { return Ok(()) };
        let head = match place {
            Place::Unknown => message.clone(),
            place => format!("{place}: {message}"),
        };
        f.write_str(&head.chars().map(printable).collect::<String>())?;
        match self.faults.len() - 1 {
            0 => Ok(()),
            1 => f.write_str(" (and 1 more fault: `sealcast config check` lists both)"),
            more => write!(f, " (and {more} more faults: `sealcast config check` lists all)"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// For commands that look at one setting alone.
impl From<SettingError> for ConfigError {
    fn from(SettingError { setting, message }: SettingError) -> Self {
        let path = setting.split('.').map(str::to_owned).collect();
        Self::new(Fault { place: Place::Unknown, path, message, excerpt: None })
    }
}
