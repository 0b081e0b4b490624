//! The file of webhooks that could not be delivered: `STATE_DIR/APP.webhooks.jsonl`, for its owner
//! alone. One line for each; another line says that one of them has been delivered after all, so
//! that nothing is ever taken out of the file before it has arrived.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::state_dir::{self, Staged};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LetterId(pub u64);

#[derive(Serialize, Deserialize, Debug)]
pub struct Letter {
    pub id: LetterId,
    /// When it was given up.
    pub time: String,
    pub endpoint: String,
    pub reason: String,
    pub attempts: u32,
    pub event: Box<RawValue>,
}

/// A letter that is to be written.
pub struct NewLetter<'a> {
    pub endpoint: &'a str,
    pub reason: &'a str,
    pub attempts: u32,
    /// JSON text.
    pub event: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Delivered {
    delivered: LetterId,
}

enum Line {
    Letter(Letter),
    Delivered(LetterId),
}

impl Line {
    fn parse(text: &[u8]) -> Option<Self> {
        let letter = serde_json::from_slice(text).map(Self::Letter);
        letter
            .or_else(|_| {
                serde_json::from_slice::<Delivered>(text)
                    .map(|line| Self::Delivered(line.delivered))
            })
            .ok()
    }
}

pub struct DeadLetters {
    /// Without a state directory there is none.
    path: Option<PathBuf>,
    state: Mutex<State>,
    /// Letters in the file that have not been delivered.
    count: AtomicU64,
}

struct State {
    file: Option<File>,
    bytes: u64,
    last_id: u64,
    /// Being delivered again.
    under_way: HashSet<LetterId>,
}

/// A receiver that is gone for good must not fill the disk.
const MOST_BYTES: u64 = 512 * 1024 * 1024;

impl DeadLetters {
    pub fn path_of(directory: &Path, app: &str) -> PathBuf {
        directory.join(format!("{app}{}", state_dir::DEAD_LETTERS))
    }

    pub fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let mut state = State { file: None, bytes: 0, last_id: 0, under_way: HashSet::new() };
        let mut count = 0;
        if let Some(path) = path.as_ref().filter(|path| path.symlink_metadata().is_ok()) {
            compact(path)?;
            let mut file = state_dir::open_to_append(path)?;
            state.bytes = file.metadata()?.len();
            state.bytes += end_line(&mut file, state.bytes)?;
            state.file = Some(file);
            each_letter(path, &mut |letter| {
                state.last_id = state.last_id.max(letter.id.0);
                count += 1;
                true
            })?;
        }
        Ok(Self { path, state: Mutex::new(state), count: AtomicU64::new(count) })
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub fn write(&self, time: &str, letters: &[NewLetter<'_>]) -> io::Result<()> {
        let mut state = self.state.lock();
        let mut text = Vec::new();
        for letter in letters {
            state.last_id += 1;
            let NewLetter { endpoint, reason, attempts, event } = *letter;
            let letter = Letter {
                id: LetterId(state.last_id),
                time: time.to_owned(),
                endpoint: endpoint.to_owned(),
                reason: reason.to_owned(),
                attempts,
                event: RawValue::from_string(event.to_owned())?,
            };
            append(&letter, &mut text)?;
        }
        if state.bytes + text.len() as u64 > MOST_BYTES {
            let message = format!("it has {} bytes, and gets no larger", state.bytes);
            return Err(io::Error::new(io::ErrorKind::StorageFull, message));
        }
        self.append(&mut state, &text)?;
        self.count.fetch_add(letters.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// These have arrived.
    pub fn delivered(&self, ids: &[LetterId]) -> io::Result<()> {
        let mut state = self.state.lock();
        let mut text = Vec::new();
        for id in ids {
            state.under_way.remove(id);
            append(&Delivered { delivered: *id }, &mut text)?;
        }
        self.append(&mut state, &text)?;
        let left = self.count.fetch_sub(ids.len() as u64, Ordering::Relaxed) - ids.len() as u64;
        if left == 0
            && let Some(file) = &mut state.file
        {
            file.set_len(0)?;
            state.bytes = 0;
        }
        Ok(())
    }

    /// These have not, once more, and stay.
    pub fn kept(&self, ids: &[LetterId]) {
        let mut state = self.state.lock();
        ids.iter().for_each(|id| _ = state.under_way.remove(id));
    }

    /// Shows every letter that has not been delivered, the oldest first, until `each` says `false`.
    pub fn read(&self, mut each: impl FnMut(Letter) -> bool) -> io::Result<()> {
        let _state = self.state.lock();
        self.walk(&mut each)
    }

    /// The same for those that are not under way; they are if `send` says so.
    pub fn send_again(&self, mut send: impl FnMut(&Letter) -> bool) -> io::Result<()> {
        let mut state = self.state.lock();
        self.walk(&mut |letter| {
            if !state.under_way.contains(&letter.id) && send(&letter) {
                state.under_way.insert(letter.id);
            }
            true
        })
    }

    fn walk(&self, each: &mut impl FnMut(Letter) -> bool) -> io::Result<()> {
        let Some(path) = self.path.as_ref().filter(|_| self.count() > 0) else { return Ok(()) };
        each_letter(path, each)
    }

    fn append(&self, state: &mut State, text: &[u8]) -> io::Result<()> {
        let path = self.path.as_ref().ok_or_else(|| io::Error::other("no state directory"))?;
        let file = match &mut state.file {
            Some(file) => file,
            None => state.file.insert(state_dir::open_to_append(path)?),
        };
        let written = file.write_all(text);
        if written.is_err() {
            // What is there of a line would make the next one unreadable.
            let _ = file.set_len(state.bytes);
        }
        written?;
        state.bytes += text.len() as u64;
        Ok(())
    }

    /// At the end: what is in the file outlives a loss of power.
    pub fn sync(&self) -> io::Result<()> {
        self.state.lock().file.as_ref().map_or(Ok(()), File::sync_data)
    }
}

/// A line that a crash has cut off is ended, so that the next begins anew.
fn end_line(file: &mut File, length: u64) -> io::Result<u64> {
    let Some(last) = length.checked_sub(1) else { return Ok(0) };
    let mut byte = [0];
    file.seek(SeekFrom::Start(last))?;
    file.read_exact(&mut byte)?;
    if byte == *b"\n" {
        return Ok(0);
    }
    file.write_all(b"\n")?;
    Ok(1)
}

fn append(line: &impl Serialize, text: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}

/// Without what has been delivered, and the lines that say so: beside the old file, then in its
/// place.
fn compact(path: &Path) -> io::Result<()> {
    let mut delivered = false;
    each_line(path, &mut |line| delivered |= matches!(line, Line::Delivered(_)))?;
    if !delivered {
        return Ok(());
    }
    let (file, staged) = Staged::begin(path)?;
    let (mut out, mut written) = (BufWriter::new(file), Ok(()));
    each_letter(path, &mut |letter| {
        let mut text = Vec::new();
        written = append(&letter, &mut text).and_then(|()| out.write_all(&text));
        written.is_ok()
    })?;
    written?;
    out.into_inner()?.sync_all()?;
    staged.publish()
}

/// Those that have not been delivered, until `each` says `false`.
fn each_letter(path: &Path, each: &mut impl FnMut(Letter) -> bool) -> io::Result<()> {
    let mut delivered = HashSet::new();
    each_line(path, &mut |line| {
        if let Line::Delivered(id) = line {
            delivered.insert(id);
        }
    })?;
    let mut goes_on = true;
    each_line(path, &mut |line| match line {
        Line::Letter(letter) if goes_on && !delivered.contains(&letter.id) => {
            goes_on = each(letter);
        }
        Line::Letter(_) | Line::Delivered(_) => {}
    })
}

/// What cannot be read is passed over: the rest is worth more than its end.
fn each_line(path: &Path, each: &mut impl FnMut(Line)) -> io::Result<()> {
    let Some(file) = state_dir::open_to_read(path)? else {
        return Err(io::ErrorKind::NotFound.into());
    };
    for line in BufReader::new(file).split(b'\n') {
        if let Some(line) = Line::parse(&line?) {
            each(line);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
