//! Lines of a dead-letter file: letters, and markers for delivered or discarded ones.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    ops::AddAssign,
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::platform::state_dir::Staged;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LetterId(pub u64);

#[derive(Serialize, Deserialize, Debug)]
pub struct Letter {
    pub id: LetterId,
    /// Time at which it was given up.
    pub time: String,
    pub endpoint: String,
    pub reason: String,
    pub attempts: u32,
    pub event: Box<RawValue>,
}

impl Letter {
    /// Leaves the event's name, channel and size.
    pub fn leave_payload_out(&mut self) {
        #[derive(Serialize, Deserialize)]
        struct EventOutline<'a> {
            #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
            name: Option<Cow<'a, str>>,
            #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
            channel: Option<Cow<'a, str>>,
            #[serde(default)]
            bytes: usize,
        }
        let text = self.event.get();
        let outline = serde_json::from_str(text).ok();
        let outline = outline.unwrap_or(EventOutline { name: None, channel: None, bytes: 0 });
        let outline = EventOutline { bytes: text.len(), ..outline };
        self.event = to_raw_value(&outline).unwrap_or_default();
    }
}

/// How a letter ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    Delivered,
    Discarded,
}

/// A letter or a marker, without the fields needed only for delivery.
#[derive(Default, Serialize, Deserialize)]
pub struct Marker {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<LetterId>,
    /// Set on letters only.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<LetterId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discarded: Option<LetterId>,
    /// The highest id so far: a start need not search for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
}

impl Marker {
    pub fn new(id: LetterId, done: Done, last: u64) -> Self {
        let marker = Self { last: Some(last), ..Self::default() };
        match done {
            Done::Delivered => Self { delivered: Some(id), ..marker },
            Done::Discarded => Self { discarded: Some(id), ..marker },
        }
    }

    fn done(&self) -> Option<LetterId> {
        self.delivered.or(self.discarded)
    }
}

/// Identity of a file, independent of its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileId(u64, u64);

impl FileId {
    pub fn of(data: &fs::Metadata) -> Self {
        Self(data.dev(), data.ino())
    }
}

pub fn append(line: &impl Serialize, text: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}

/// Ends a line cut off by a crash, so that the next one starts fresh.
pub fn end_line(file: &mut File, length: u64) -> io::Result<u64> {
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

/// The highest id in the file, mostly found near its end.
pub fn last_id(file: &File, length: u64) -> io::Result<u64> {
    const END: u64 = 1024 * 1024;
    let mut end = vec![0; usize::try_from(length.min(END)).unwrap_or_default()];
    let begin = length - end.len() as u64;
    file.read_exact_at(&mut end, begin)?;
    for line in end.rsplit(|byte| *byte == b'\n') {
        let Ok(marker) = serde_json::from_slice::<Marker>(line) else { continue };
        if let Some(last) = marker.last.or(marker.id.map(|id| id.0)) {
            return Ok(last);
        }
    }
    let mut last = 0;
    each_marker(snapshot(file, length)?, |marker| {
        last = last.max(marker.id.map_or(0, |id| id.0));
    })?;
    Ok(last)
}

/// The file up to this length, read with a separate position.
pub fn snapshot(file: &File, length: u64) -> io::Result<impl BufRead + use<>> {
    let at = FileAt { file: file.try_clone()?, at: 0 };
    Ok(BufReader::with_capacity(64 * 1024, at.take(length)))
}

/// The position of a file is shared by all its handles.
struct FileAt {
    file: File,
    at: u64,
}

impl Read for FileAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Index of a file.
#[derive(Default)]
pub struct Index {
    /// Letters delivered or discarded, but still in the file.
    pub done: HashSet<LetterId>,
    /// All others.
    pub waiting: WaitingLetters,
}

impl Index {
    pub fn of(text: impl BufRead) -> io::Result<Self> {
        let (mut done, mut letters) = (HashSet::new(), HashMap::new());
        // Each name once: there may be millions of letters.
        let mut endpoints = HashSet::<Arc<str>>::new();
        each_marker(text, |marker| {
            done.extend(marker.done());
            let Some(id) = marker.id else { return };
            let name = marker.endpoint.unwrap_or_default();
            let known = endpoints.get(&*name).cloned();
            let endpoint = known.unwrap_or_else(|| Arc::from(name));
            endpoints.insert(endpoint.clone());
            letters.insert(id, endpoint);
        })?;
        let mut waiting = WaitingLetters::default();
        letters.retain(|id, _| !done.contains(id));
        letters.values().for_each(|endpoint| waiting.add(endpoint, 1));
        Ok(Self { done, waiting })
    }
}

/// How many letters wait in a file, by their endpoints.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct WaitingLetters(BTreeMap<Arc<str>, u64>);

impl WaitingLetters {
    pub fn add(&mut self, endpoint: &str, letters: u64) {
        match self.0.get_mut(endpoint) {
            Some(count) => *count += letters,
            None => _ = self.0.insert(endpoint.into(), letters),
        }
    }

    pub fn take_off(&mut self, endpoint: &str) {
        if let Some(count) = self.0.get_mut(endpoint) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(endpoint);
            }
        }
    }

    pub fn of(&self, endpoint: &str) -> u64 {
        self.0.get(endpoint).copied().unwrap_or(0)
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl AddAssign for WaitingLetters {
    fn add_assign(&mut self, other: Self) {
        other.0.iter().for_each(|(endpoint, count)| self.add(endpoint, *count));
    }
}

fn each_marker(text: impl BufRead, mut each: impl FnMut(Marker)) -> io::Result<()> {
    each_line(text, |line| {
        serde_json::from_slice::<Marker>(line).into_iter().for_each(&mut each);
        true
    })
}

/// Calls `each` for all letters until it returns `false`. Unreadable lines are skipped: the rest is
/// worth more than an error.
pub fn each_letter(text: impl BufRead, mut each: impl FnMut(Letter) -> bool) -> io::Result<()> {
    each_line(text, |line| serde_json::from_slice(line).map_or(true, &mut each))
}

fn each_line(mut text: impl BufRead, mut each: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if text.read_until(b'\n', &mut line)? == 0 || !each(&line) {
            return Ok(());
        }
    }
}

/// A rewritten file, which replaces the old one when complete.
pub struct Compacted {
    file: File,
    staged: Staged,
}

impl Compacted {
    /// Writes a copy without ended letters and their markers.
    pub fn write(path: &Path, text: impl BufRead, done: &HashSet<LetterId>) -> io::Result<Self> {
        let (file, staged) = Staged::begin(path)?;
        let compacted = Self { file, staged };
        let mut out = BufWriter::new(&compacted.file);
        let mut written = Ok(());
        each_letter(text, |letter| {
            if !done.contains(&letter.id) {
                let mut text = Vec::new();
                written = append(&letter, &mut text).and_then(|()| out.write_all(&text));
            }
            written.is_ok()
        })?;
        written?;
        out.flush()?;
        drop(out);
        compacted.file.sync_all()?;
        Ok(compacted)
    }

    /// Appends the old file's new bytes, from `from` to `to`, and replaces it.
    pub fn replace(mut self, old: &File, from: u64, to: u64) -> io::Result<()> {
        let mut rest = FileAt { file: old.try_clone()?, at: from }.take(to - from);
        io::copy(&mut rest, &mut self.file)?;
        self.file.sync_all()?;
        self.staged.publish()
    }
}
