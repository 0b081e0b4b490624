//! The dead letters of an app, which the nodes of a cluster share.

use std::{
    borrow::Cow,
    io::{self, ErrorKind},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use redis::Value;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::{
    cluster::{
        node::letters::{LetterBox, LetterError, OpenedLetter},
        redis::letters::LetterEnd,
    },
    observe::webhook::{Discarded, Letter, LetterId, LetterStore, NewLetter, WaitingLetters},
};

/// Letters of one command.
const PAGE: usize = 100;
/// Between two looks at what others have changed.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

pub struct ClusterLetters {
    letters: LetterBox,
    /// As of the last look.
    count: AtomicU64,
    look: Mutex<CountLook>,
}

struct CountLook {
    next: Instant,
    answer: Option<oneshot::Receiver<Vec<Value>>>,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct LetterContent<'a> {
    time: Cow<'a, str>,
    endpoint: Cow<'a, str>,
    reason: Cow<'a, str>,
    attempts: u32,
    #[serde(borrow)]
    event: &'a RawValue,
}

impl ClusterLetters {
    pub fn new(letters: LetterBox) -> Self {
        let look = CountLook { next: Instant::now(), answer: None };
        Self { letters, count: AtomicU64::new(0), look: Mutex::new(look) }
    }

    fn end(&self, end: LetterEnd, numbers: &[u64]) -> io::Result<Discarded> {
        let mut discarded = Discarded { discarded: 0, under_way: 0 };
        for some in numbers.chunks(PAGE) {
            let ended = self.letters.end(end, some).map_err(failed)?;
            discarded.discarded += ended.gone;
            discarded.under_way += ended.under_way;
            self.count.store(ended.left, Ordering::Relaxed);
        }
        Ok(discarded)
    }

    /// Calls `each` with the letters of a page after the other, until it returns `false`.
    fn pages(&self, mut each: impl FnMut(Vec<Letter>) -> io::Result<bool>) -> io::Result<()> {
        let mut after = 0;
        while let Some((letters, last)) = self.letters.page(after, PAGE).map_err(failed)? {
            let letters = letters.iter().filter_map(letter).collect();
            if !each(letters)? {
                break;
            }
            after = last;
        }
        Ok(())
    }
}

impl LetterStore for ClusterLetters {
    fn is_shared(&self) -> bool {
        true
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn refresh(&self) {
        let mut look = self.look.lock();
        if let Some(answer) = &mut look.answer {
            match answer.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => return,
                Err(oneshot::error::TryRecvError::Closed) => {}
                Ok(answers) => {
                    let count = LetterBox::read_count(&answers);
                    count.iter().for_each(|count| self.count.store(*count, Ordering::Relaxed));
                }
            }
            look.answer = None;
        }
        let now = Instant::now();
        if look.next <= now {
            *look =
                CountLook { next: now + REFRESH_INTERVAL, answer: Some(self.letters.ask_count()) };
        }
    }

    fn waiting(&self) -> io::Result<WaitingLetters> {
        let mut waiting = WaitingLetters::default();
        self.pages(|letters| {
            letters.iter().for_each(|letter| waiting.add(&letter.endpoint, 1));
            Ok(true)
        })?;
        Ok(waiting)
    }

    fn write(&self, time: &str, letters: &[NewLetter<'_>]) -> io::Result<()> {
        for some in letters.chunks(PAGE) {
            let contents: io::Result<Vec<_>> =
                some.iter().map(|letter| content(time, letter)).collect();
            let left = self.letters.write(&contents?).map_err(failed)?;
            self.count.store(left, Ordering::Relaxed);
        }
        Ok(())
    }

    fn delivered(&self, _: &str, ids: &[LetterId]) -> io::Result<()> {
        self.end(LetterEnd::Remove, &numbers(ids)).map(drop)
    }

    fn release(&self, ids: &[LetterId]) -> io::Result<()> {
        self.end(LetterEnd::Keep, &numbers(ids)).map(drop)
    }

    fn discard(&self, wanted: &dyn Fn(&Letter) -> bool) -> io::Result<Discarded> {
        let mut found = Vec::new();
        self.pages(|letters| {
            found.extend(letters.iter().filter(|letter| wanted(letter)).map(|letter| letter.id.0));
            Ok(true)
        })?;
        self.end(LetterEnd::Discard, &found)
    }

    fn read(&self, each: &mut dyn FnMut(Letter) -> bool) -> io::Result<()> {
        self.pages(|letters| Ok(letters.into_iter().all(&mut *each)))
    }

    /// Claimed before they are offered, since they may arrive before this returns.
    fn replay_each(&self, send: &mut dyn FnMut(&Letter) -> bool) -> io::Result<()> {
        self.pages(|letters| {
            let all: Vec<_> = letters.iter().map(|letter| letter.id.0).collect();
            let claimed = self.letters.claim(&all).map_err(failed)?;
            let offered = letters.iter().filter(|letter| claimed.contains(&letter.id.0));
            let stay: Vec<_> =
                offered.filter(|letter| !send(letter)).map(|letter| letter.id.0).collect();
            self.end(LetterEnd::Keep, &stay)?;
            Ok(true)
        })
    }

    /// Redis keeps them as it is configured.
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn content(time: &str, letter: &NewLetter<'_>) -> io::Result<Vec<u8>> {
    let NewLetter { endpoint, reason, attempts, event } = *letter;
    let event = serde_json::from_str(event)?;
    let (time, endpoint, reason) = (time.into(), endpoint.into(), reason.into());
    Ok(serde_json::to_vec(&LetterContent { time, endpoint, reason, attempts, event })?)
}

/// `None` for one that no version wrote.
fn letter(opened: &OpenedLetter) -> Option<Letter> {
    let content: LetterContent<'_> = serde_json::from_slice(&opened.content).ok()?;
    Some(Letter {
        id: LetterId(opened.number),
        time: content.time.into_owned(),
        endpoint: content.endpoint.into_owned(),
        reason: content.reason.into_owned(),
        attempts: content.attempts,
        event: content.event.to_owned(),
    })
}

fn numbers(ids: &[LetterId]) -> Vec<u64> {
    ids.iter().map(|id| id.0).collect()
}

/// `TimedOut`: it may work later.
fn failed(error: LetterError) -> io::Error {
    let kind = match error {
        LetterError::Away => ErrorKind::TimedOut,
        LetterError::Full => ErrorKind::StorageFull,
        LetterError::Refused => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
