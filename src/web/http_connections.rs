//! The HTTP connections of one worker: how many there may be, and which of them are closed first.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use super::{
    http_usage::{HttpUsage, LONG, Patience},
    services::HTTP_CONNECTIONS,
};

/// The part of the memory limit that HTTP connections may take, and what one of them costs with its
/// buffers and a large head.
const SHARE: u64 = 4;
const COST: u64 = 64 * 1024;
/// So many are possible whatever the memory.
const LEAST: usize = 64;
/// Not closed before that, however short the server is: its next request may be on the way.
const GRACE: Duration = Duration::from_secs(1);

pub struct HttpConnections {
    most: usize,
    open: Rc<Cell<usize>>,
    all: RefCell<Vec<Rc<HttpUsage>>>,
    handshakes: Rc<Cell<usize>>,
}

/// What memory asks of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Demand {
    Nothing,
    /// The idle ones are closed.
    Idle,
    /// So are the largest, until so many bytes are free.
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
    /// For one of so many workers.
    pub fn new(memory: Option<u64>, workers: usize) -> Self {
        let most = memory.map_or(HTTP_CONNECTIONS, |bytes| {
            usize::try_from(bytes / SHARE / COST).unwrap_or(HTTP_CONNECTIONS)
        });
        let most = (most / workers.max(1)).clamp(LEAST, HTTP_CONNECTIONS);
        Self { most, open: Rc::default(), all: RefCell::default(), handshakes: Rc::default() }
    }

    /// One more, or `None` where there are too many and each is of use.
    pub fn admit(&self, is_multiplexed: bool) -> Option<Rc<HttpUsage>> {
        if self.open.get() >= self.most && !self.make_room(1 + self.most / 32) {
            return None;
        }
        let usage = Rc::new(HttpUsage::new(self.open.clone(), is_multiplexed));
        let mut all = self.all.borrow_mut();
        if all.len() > 2 * self.open.get() + LEAST {
            all.retain(|usage| !usage.has_left());
        }
        all.push(usage.clone());
        Some(usage)
    }

    /// `None` while too many peers shake hands.
    pub fn shake(&self) -> Option<Handshake> {
        (self.handshakes.get() < self.most).then(|| {
            self.handshakes.set(self.handshakes.get() + 1);
            Handshake(self.handshakes.clone())
        })
    }

    /// Closes those that have been idle longest, several at once, so that a crowd does not make
    /// each newcomer look at all of them; whether there were any.
    pub fn make_room(&self, count: usize) -> bool {
        let now = Instant::now();
        let mut idle: Vec<_> = self
            .all
            .borrow()
            .iter()
            .filter(|usage| !usage.has_left())
            .filter_map(|usage| {
                let long = now.saturating_duration_since(usage.since()) >= LONG;
                let since = usage.idle_since().or_else(|| long.then(|| usage.since()))?;
                Some((since, usage.clone()))
            })
            .collect();
        idle.sort_unstable_by_key(|(since, _)| *since);
        idle.iter().take(count).for_each(|(_, usage)| usage.end());
        !idle.is_empty()
    }

    /// Once a second.
    pub fn tick(&self, now: Instant, patience: Patience, demand: Demand) {
        self.all.borrow_mut().retain(|usage| !usage.has_left());
        let all = self.all.borrow();
        for usage in all.iter() {
            let idle = usage.idle_since().filter(|_| demand != Demand::Nothing);
            let is_idle = idle.is_some_and(|s| now.saturating_duration_since(s) >= GRACE);
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

    /// Of a memory of 16 MiB: 64.
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
        // Of 40 KiB, which may take ten seconds more.
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
    fn f14_who_takes_something_is_read_from_again() {
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
