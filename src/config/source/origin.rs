//! The source of one value.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(String),
    Variable(String),
    Flag,
    /// Set by `--dev`.
    Development,
}

/// Names of layers, in which a file has its own name.
const FLAGS: &str = "flags";
const DEVELOPMENT: &str = "--dev";
const VARIABLE: &str = "environment variable ";

impl Origin {
    pub fn variable_layer(name: &str) -> String {
        format!("{VARIABLE}{name}")
    }

    pub fn of_layer(name: Option<&str>) -> Self {
        match name {
            None => Self::Default,
            Some(FLAGS) => Self::Flag,
            Some(DEVELOPMENT) => Self::Development,
            Some(name) => match name.strip_prefix(VARIABLE) {
                Some(variable) => Self::Variable(variable.to_owned()),
                None => Self::File(name.to_owned()),
            },
        }
    }

    pub fn variable(&self) -> Option<&str> {
        match self {
            Self::Variable(name) => Some(name),
            Self::Default | Self::File(_) | Self::Flag | Self::Development => None,
        }
    }
}

/// As `config show` has it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(name) => f.write_str(name),
            Self::Variable(name) => write!(f, "{VARIABLE}{name}"),
            Self::Flag => f.write_str(FLAGS),
            Self::Development => f.write_str(DEVELOPMENT),
        }
    }
}
