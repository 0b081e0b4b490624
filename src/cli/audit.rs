//! `sealcast audit`

use std::{
    fs::File,
    io::{BufReader, IsTerminal as _, stderr},
    path::PathBuf,
};

use clap::Subcommand;
use indicatif::ProgressBar;

use super::{CliResult, CommandError, OutputArgs, help};
use crate::observe::audit::{LogSummary, verify};

#[derive(Subcommand)]
pub enum AuditCommand {
    /// Check that an audit file is as the server wrote it
    #[command(after_help = help::after("audit.md", [
        "sealcast audit verify /var/lib/sealcast/audit.jsonl",
        "sealcast audit verify audit.jsonl --expect 9f86d081884c7d65 --json",
    ]))]
    Verify {
        file: PathBuf,
        /// A hash noted earlier; its line must still be there
        #[arg(long, value_name = "HASH")]
        expect: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Bytes that are read in less than a second.
const SMALL_FILE: u64 = 64 * 1024 * 1024;

pub fn run(command: &AuditCommand) -> CliResult<()> {
    let AuditCommand::Verify { file, expect, output } = command;
    let name = file.display();
    let open = File::open(file).map_err(|error| {
        CommandError::failed(format_args!("cannot read the audit file {name}: {error}"))
    })?;
    let bytes = open.metadata().map_or(0, |metadata| metadata.len());
    let progress = match stderr().is_terminal() && bytes > SMALL_FILE {
        true => ProgressBar::new(bytes),
        false => ProgressBar::hidden(),
    };
    let summary = verify(BufReader::new(progress.wrap_read(open)), expect.as_deref());
    progress.finish_and_clear();
    let summary = summary.map_err(|error| CommandError::failed(format_args!("{name}: {error}")))?;
    output.show(&summary, text)
}

fn text(summary: &LogSummary) -> String {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".into());
    let LogSummary { lines, first, last, torn, hash } = summary;
    let torn = match torn {
        0 => String::new(),
        torn => format!("torn lines that were moved aside: {torn}\n"),
    };
    let (first, last, hash) = (or_none(first), or_none(last), or_none(hash));
    format!("lines: {lines}\nfirst: {first}\nlast: {last}\n{torn}last hash: {hash}\n")
}
