//! The HTTP connections of one worker: their maximum number, and the order in which they are closed.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use super::http_usage::{HttpUsage, LONG_REQUEST_AGE, Patience};

/// Where the memory has no limit: see `HttpConnections`. Sockets leave the count when they are taken
/// over.
pub const HTTP_CONNECTIONS: usize = 200_000;
/// HTTP connections may take one part in this many of the memory limit.
const MEMORY_DIVISOR: u64 = 4;
/// Memory of one connection with its buffers and a large head.
const CONNECTION_BYTES: u64 = 64 * 1024;
/// Allowed per worker with any memory limit.
const MIN_CONNECTIONS: usize = 64;
/// An idle connection is never closed sooner: its next request may be on the way.
const IDLE_GRACE: Duration = Duration::from_secs(1);

pub struct HttpConnections {
    most: usize,
    open: Rc<Cell<usize>>,
    all: RefCell<Vec<Rc<HttpUsage>>>,
    handshakes: Rc<Cell<usize>>,
}

/// The connections to close when memory is short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Demand {
    Nothing,
    /// Idle connections.
    Idle,
    /// Idle connections, and the largest others until this many bytes are free.
    Bytes(usize),
}

/// A TLS handshake under way.
pub struct Handshake(Rc<Cell<usize>>);

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl HttpConnections {
    /// For one of `workers` workers, under a memory limit in bytes.
    pub fn new(memory: Option<u64>, workers: usize) -> Self {
        let most = memory.map_or(HTTP_CONNECTIONS, |bytes| {
            usize::try_from(bytes / MEMORY_DIVISOR / CONNECTION_BYTES).unwrap_or(HTTP_CONNECTIONS)
        });
        let most = (most / workers.max(1)).clamp(MIN_CONNECTIONS, HTTP_CONNECTIONS);
        Self { most, open: Rc::default(), all: RefCell::default(), handshakes: Rc::default() }
    }

    /// Admits one more connection. `None` if the maximum is reached and none is idle.
    pub fn admit(&self, is_multiplexed: bool) -> Option<Rc<HttpUsage>> {
        if self.open.get() >= self.most && !self.make_room(1 + self.most / 32) {
            return None;
        }
        let usage = Rc::new(HttpUsage::new(self.open.clone(), is_multiplexed));
        let mut all = self.all.borrow_mut();
        if all.len() > 2 * self.open.get() + MIN_CONNECTIONS {
            all.retain(|usage| !usage.has_left());
        }
        all.push(usage.clone());
        Some(usage)
    }

    /// Admits a TLS handshake. `None` while too many are under way.
    pub fn shake(&self) -> Option<Handshake> {
        (self.handshakes.get() < self.most).then(|| {
            self.handshakes.set(self.handshakes.get() + 1);
            Handshake(self.handshakes.clone())
        })
    }

    /// Closes the connections idle for the longest time. Several at once, so that not each newcomer
    /// scans all of them. Returns false if none is idle.
    pub fn make_room(&self, count: usize) -> bool {
        let now = Instant::now();
        let mut idle: Vec<_> = self
            .all
            .borrow()
            .iter()
            .filter(|usage| !usage.has_left())
            .filter_map(|usage| {
                let long = now.saturating_duration_since(usage.since()) >= LONG_REQUEST_AGE;
                let since = usage.idle_since().or_else(|| long.then(|| usage.since()))?;
                Some((since, usage.clone()))
            })
            .collect();
        idle.sort_unstable_by_key(|(since, _)| *since);
        idle.iter().take(count).for_each(|(_, usage)| usage.end());
        !idle.is_empty()
    }

    /// Called once a second.
    pub fn tick(&self, now: Instant, patience: Patience, demand: Demand) {
        self.all.borrow_mut().retain(|usage| !usage.has_left());
        let all = self.all.borrow();
        for usage in all.iter() {
            let idle = usage.idle_since().filter(|_| demand != Demand::Nothing);
            let is_idle = idle.is_some_and(|s| now.saturating_duration_since(s) >= IDLE_GRACE);
            if is_idle || usage.is_overdue(now, patience) {
                usage.end();
            }
        }
        let Demand::Bytes(bytes) = demand else { return };
        let mut large: Vec<_> =
            all.iter().filter(|usage| !usage.has_left() && usage.is_large(now)).collect();
        large.sort_unstable_by_key(|usage| std::cmp::Reverse(usage.taken()));
        let mut freed = 0;
        for usage in large {
            if freed >= bytes {
                return;
            }
            freed += usage.taken();
            usage.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { stalled: Duration::from_secs(30), waiting: Duration::from_secs(80) };

    fn after(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    /// 64 connections, the maximum with 16 MiB.
    fn full() -> (HttpConnections, Vec<Rc<HttpUsage>>) {
        let http = HttpConnections::new(Some(16 << 20), 1);
        let all = (0..64).map(|_| http.admit(false).expect("room")).collect();
        (http, all)
    }

    #[test]
    fn f14_a_newcomer_takes_the_place_of_the_longest_idle() {
        let (http, all) = full();
        let newcomer = http.admit(false).expect("the first are idle");
        assert!(all[0].has_left() && all[2].has_left() && !all[3].has_left());
        assert!(!newcomer.has_left());
    }

    #[test]
    fn f14_those_being_answered_are_not_closed_for_a_newcomer() {
        let (http, all) = full();
        all.iter().for_each(|usage| usage.begin(0));
        assert!(http.admit(false).is_none());
        all[9].finish(false);
        assert!(http.admit(false).is_some());
        assert_eq!(all.iter().filter(|usage| usage.has_left()).count(), 1);
        assert!(all[9].has_left());
    }

    #[test]
    fn f14_memory_closes_the_idle_first_and_then_the_largest() {
        let http = HttpConnections::new(None, 1);
        let [idle, small, large] = [0; 3].map(|_| http.admit(false).expect("room"));
        [&small, &large].iter().for_each(|usage| usage.begin(0));
        small.read(1000);
        large.read(1 << 20);
        http.tick(after(2), PATIENCE, Demand::Nothing);
        assert!(!idle.has_left());
        http.tick(after(2), PATIENCE, Demand::Idle);
        assert!(idle.has_left() && !small.has_left() && !large.has_left());
        http.tick(after(2), PATIENCE, Demand::Bytes(1 << 30));
        assert!(!large.has_left(), "it may be a backend that only just began");
        http.tick(after(6), PATIENCE, Demand::Bytes(1 << 30));
        assert!(large.has_left() && !small.has_left());
    }

    #[test]
    fn f14_each_wait_has_an_end() {
        let http = HttpConnections::new(None, 1);
        let cx = std::task::Context::from_waker(std::task::Waker::noop());
        let [waiting, stalled, unsent, answering, multiplexed] =
            [false, false, true, false, true].map(|is| http.admit(is).expect("room"));
        [&stalled, &unsent, &answering].iter().for_each(|usage| usage.begin(0));
        stalled.wrote(&cx, true);
        // A response of 40 KiB may take ten seconds more.
        unsent.send(40 * 1024);
        let left = || [&waiting, &stalled, &unsent, &answering, &multiplexed].map(|u| u.has_left());
        for (seconds, wanted) in [
            (29, [false; 5]),
            (31, [false, true, false, false, false]),
            (41, [false, true, true, false, false]),
            (81, [true, true, true, false, false]),
        ] {
            http.tick(after(seconds), PATIENCE, Demand::Nothing);
            assert_eq!(left(), wanted, "{seconds}");
        }
    }

    #[test]
    fn f14_partial_reader_is_read_from_again() {
        let http = HttpConnections::new(None, 1);
        let cx = std::task::Context::from_waker(std::task::Waker::noop());
        let usage = http.admit(false).expect("room");
        assert!(!usage.denies_reading());
        usage.wrote(&cx, true);
        assert!(usage.denies_reading());
        usage.wrote(&cx, false);
        assert!(!usage.denies_reading());
        usage.end();
        assert!(usage.check(&cx).is_err());
    }
}
