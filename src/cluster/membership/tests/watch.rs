//! The observation of death, without Redis.

use std::time::Duration;

use bytes::Bytes;

use crate::cluster::{
    membership::watch::{DeathWatch, ReadTimes},
    names::Incarnation,
};

const LEASE: u64 = 12;

/// One observer. Times are in seconds.
struct Observer(DeathWatch);

impl Observer {
    fn new() -> Self {
        Self(DeathWatch::new(Duration::from_secs(LEASE)))
    }

    /// Reads one entry, and returns whether its node is dead.
    fn read(&mut self, at: u64, entry: &'static str) -> bool {
        self.read_slowly(at, at, entry)
    }

    fn read_slowly(&mut self, asked: u64, answered: u64, entry: &'static str) -> bool {
        let [asked, answered] = [asked, answered].map(Duration::from_secs);
        if self.0.has_paused(asked) {
            self.0.restart();
            self.0.has_paused(asked);
        }
        let entries = [(Incarnation::from_bytes([7; 16]), Bytes::from_static(entry.as_bytes()))];
        let dead = self.0.observe(ReadTimes { asked, answered }, &entries, |_| Duration::ZERO);
        !dead.is_empty()
    }
}

fn deaths(reads: impl IntoIterator<Item = (u64, &'static str)>) -> Vec<u64> {
    let mut observer = Observer::new();
    let dead = reads.into_iter().filter(|(at, entry)| observer.read(*at, entry));
    dead.map(|(at, _)| at).collect()
}

#[test]
fn entry_that_stands_still_for_a_lease_is_dead() {
    // Whatever the observer's clock says at first: that of the node plays no part.
    for first in [0, 1_000_000] {
        let reads = (0..5).map(|beat| (first + 3 * beat, "A1"));
        assert_eq!(deaths(reads), [first + LEASE]);
    }
}

#[test]
fn entry_that_moves_is_alive() {
    let beats = ["A1", "A2", "A3", "A4"];
    // Three beats of four are lost, again and again.
    let reads = (0..16).map(|beat| (3 * beat, beats[beat as usize / 4]));
    assert_eq!(deaths(reads), [0; 0]);
}

#[test]
fn outage_kills_nobody() {
    let mut observer = Observer::new();
    assert!(!observer.read(0, "A1"));
    assert!(!observer.read(3, "A1"));
    observer.0.restart();
    // Nobody could raise a beat before 60.
    for at in [60, 63, 66, 69] {
        assert!(!observer.read(at, "A1"), "{at}");
    }
    assert!(observer.read(72, "A1"));
}

#[test]
fn paused_observer_kills_nobody() {
    // The whole machine was suspended, Redis and the other nodes with it.
    assert_eq!(deaths([(0, "A1"), (3, "A1"), (3600, "A1"), (3603, "A1")]), [0; 0]);
    // Between a question and the reading of its answer.
    let mut observer = Observer::new();
    assert!(!observer.read(0, "A1"));
    assert!(!observer.read_slowly(3, 3600, "A1"));
    assert!(!observer.read(3600, "A1"));
    assert!(!observer.read(3603, "A2"));
}

#[test]
fn answer_counts_from_its_question_on() {
    let mut observer = Observer::new();
    // What was first seen may have been read at 5.
    assert!(!observer.read_slowly(0, 5, "A1"));
    for at in [5, 8, 11, 14] {
        assert!(!observer.read_slowly(at, at + 2, "A1"), "{at}");
    }
    assert!(observer.read_slowly(17, 18, "A1"));
}
