//! `sealcast audit`

use std::{fs::File, io::BufReader, path::PathBuf};

use clap::Subcommand;

use super::{CliResult, say};
use crate::observe::audit::verify;

#[derive(Subcommand)]
pub enum AuditCommand {
    /// Check that an audit file is as the server wrote it
    Verify {
        file: PathBuf,
        /// A hash noted earlier; its line must still be there
        #[arg(long, value_name = "HASH")]
        expect: Option<String>,
    },
}

pub fn run(command: &AuditCommand) -> CliResult<()> {
    let AuditCommand::Verify { file, expect } = command;
    let name = file.display();
    let open = File::open(file).map_err(|e| format!("cannot read the audit file {name}: {e}"))?;
    let summary =
        verify(BufReader::new(open), expect.as_deref()).map_err(|e| format!("{name}: {e}"))?;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".into());
    say!("lines: {}", summary.lines)?;
    say!("first: {}", or_none(summary.first))?;
    say!("last: {}", or_none(summary.last))?;
    if summary.torn > 0 {
        say!("torn lines that were moved aside: {}", summary.torn)?;
    }
    Ok(say!("last hash: {}", or_none(summary.hash))?)
}
