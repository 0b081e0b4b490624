//! How a command ends: the kinds of errors, their exit codes, and their form in JSON.

use std::{fmt, process::ExitCode};

use serde::Serialize;

pub type CliResult<T> = Result<T, CommandError>;

/// A sentence for people. Not a `std::error::Error`, so that `?` takes every other error: it counts
/// as [`CommandError::Failed`].
#[derive(Debug)]
pub enum CommandError {
    /// The answer is no, or the command could not do its work on this machine.
    Failed(String),
    /// The answer is no, and the command has printed it.
    Told,
    /// The arguments do not make sense together.
    Usage(String),
    /// No server answered, or something else than a Sealcast server that this version understands.
    Unreachable(String),
    /// The server refused; `code` is its own.
    Refused { message: String, code: String },
    /// The sentence names the work that goes on in the server, if there is any.
    Interrupted(Option<String>),
    /// The reader of standard output is gone, as in `sealcast tail | head -1`.
    OutputClosed,
}

/// An error with `--json`.
#[derive(Serialize)]
struct ErrorLine<'a> {
    error: &'a str,
    code: &'a str,
    exit: u8,
}

impl CommandError {
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::Failed(message.to_string())
    }

    pub fn usage(message: impl fmt::Display) -> Self {
        Self::Usage(message.to_string())
    }

    pub fn unreachable(message: impl fmt::Display) -> Self {
        Self::Unreachable(message.to_string())
    }

    /// The exit code of the process.
    pub fn exit(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Failed(_) | Self::Told => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Refused { .. } => 4,
            Self::Interrupted(_) => 130,
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        self.exit().into()
    }

    /// A stable name: the server's code if it refused.
    pub fn code(&self) -> &str {
        match self {
            Self::OutputClosed => "output_closed",
            Self::Failed(_) | Self::Told => "failed",
            Self::Usage(_) => "usage",
            Self::Unreachable(_) => "unreachable",
            Self::Refused { code, .. } => code,
            Self::Interrupted(_) => "interrupted",
        }
    }

    /// The line for standard output with `--json`; `None` if nobody reads it, or has read it. As in the
    /// API, the code is a member of its own.
    pub fn json(&self) -> Option<String> {
        let (sentence, code, exit) = (self.to_string(), self.code(), self.exit());
        let error = match self {
            Self::OutputClosed => return None,
            Self::Refused { message, .. } => message,
            _ => &sentence,
        };
        serde_json::to_string(&ErrorLine { error, code, exit }).ok()
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) | Self::Usage(message) | Self::Unreachable(message) => {
                f.write_str(message)
            }
            // A reason of the WebSocket protocol ends with its code.
            Self::Refused { message, code } if message.contains(&format!("[{code},")) => {
                f.write_str(message)
            }
            Self::Refused { message, code } => write!(f, "{message} ({code})"),
            Self::Interrupted(None) => f.write_str("interrupted"),
            Self::Interrupted(Some(goes_on)) => write!(f, "interrupted: {goes_on}"),
            Self::Told => f.write_str("the answer is no"),
            Self::OutputClosed => f.write_str("the reader of standard output is gone"),
        }
    }
}

impl<E: std::error::Error> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_exit_code_and_its_name() {
        let refused = CommandError::Refused { message: "No.".into(), code: "unknown_app".into() };
        for (error, exit, code, text) in [
            (CommandError::failed("no"), 1, "failed", "no"),
            (CommandError::usage("no"), 2, "usage", "no"),
            (CommandError::unreachable("no"), 3, "unreachable", "no"),
            (refused, 4, "unknown_app", "No. (unknown_app)"),
            (CommandError::Interrupted(None), 130, "interrupted", "interrupted"),
        ] {
            assert_eq!((error.exit(), error.code(), &*error.to_string()), (exit, code, text));
            let sentence = text.split(" (").next().unwrap_or_default();
            let wanted = format!(r#"{{"error":"{sentence}","code":"{code}","exit":{exit}}}"#);
            assert_eq!(error.json().as_deref(), Some(&*wanted));
        }
        let named = CommandError::Interrupted(Some("the rotation goes on".into()));
        assert_eq!(named.to_string(), "interrupted: the rotation goes on");
        assert_eq!(
            (CommandError::OutputClosed.exit(), CommandError::OutputClosed.json()),
            (0, None)
        );
    }

    #[test]
    fn other_errors_are_failures() {
        let failed = || -> CliResult<u8> { Ok("x".parse::<u8>()?) };
        assert_eq!(failed().err().map(|error| error.exit()), Some(1));
    }
}
