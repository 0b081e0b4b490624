//! The log against all that ever happened on a channel, across restarts and logs made again.
//!
//! A reader at any position gets all events since, once and in order, or a gap. No position of
//! another life, and no number that was never a position, resumes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const START_MICROS: u64 = 1_000_000_000_000;

#[derive(Clone, Debug)]
enum Operation {
    Append {
        bytes: usize,
    },
    AppendSealed,
    /// A number that is never used: its commit failed.
    Reserve,
    Clear,
    /// Milliseconds.
    Wait(u64),
    /// The wall clock is set back by seconds.
    SetBack(u64),
    Expire,
    GiveOlderHalf,
    GiveUp,
    Vacate,
    Occupy,
    Warm,
    /// The record was removed, and the channel came to life again.
    MakeAgain,
    /// From a journal that has all of the log, and as many entries that the log has dropped.
    Restart {
        stale: usize,
    },
    /// From a journal without the newest entries, with a new epoch as after any loss.
    RestartWithLoss {
        lost: usize,
        knows_last: bool,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let restart_with_loss = (0..4_usize, any::<bool>());
    prop_oneof![
        12 => (1..400_usize).prop_map(|bytes| Append { bytes }),
        1 => Just(Append { bytes: 3000 }),
        4 => Just(AppendSealed),
        1 => Just(Reserve),
        1 => Just(Clear),
        8 => (0..4000_u64).prop_map(Wait),
        1 => (0..100_u64).prop_map(SetBack),
        1 => Just(Expire),
        1 => Just(GiveOlderHalf),
        1 => Just(GiveUp),
        1 => Just(Vacate),
        1 => Just(Occupy),
        1 => Just(Warm),
        1 => Just(MakeAgain),
        1 => (0..4_usize).prop_map(|stale| Restart { stale }),
        1 => restart_with_loss.prop_map(|(lost, knows_last)| RestartWithLoss { lost, knows_last }),
    ]
}

/// An event, or a clearing.
#[derive(Clone)]
struct Happened {
    number: u64,
    event: Option<HappenedEvent>,
}

#[derive(Clone)]
struct HappenedEvent {
    previous: LogNumber,
    event: LogEvent,
    expires: Instant,
}

struct LogModel {
    log: Log,
    settings: Arc<HistorySettings>,
    /// All that happened in the present epoch, or was restored in it.
    happened: Vec<Happened>,
    /// Positions that readers of the present epoch may have.
    positions: BTreeSet<u64>,
    /// Numbers that were reserved or were positions of former epochs.
    former: BTreeSet<u64>,
    /// The newest number given out.
    floor: u64,
    base: Instant,
    passed: Duration,
    set_back: Duration,
}

impl LogModel {
    fn new(settings: HistorySettings) -> Self {
        let (settings, base) = (Arc::new(settings), Instant::now());
        Self {
            log: Log::new(settings.clone(), LogNumber(START_MICROS), base),
            settings,
            happened: Vec::new(),
            positions: [START_MICROS].into(),
            former: BTreeSet::new(),
            floor: START_MICROS,
            base,
            passed: Duration::ZERO,
            set_back: Duration::ZERO,
        }
    }

    fn now(&self) -> Instant {
        self.base + self.passed
    }

    fn micros(&self) -> u64 {
        START_MICROS + self.passed.as_micros() as u64 - self.set_back.as_micros() as u64
    }

    fn reserve(&mut self) -> LogNumber {
        let number = self.log.next_number(self.micros());
        assert!(number.0 > self.floor, "a number twice");
        self.floor = number.0;
        number
    }

    fn append(&mut self, event: LogEvent) {
        let event = LogEvent { at_micros: self.micros(), ..event };
        let (previous, number) = (self.log.last(), self.reserve());
        self.log.append(event.clone(), number, self.now());
        let expires = self.now() + self.settings.ttl;
        self.note(number, Some(HappenedEvent { previous, event, expires }));
    }

    fn note(&mut self, number: LogNumber, event: Option<HappenedEvent>) {
        self.positions.insert(number.0);
        self.happened.push(Happened { number: number.0, event });
    }

    fn apply(&mut self, operation: &Operation) {
        let now = self.now();
        match *operation {
            Operation::Append { bytes } => self.append(clear_event(&"x".repeat(bytes))),
            Operation::AppendSealed => self.append(sealed_event("x", Some(now))),
            Operation::Reserve => {
                let number = self.reserve();
                self.former.insert(number.0);
            }
            Operation::Clear => {
                let number = self.reserve();
                self.log.clear(number, now);
                self.note(number, None);
            }
            Operation::Wait(millis) => self.passed += Duration::from_millis(millis),
            Operation::SetBack(seconds) => self.set_back += Duration::from_secs(seconds),
            Operation::Expire => self.log.expire(now),
            Operation::GiveOlderHalf => drop(self.log.give_older_half()),
            Operation::GiveUp => drop(self.log.give_up()),
            Operation::Vacate => self.log.vacated(now),
            Operation::Occupy => self.log.occupied(),
            Operation::Warm => {
                self.log.warm(self.log.last(), HotFrames::new(frames("xx"), now));
            }
            Operation::MakeAgain => self.make_again(),
            Operation::Restart { stale } => self.restart(stale),
            Operation::RestartWithLoss { lost, knows_last } => self.lose(lost, knows_last),
        }
    }

    fn make_again(&mut self) {
        let origin = LogNumber(self.floor).next(self.micros());
        self.log = Log::new(self.settings.clone(), origin, self.now());
        self.floor = origin.0;
        self.positions.insert(origin.0);
    }

    fn journal(&self, stale: usize) -> Vec<RestoredEntry> {
        let oldest = self.log.entries.front().map_or(u64::MAX, |entry| entry.number.0);
        let entries = self.happened.iter().filter_map(|happened| {
            let HappenedEvent { previous, event, .. } = happened.event.clone()?;
            Some(RestoredEntry { number: LogNumber(happened.number), previous, event })
        });
        let entries: Vec<_> = entries.collect();
        let kept = entries.iter().filter(|entry| entry.number.0 >= oldest).count();
        let skipped = entries.len().saturating_sub(kept + stale);
        entries.into_iter().skip(skipped).collect()
    }

    fn restart(&mut self, stale: usize) {
        let cleared = self.happened.iter().rfind(|happened| happened.event.is_none());
        let cleared = LogNumber(cleared.map_or(0, |happened| happened.number));
        let (entries, last) = (self.journal(stale), self.log.last());
        self.restore(RestoredLog { entries, last, cleared });
    }

    fn lose(&mut self, lost: usize, knows_last: bool) {
        let mut entries = self.journal(0);
        entries.truncate(entries.len().saturating_sub(lost));
        let newest = entries.last().map_or(LogNumber(0), |entry| entry.number);
        let last = if knows_last { self.log.last() } else { newest };
        self.former.append(&mut self.positions);
        self.happened.retain(|happened| happened.number <= newest.0);
        self.restore(RestoredLog { entries, last, cleared: LogNumber(0) });
        let events = self.happened.iter().filter_map(|happened| happened.event.as_ref());
        self.positions = events.map(|event| event.previous.0).collect();
        self.positions.extend(self.happened.iter().map(|happened| happened.number));
        self.positions.insert(self.log.last().0);
    }

    fn restore(&mut self, journal: RestoredLog) {
        let (micros, now) = (self.micros(), self.now());
        match Log::restored(self.settings.clone(), journal, micros, now) {
            Some(log) => self.log = log,
            None => self.make_again(),
        }
        // Reserved numbers are not in the journal. Here they stay unused, to tell them apart.
        self.floor = self.log.next_number(self.floor + 1).0;
    }

    /// All events since the position. `None` if something was cleared since.
    fn since(&self, position: u64) -> Option<Vec<u64>> {
        let since = self.happened.iter().filter(|happened| happened.number > position);
        since.map(|happened| happened.event.as_ref().map(|_| happened.number)).collect()
    }

    fn check(&self, foreign: &[u64]) {
        for position in &self.positions {
            match missed(&self.log, *position, self.now()) {
                Ok(missed) => {
                    assert_eq!(Some(&missed), self.since(*position).as_ref(), "at {position}");
                    self.check_pages(*position, &missed);
                }
                Err(reason) => self.check_gap(*position, reason),
            }
        }
        let others = self.former.iter().chain(foreign);
        for number in others.filter(|number| !self.positions.contains(number)) {
            assert!(missed(&self.log, *number, self.now()).is_err(), "{number} is no position");
        }
        self.check_bounds();
    }

    fn check_gap(&self, position: u64, reason: GapReason) {
        assert_ne!(position, self.log.last().0, "at the end nothing is missed");
        assert_ne!(reason, GapReason::UnknownPosition, "{position} was given out");
        if reason == GapReason::Cleared {
            assert_eq!(self.since(position), None, "nothing was cleared since {position}");
        }
    }

    /// Reading on page by page gives the same.
    fn check_pages(&self, position: u64, missed: &[u64]) {
        for (order, limit) in [(PageOrder::OldestFirst, 1), (PageOrder::NewestFirst, 3)] {
            let after = Some(LogNumber(position));
            let mut query = PageQuery { after, before: None, order, limit, bytes: 500 };
            let (mut seen, mut more) = (Vec::new(), true);
            while more {
                let page = self.log.page(&query, self.now());
                assert_eq!(page.gap, None);
                seen.extend(page.entries.iter().map(|entry| entry.number.0));
                more = page.more;
                let last = page.entries.last().map(|entry| entry.number);
                match order {
                    PageOrder::OldestFirst => query.after = last,
                    PageOrder::NewestFirst => query.before = last,
                }
            }
            if order == PageOrder::NewestFirst {
                seen.reverse();
            }
            assert_eq!(seen, missed, "{order:?} from {position}");
        }
    }

    fn check_bounds(&self) {
        let (log, settings) = (&self.log, &self.settings);
        assert_eq!(log.bytes(), log.entries.iter().map(Entry::cost).sum::<usize>());
        assert!(log.bytes() <= settings.bytes && log.len() <= settings.events as usize);
        let query = PageQuery { limit: usize::MAX, bytes: usize::MAX, ..PageQuery::default() };
        let shown = log.page(&query, self.now()).entries;
        // A journal cannot tell the age of events if the clock was set back.
        if let Some(oldest) = shown.first().filter(|_| self.set_back.is_zero()) {
            let happened = self.happened.iter().find(|h| h.number == oldest.number.0).unwrap();
            assert!(happened.event.as_ref().unwrap().expires > self.now(), "after its time");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn readers_get_all_once_and_in_order_or_a_gap(
        operations in prop::collection::vec(operation(), 1..60),
        foreign in prop::collection::vec(START_MICROS - 10..START_MICROS + 200_000_000, 20),
        events in 0..8_u32,
        bytes in prop_oneof![Just(2500_usize), Just(20_000)],
    ) {
        let mut model = LogModel::new(HistorySettings {
            events,
            bytes,
            ttl: 4 * SECOND,
            idle: 8 * SECOND,
            vacant: 6 * SECOND,
            ..HistorySettings::default()
        });
        for operation in &operations {
            model.apply(operation);
            model.check(&foreign);
        }
    }

    #[test]
    fn log_keeps_as_many_events_as_it_may(count in 1..30_usize, events in 1..10_u32) {
        let mut model = LogModel::new(HistorySettings { events, ..HistorySettings::default() });
        for _ in 0..count {
            model.apply(&Operation::Append { bytes: 10 });
        }
        prop_assert_eq!(model.log.len(), count.min(events as usize));
        let resuming = model.positions.iter().filter(|position| {
            missed(&model.log, **position, model.now()).is_ok()
        });
        prop_assert_eq!(resuming.count(), count.min(events as usize) + 1);
    }
}
