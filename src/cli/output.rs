//! What commands print: data on standard output, words on standard error.

use std::{
    fmt::Display,
    io::{self, Write},
};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    exit::{CliResult, CommandError},
    terminal::{harmless, json_line},
};

/// The form of a command's data.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct OutputArgs {
    /// Print JSON with the names of the API
    #[arg(long)]
    pub json: bool,
}

impl OutputArgs {
    /// Prints the data as an object on a line, or as the text for people.
    pub fn show<T: Serialize>(self, data: &T, text: impl FnOnce(&T) -> String) -> CliResult<()> {
        if self.json { print_json(data) } else { print(&text(data)) }
    }
}

/// Not `print!`, which panics if the reader is gone.
pub fn print(text: &str) -> CliResult<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(CommandError::OutputClosed),
        Err(error) => Err(CommandError::failed(format_args!("cannot write the output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Prints an object on a line. The text is wiped, since it may be a new key.
pub fn print_json<T: Serialize>(data: &T) -> CliResult<()> {
    let json = Zeroizing::new(serde_json::to_string(data)?);
    print(&Zeroizing::new(json_line(&json)))
}

/// Prints a line on standard output.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::output::print(&format!("{}\n", format_args!($($text)*)))
    };
}
pub(crate) use say;

/// Prints lines on standard error, for commands other than `serve`. Without a reader they are lost.
/// Names and reasons in them may be anybody's.
pub fn print_error(text: impl Display) {
    let text = text.to_string();
    let lines: Vec<String> = text.split('\n').map(harmless).collect();
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}
