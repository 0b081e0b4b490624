//! The bytes after the last line feed of an audit file: none, or the rest of a line torn by a power
//! loss, a full disk or a kill. Only the last line may be torn. Any other damage is evidence, and
//! the file is not continued.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{
    AuditFact,
    chain::{Chain, ChainError},
    file::MAX_LINE_BYTES,
};

pub enum Tail {
    Whole,
    /// A whole line without its line feed.
    WithoutLineFeed,
    Torn(Torn),
}

/// A partial line, to be moved aside.
#[derive(Clone, Debug)]
pub struct Torn {
    /// Offset of its first byte: the end of the whole lines.
    whole: u64,
    pub bytes: u64,
    pub kept_in: PathBuf,
}

/// The end of a file, as found.
pub struct Ending {
    /// Length of the file up to and including the last line feed.
    pub whole: u64,
    bytes: u64,
    /// The bytes after it, without trailing zeros: after a power loss a file system may have
    /// extended the file without writing to it. `None` if they cannot be a line: too long, or with
    /// zeros within.
    line: Option<Vec<u8>>,
}

const CHUNK: usize = 64 * 1024;

pub fn ending(file: &File, length: u64) -> io::Result<Ending> {
    let whole = whole_lines(file, length)?;
    let bytes = length - whole;
    let mut line = vec![0; usize::try_from(bytes.min(MAX_LINE_BYTES)).unwrap_or_default()];
    file.read_exact_at(&mut line, whole)?;
    let text = memchr::memchr(0, &line).unwrap_or(line.len());
    line.truncate(text);
    let rest_is_zero = is_zero(file, whole + text as u64, length)?;
    Ok(Ending { whole, bytes, line: rest_is_zero.then_some(line) })
}

/// Length of the file up to and including the last line feed.
fn whole_lines(file: &File, length: u64) -> io::Result<u64> {
    let (mut end, mut chunk) = (length, vec![0; CHUNK]);
    while end > 0 {
        let part = part_of(&mut chunk, end);
        let start = end - part.len() as u64;
        file.read_exact_at(part, start)?;
        if let Some(feed) = memchr::memrchr(b'\n', part) {
            return Ok(start + feed as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn is_zero(file: &File, mut at: u64, length: u64) -> io::Result<bool> {
    let mut chunk = vec![0; CHUNK];
    while at < length {
        let part = part_of(&mut chunk, length - at);
        file.read_exact_at(part, at)?;
        if part.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += part.len() as u64;
    }
    Ok(true)
}

fn part_of(chunk: &mut [u8], left: u64) -> &mut [u8] {
    let length = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
    &mut chunk[..length]
}

impl Ending {
    /// `before`: the chain of the whole lines.
    pub fn classify(self, path: &Path, before: Chain) -> Result<(Tail, Chain), ChainError> {
        if self.bytes == 0 {
            return Ok((Tail::Whole, before));
        }
        let line = self.line.ok_or(ChainError::Incomplete)?;
        let mut after = before.clone();
        if self.bytes == line.len() as u64 && after.check(&line).is_ok() {
            return Ok((Tail::WithoutLineFeed, after));
        }
        // Accepts only the beginning of the next line in the chain, and nothing written by another
        // program.
        let begins = format!("{{\"seq\":{},", before.next());
        let common = begins.len().min(line.len());
        if line[..common] != begins.as_bytes()[..common] {
            return Err(ChainError::Incomplete);
        }
        let kept_in = fresh_name(path, before.next());
        Ok((Tail::Torn(Torn { whole: self.whole, bytes: self.bytes, kept_in }), before))
    }
}

/// A new name beside the file; an earlier line with this number may have been torn, too.
fn fresh_name(path: &Path, seq: u64) -> PathBuf {
    let name = |more: String| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".torn-{seq}{more}"));
        PathBuf::from(name)
    };
    let again = (2u64..).map(|n| format!("-{n}"));
    let mut names = [String::new()].into_iter().chain(again).map(name);
    names.find(|name| fs::symlink_metadata(name).is_err()).expect("there is no last number")
}

impl Torn {
    /// Copied, synced, then cut off: an interruption at any point loses nothing.
    pub fn move_aside(&self, file: &File) -> io::Result<()> {
        let moved = self.keep(file).and_then(|()| file.set_len(self.whole));
        if moved.is_err() {
            // The next attempt starts over: remove the partial copy.
            let _ = fs::remove_file(&self.kept_in);
        }
        moved
    }

    fn keep(&self, file: &File) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut kept = options.write(true).create_new(true).mode(0o600).open(&self.kept_in)?;
        let (mut at, mut chunk) = (self.whole, vec![0; CHUNK]);
        while at < self.whole + self.bytes {
            let part = part_of(&mut chunk, self.whole + self.bytes - at);
            file.read_exact_at(part, at)?;
            kept.write_all(part)?;
            at += part.len() as u64;
        }
        kept.sync_all()?;
        let directory = self.kept_in.parent().filter(|path| !path.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Names the file without its directory, which is known.
    pub fn fact(&self) -> AuditFact {
        let name = self.kept_in.file_name().unwrap_or_default();
        AuditFact::LineTorn { bytes: self.bytes, kept_in: name.to_string_lossy().into_owned() }
    }
}
