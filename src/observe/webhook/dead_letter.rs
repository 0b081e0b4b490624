//! The file of undelivered webhooks: `STATE_DIR/APP.webhooks.jsonl`, readable by its owner alone.
//! Each letter is one line; a further line marks a letter as delivered or discarded, so that no
//! letter leaves the file before it has arrived.
//!
//! The file may be large. A thread reads it at the start, while the server serves. Listing and
//! replay read a part of it that no longer changes, without the writers' lock.

mod lines;

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufRead, ErrorKind, Write},
    mem,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::platform::state_dir;

pub use lines::{Done, Letter, LetterId, WaitingLetters};

use lines::{Compacted, FileId, Index, Marker, append, each_letter, snapshot};

/// A letter to be written.
pub struct NewLetter<'a> {
    pub endpoint: &'a str,
    pub reason: &'a str,
    pub attempts: u32,
    /// JSON text.
    pub event: &'a str,
}

pub struct DeadLetters(Arc<DeadLetterStore>);

struct DeadLetterStore {
    /// `None` without a state directory.
    path: Option<PathBuf>,
    state: Mutex<StoreState>,
    indexed: Condvar,
    /// Open letters in the file: neither delivered nor discarded.
    count: AtomicU64,
}

#[derive(Default)]
struct StoreState {
    open: Option<OpenLetterFile>,
    /// Counts the files opened so far: results for an older one are stale.
    generation: u64,
    bytes: u64,
    last_id: u64,
    /// Letters being replayed.
    under_way: HashSet<LetterId>,
    /// Letters delivered or discarded, but still in the file.
    done: HashSet<LetterId>,
    /// All letters up to this id are delivered or discarded. Informs readers of a file emptied
    /// meanwhile, and keeps `done` small.
    done_up_to: u64,
    waiting: WaitingLetters,
    indexing: bool,
}

struct OpenLetterFile {
    file: File,
    id: FileId,
}

impl StoreState {
    fn is_done(&self, id: &LetterId) -> bool {
        id.0 <= self.done_up_to || self.done.contains(id)
    }
}

/// A receiver gone for good must not fill the disk.
const MAX_BYTES: u64 = 512 * 1024 * 1024;
/// Time a command waits for the index of the file.
const INDEX_WAIT: Duration = Duration::from_secs(10);

impl DeadLetters {
    pub fn path_of(directory: &Path, app: &str) -> PathBuf {
        directory.join(format!("{app}{}", state_dir::DEAD_LETTERS))
    }

    pub fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let shared = DeadLetterStore {
            path,
            state: Mutex::default(),
            indexed: Condvar::new(),
            count: AtomicU64::new(0),
        };
        let letters = Self(Arc::new(shared));
        letters.follow(&mut letters.0.state.lock())?;
        Ok(letters)
    }

    /// While the file is being read, only letters written since count.
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// The same by endpoint. May wait for a disk.
    pub fn waiting(&self) -> WaitingLetters {
        self.0.state.lock().waiting.clone()
    }

    pub fn write(&self, time: &str, letters: &[NewLetter<'_>]) -> io::Result<()> {
        let mut state = self.0.state.lock();
        self.follow(&mut state)?;
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
        if state.bytes + text.len() as u64 > MAX_BYTES {
            let message = format!("it has {} bytes, and gets no larger", state.bytes);
            return Err(io::Error::new(ErrorKind::StorageFull, message));
        }
        self.append(&mut state, &text)?;
        letters.iter().for_each(|letter| state.waiting.add(letter.endpoint, 1));
        self.0.count.fetch_add(letters.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Marks letters as delivered to the endpoint.
    pub fn delivered(&self, endpoint: &str, ids: &[LetterId]) -> io::Result<()> {
        let mut state = self.0.state.lock();
        self.follow(&mut state)?;
        // Letters of a replaced file are no longer under way.
        let gone = ids.iter().filter(|id| state.under_way.remove(id));
        let gone: Vec<_> = gone.map(|id| (*id, endpoint)).collect();
        self.mark(&mut state, &gone, Done::Delivered)
    }

    /// Releases letters whose replay failed; they stay in the file.
    pub fn release(&self, ids: &[LetterId]) {
        let mut state = self.0.state.lock();
        ids.iter().for_each(|id| _ = state.under_way.remove(id));
    }

    /// Discards the letters selected by `wanted`, except those under way.
    pub fn discard(&self, wanted: impl Fn(&Letter) -> bool) -> io::Result<Discarded> {
        let mut found = Vec::new();
        self.read(|letter| {
            if wanted(&letter) {
                found.push((letter.id, letter.endpoint));
            }
            true
        })?;
        let mut state = self.0.state.lock();
        self.follow(&mut state)?;
        let found = found.iter().map(|(id, endpoint)| (*id, &**endpoint));
        let (stay, gone): (Vec<_>, Vec<_>) =
            found.partition(|(id, _)| state.under_way.contains(id));
        // Others may have been delivered or discarded in between.
        let gone: Vec<_> = gone.into_iter().filter(|(id, _)| !state.is_done(id)).collect();
        self.mark(&mut state, &gone, Done::Discarded)?;
        Ok(Discarded { discarded: gone.len() as u64, under_way: stay.len() as u64 })
    }

    /// Calls `each` for every open letter, the oldest first, until it returns `false`.
    pub fn read(&self, mut each: impl FnMut(Letter) -> bool) -> io::Result<()> {
        let Some(text) = self.text()? else { return Ok(()) };
        each_letter(text, |letter| {
            let is_done = self.0.state.lock().is_done(&letter.id);
            is_done || each(letter)
        })
    }

    /// Offers every idle letter to `send`; those it accepts are under way.
    pub fn replay_each(&self, mut send: impl FnMut(&Letter) -> bool) -> io::Result<()> {
        let Some(text) = self.text()? else { return Ok(()) };
        each_letter(text, |letter| {
            // Held while it is queued: it may arrive before this returns.
            let mut state = self.0.state.lock();
            let is_free = !state.is_done(&letter.id) && !state.under_way.contains(&letter.id);
            if is_free && send(&letter) {
                state.under_way.insert(letter.id);
            }
            true
        })
    }

    /// Syncs the file at shutdown, so that it survives a power loss.
    pub fn sync(&self) -> io::Result<()> {
        self.0.state.lock().open.as_ref().map_or(Ok(()), |open| open.file.sync_data())
    }

    /// A snapshot of the file, once its index is complete.
    fn text(&self) -> io::Result<Option<impl BufRead + use<>>> {
        let mut state = self.0.state.lock();
        self.follow(&mut state)?;
        let deadline = Instant::now() + INDEX_WAIT;
        while state.indexing {
            if self.0.indexed.wait_until(&mut state, deadline).timed_out() {
                let message = "it is large and still being read; ask again in a few seconds";
                return Err(io::Error::new(ErrorKind::TimedOut, message));
            }
        }
        let open = state.open.as_ref().filter(|_| self.count() > 0);
        open.map(|open| snapshot(&open.file, state.bytes)).transpose()
    }

    fn mark(
        &self,
        state: &mut StoreState,
        gone: &[(LetterId, &str)],
        done: Done,
    ) -> io::Result<()> {
        if gone.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        for (id, _) in gone {
            append(&Marker::new(*id, done, state.last_id), &mut text)?;
        }
        self.append(state, &text)?;
        for (id, endpoint) in gone {
            state.done.insert(*id);
            state.waiting.take_off(endpoint);
        }
        let count = gone.len() as u64;
        let left = self.0.count.fetch_sub(count, Ordering::Relaxed) - count;
        if left == 0
            && let Some(open) = &state.open
        {
            open.file.set_len(0)?;
            state.bytes = 0;
            state.done_up_to = state.last_id;
            state.done.clear();
        }
        Ok(())
    }

    fn append(&self, state: &mut StoreState, text: &[u8]) -> io::Result<()> {
        let path = self.0.path.as_ref().ok_or_else(|| io::Error::other("no state directory"))?;
        let open = match &mut state.open {
            Some(open) => open,
            None => state.open.insert(OpenLetterFile::at(path)?),
        };
        let written = open.file.write_all(text);
        if written.is_err() {
            // Remove a partial line: it would make the next one unreadable.
            let _ = open.file.set_len(state.bytes);
        }
        written?;
        state.bytes += text.len() as u64;
        Ok(())
    }

    /// Ensures that the open file is the one with this name: other programs may delete, move or
    /// empty it.
    fn follow(&self, state: &mut StoreState) -> io::Result<()> {
        let Some(path) = &self.0.path else { return Ok(()) };
        let there = match fs::symlink_metadata(path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let is_same = match (&state.open, &there) {
            (Some(open), Some(there)) => open.id == FileId::of(there) && there.len() >= state.bytes,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if is_same {
            return Ok(());
        }
        if state.open.is_some() {
            tracing::warn!(webhook.file = %path.display(), "the dead-letter file was deleted or replaced: what was in it is not sent again");
        }
        self.0.count.store(0, Ordering::Relaxed);
        // Ids continue, so that no letter under way is taken for another.
        let (last_id, generation) = (state.last_id, state.generation + 1);
        let done_up_to = if there.is_some() { 0 } else { last_id };
        *state = StoreState { last_id, generation, done_up_to, ..StoreState::default() };
        self.0.indexed.notify_all();
        there.map_or(Ok(()), |_| self.load_file(state, path))
    }

    fn load_file(&self, state: &mut StoreState, path: &Path) -> io::Result<()> {
        let mut open = OpenLetterFile::at(path)?;
        let mut bytes = open.file.metadata()?.len();
        bytes += lines::end_line(&mut open.file, bytes)?;
        state.last_id = state.last_id.max(lines::last_id(&open.file, bytes)?);
        let part = FilePart { file: open.file.try_clone()?, bytes, generation: state.generation };
        (state.open, state.bytes) = (Some(open), bytes);
        if bytes > 0 {
            let shared = self.0.clone();
            let reader = thread::Builder::new().name("dead-letters".into());
            reader.spawn(move || shared.index(&part))?;
            state.indexing = true;
        }
        Ok(())
    }
}

/// Result of discarding letters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Discarded {
    pub discarded: u64,
    /// They stay until they have arrived.
    pub under_way: u64,
}

impl OpenLetterFile {
    fn at(path: &Path) -> io::Result<Self> {
        let file = state_dir::open_to_append(path)?;
        let id = FileId::of(&file.metadata()?);
        Ok(Self { file, id })
    }
}

/// The part of a file that existed when it was opened.
struct FilePart {
    file: File,
    bytes: u64,
    generation: u64,
}

impl DeadLetterStore {
    /// Runs on a separate thread.
    fn index(&self, part: &FilePart) {
        let index = snapshot(&part.file, part.bytes).and_then(Index::of).unwrap_or_else(|error| {
            tracing::error!(%error, "the dead-letter file cannot be read: what is in it is not sent again");
            Index::default()
        });
        let compacted = self.compact(part, &index);
        let mut state = self.state.lock();
        if state.generation != part.generation {
            return;
        }
        let letters = index.waiting.total();
        state.waiting += index.waiting;
        state.done = index.done;
        if let Err(error) =
            compacted.and_then(|file| self.install_compacted(&mut state, part, file))
        {
            tracing::warn!(%error, "the dead-letter file cannot be written anew: what is done with stays in it");
        }
        self.count.fetch_add(letters, Ordering::Relaxed);
        state.indexing = false;
        self.indexed.notify_all();
    }

    /// `None` if no letter is delivered or discarded.
    fn compact(&self, part: &FilePart, index: &Index) -> io::Result<Option<Compacted>> {
        let Some(path) = self.path.as_ref().filter(|_| !index.done.is_empty()) else {
            return Ok(None);
        };
        let text = snapshot(&part.file, part.bytes)?;
        Compacted::write(path, text, &index.done).map(Some)
    }

    fn install_compacted(
        &self,
        state: &mut MutexGuard<'_, StoreState>,
        part: &FilePart,
        compacted: Option<Compacted>,
    ) -> io::Result<()> {
        let (Some(compacted), Some(path)) = (compacted, &self.path) else { return Ok(()) };
        compacted.replace(&part.file, part.bytes, state.bytes)?;
        let open = OpenLetterFile::at(path)?;
        state.bytes = open.file.metadata()?.len();
        state.open = Some(open);
        drop(mem::take(&mut state.done));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
