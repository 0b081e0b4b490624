//! The file the log is appended to, and the continuation of its chain.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{
    chain::{Chain, ChainError},
    tail::{self, Tail, Torn},
};
use crate::platform::state_dir;

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("cannot open the audit file {path}: {reason}")]
    Unusable { path: String, reason: io::Error },
    #[error("the audit file {path} is being written by another server: give each its own")]
    InUse { path: String },
    #[error(
        "the audit file {path} cannot be continued, for its last line {broken}. `sealcast audit verify {path}` says more; keep the file under another name, and the server begins a new one"
    )]
    Broken { path: String, broken: ChainError },
    #[error("the thread of the audit log cannot be started: {0}")]
    Thread(io::Error),
}

/// The operations the writer needs; tests use a failing implementation.
pub trait Sink: Write {
    fn sync(&mut self) -> io::Result<()>;

    /// Repairs the end of the file so that a line may follow. Called before each batch.
    fn repair_end(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Called before each batch: if the file was moved or deleted, opens the one with its name.
    /// Returns that file's chain and its torn line.
    fn reopen_if_replaced(&mut self) -> Result<Option<(Chain, Option<Torn>)>, AuditError> {
        Ok(None)
    }
}

/// A log file, locked by this process.
pub struct AuditFile {
    file: File,
    path: PathBuf,
    /// Bytes in the file after the latest write. A shorter file was cut or overwritten.
    length: u64,
    /// Pending repair of the file's end; retried while the disk is full.
    tail: Tail,
}

/// An open file, its chain, and the torn line at its end.
pub struct OpenedLog {
    pub file: AuditFile,
    pub chain: Chain,
    pub torn: Option<Torn>,
}

impl Write for AuditFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for AuditFile {
    fn sync(&mut self) -> io::Result<()> {
        // A pipe or a device has nothing to sync.
        if self.file.metadata()?.is_file() { self.file.sync_data() } else { Ok(()) }
    }

    fn repair_end(&mut self) -> io::Result<()> {
        match &self.tail {
            Tail::Whole => return Ok(()),
            Tail::WithoutLineFeed => self.file.write_all(b"\n")?,
            Tail::Torn(torn) => torn.move_aside(&self.file)?,
        }
        self.length = self.file.metadata()?.len();
        self.tail = Tail::Whole;
        Ok(())
    }

    fn reopen_if_replaced(&mut self) -> Result<Option<(Chain, Option<Torn>)>, AuditError> {
        if self.is_in_place() {
            return Ok(None);
        }
        // It may be the same file, cut: this process may then lock it once more.
        let _ = self.file.unlock();
        let OpenedLog { file, chain, torn } = open(&self.path)?;
        *self = file;
        Ok(Some((chain, torn)))
    }
}

impl AuditFile {
    /// True if the open file still has its name and all that was written to it. Devices and pipes
    /// are always in place. If the lookup fails, nothing changes.
    fn is_in_place(&self) -> bool {
        let Ok(own) = self.file.metadata() else { return true };
        match fs::metadata(&self.path) {
            Ok(there) => {
                let same = (own.dev(), own.ino()) == (there.dev(), there.ino());
                !own.is_file() || same && there.len() >= self.length
            }
            Err(error) => !own.is_file() || error.kind() != io::ErrorKind::NotFound,
        }
    }
}

/// Changes nothing in the file: repairs are up to the writer.
pub fn open(path: &Path) -> Result<OpenedLog, AuditError> {
    let name = || path.display().to_string();
    let unusable = |reason| AuditError::Unusable { path: name(), reason };
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    let mut file = options.open(path).map_err(unusable)?;
    let data = file.metadata().map_err(unusable)?;
    // A device or pipe has no chain to protect from a second writer.
    if !data.is_file() {
        let file = AuditFile { file, path: path.to_owned(), length: 0, tail: Tail::Whole };
        return Ok(OpenedLog { file, chain: Chain::new(), torn: None });
    }
    state_dir::check(&file, path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(AuditError::InUse { path: name() }),
        Err(TryLockError::Error(reason)) => return Err(unusable(reason)),
    }
    let (tail, chain) = end_of(&mut file, data.len(), path)?;
    let torn = match &tail {
        Tail::Torn(torn) => Some(torn.clone()),
        Tail::Whole | Tail::WithoutLineFeed => None,
    };
    let file = AuditFile { file, path: path.to_owned(), length: data.len(), tail };
    Ok(OpenedLog { file, chain, torn })
}

/// Returns the error of `open`, without creating, locking or changing anything: another server may
/// be writing the file.
pub fn check(path: &Path) -> Result<(), AuditError> {
    let unusable = |reason| AuditError::Unusable { path: path.display().to_string(), reason };
    let mut file = match OpenOptions::new().read(true).append(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return state_dir::writable(path.parent().unwrap_or(path)).map_err(unusable);
        }
        Err(error) => return Err(unusable(error)),
    };
    let data = file.metadata().map_err(unusable)?;
    if data.is_file() {
        state_dir::judge(&file, path).map_err(unusable)?;
        end_of(&mut file, data.len(), path)?;
    }
    Ok(())
}

fn end_of(file: &mut File, length: u64, path: &Path) -> Result<(Tail, Chain), AuditError> {
    let name = || path.display().to_string();
    let unusable = |reason| AuditError::Unusable { path: name(), reason };
    let broken = |broken| AuditError::Broken { path: name(), broken };
    let ending = tail::ending(file, length).map_err(unusable)?;
    let lines = last_line(file, ending.whole).map_err(unusable)?;
    let chain = chain_after(&lines).map_err(broken)?;
    ending.classify(path, chain).map_err(broken)
}

/// Upper bound on a line; longer lines are broken anyway.
pub const MAX_LINE_BYTES: u64 = 1 << 20;

/// The bytes before `end`, long enough to contain the last whole line.
fn last_line(file: &mut File, end: u64) -> io::Result<Vec<u8>> {
    let start = end.saturating_sub(MAX_LINE_BYTES);
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(end - start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn chain_after(end: &[u8]) -> Result<Chain, ChainError> {
    if end.is_empty() {
        return Ok(Chain::new());
    }
    let lines = end.strip_suffix(b"\n").ok_or(ChainError::Incomplete)?;
    let start = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |feed| feed + 1);
    Chain::after(&lines[start..])
}
