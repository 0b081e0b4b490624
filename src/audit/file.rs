//! The file that the log is appended to, and where its chain goes on.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::chain::{Broken, Chain};
use crate::state_dir;

#[derive(Debug, thiserror::Error)]
pub enum NoAudit {
    #[error("cannot open the audit file {path}: {reason}")]
    Unusable { path: String, reason: io::Error },
    #[error("the audit file {path} is being written by another server: give each its own")]
    InUse { path: String },
    #[error(
        "the audit file {path} cannot be continued, for its last line {broken}. `sealcast audit verify {path}` says more; keep the file under another name, and the server begins a new one"
    )]
    Broken { path: String, broken: Broken },
    #[error("the thread of the audit log cannot be started: {0}")]
    Thread(io::Error),
}

/// What the writer needs of a file; tests have one that fails.
pub trait Sink: Write {
    fn sync(&mut self) -> io::Result<()>;
}

impl Sink for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Opened for this process alone, with the chain of what it holds.
pub fn open(path: &Path) -> Result<(File, Chain), NoAudit> {
    let name = || path.display().to_string();
    let unusable = |reason| NoAudit::Unusable { path: name(), reason };
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    let mut file = options.open(path).map_err(unusable)?;
    // A device or a pipe holds no chain that two could tear, and nothing that somebody could read later.
    if file.metadata().map_err(unusable)?.is_file() {
        state_dir::check(&file, path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NoAudit::InUse { path: name() }),
            Err(TryLockError::Error(reason)) => return Err(unusable(reason)),
        }
    }
    let end = tail(&mut file).map_err(unusable)?;
    let chain = continued(&end).map_err(|broken| NoAudit::Broken { path: name(), broken })?;
    Ok((file, chain))
}

/// More than a line takes: what is longer is broken anyway.
const TAIL_BYTES: u64 = 1 << 20;

fn tail(file: &mut File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut end = Vec::new();
    // Not to the end: of a device that would be never.
    file.take(length.min(TAIL_BYTES)).read_to_end(&mut end)?;
    Ok(end)
}

fn continued(end: &[u8]) -> Result<Chain, Broken> {
    if end.is_empty() {
        return Ok(Chain::new());
    }
    let lines = end.strip_suffix(b"\n").ok_or(Broken::Incomplete)?;
    let start = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |feed| feed + 1);
    Chain::after(&lines[start..])
}
