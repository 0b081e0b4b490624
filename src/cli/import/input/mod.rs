//! What the other server was given: variables of an `.env`, or the values of a JSON or TOML file.

pub mod dotenv;
pub mod tree;
pub mod value;

use std::fmt;

use serde_json::Value;

/// A setting of the other server.
#[derive(Clone, Debug)]
pub struct ForeignSetting {
    pub name: ForeignName,
    /// As the input spells it, for the listing.
    pub shown: String,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForeignName {
    Variable(String),
    /// The way through a file, from the outside in; places in lists are numbers.
    Path(Vec<String>),
}

/// Which of the two kinds of input it was: their defaults differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InputFormat {
    Variables,
    Tree,
}

/// A place in an `.env` that needs a look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VariableProblem {
    Unreadable { line: usize },
    Unclosed { name: String, line: usize },
    Undefined { name: String, of: String, line: usize },
    CutAtHash { name: String, line: usize },
    Repeated { name: String, first: usize, last: usize },
}

impl VariableProblem {
    /// The variable, if there is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Unreadable { .. } => None,
            Self::Unclosed { name, .. }
            | Self::Undefined { name, .. }
            | Self::CutAtHash { name, .. }
            | Self::Repeated { name, .. } => Some(name),
        }
    }

    /// True if the value is certain all the same.
    pub fn is_harmless(&self) -> bool {
        matches!(self, Self::CutAtHash { .. } | Self::Repeated { .. })
    }
}

impl fmt::Display for VariableProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { line } => {
                write!(f, "line {line} is neither NAME=VALUE nor a comment")
            }
            Self::Unclosed { line, .. } => {
                write!(f, "line {line} opens a quote and never closes it")
            }
            Self::Undefined { of, line, .. } => {
                write!(f, "line {line} refers to ${{{of}}}, which no line above sets: set it there")
            }
            Self::CutAtHash { line, .. } => {
                write!(
                    f,
                    "line {line} ends at its #, as before: put the value in quotes if the # belongs to it"
                )
            }
            Self::Repeated { first, last, .. } => {
                write!(f, "lines {first} and {last} set it: the last counts")
            }
        }
    }
}
