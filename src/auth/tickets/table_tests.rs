use proptest::prelude::*;

use super::*;

type TestTable = TicketTable<u32>;

fn hash(number: u32) -> TicketHash {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    hash
}

fn socket(number: u64) -> SocketId {
    format!("{number}.1").parse().unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct OneTicket {
    table: TestTable,
    start: Instant,
}

/// Times are seconds since the ticket was made.
impl OneTicket {
    fn new() -> Self {
        let (mut table, start) = (TestTable::default(), Instant::now());
        table.add(hash(1), &"u".into(), 7, 10, start).unwrap();
        Self { table, start }
    }

    fn open(&mut self, own_id: bool, at: u64) -> Result<u64, NotOpened> {
        self.table.open(&hash(1), own_id, ServedAt::Here, self.start + seconds(at))
    }

    fn start(&mut self, number: u64) -> Started {
        self.table.started(&hash(1), number, socket(number))
    }

    fn close(&mut self, number: u64, at: u64) {
        self.table.closed(&hash(1), number, self.start + seconds(at));
    }
}

#[test]
fn unspent_ticket_opens_again_without_an_id_and_ends_its_stream() {
    let mut one = OneTicket::new();
    assert_eq!(one.open(false, 0), Ok(1));
    assert_eq!(one.start(1), Started::Newest { former: None });
    assert_eq!(one.open(false, 2), Ok(2));
    assert_eq!(one.start(2), Started::Newest { former: Some(socket(1)) });
    one.close(1, 2);
    assert_eq!(one.open(false, 59), Ok(3), "an early cut leaves the browser without an id");
    assert_eq!(one.start(2), Started::Superseded);
    assert_eq!(one.start(3), Started::Newest { former: Some(socket(2)) });
}

#[test]
fn spent_ticket_opens_with_an_id_of_its_own_only() {
    let mut one = OneTicket::new();
    one.open(false, 0).unwrap();
    one.start(1);
    one.table.lived(&hash(1), one.start + seconds(3));
    assert_eq!(one.open(false, 3), Err(NotOpened::Spent));
    assert_eq!(one.open(true, 3), Ok(2));
    let mut late = OneTicket::new();
    late.open(false, 0).unwrap();
    assert_eq!(late.open(false, 60), Err(NotOpened::Spent), "although no stream lived");
    assert_eq!(late.open(true, 60), Ok(2));
}

#[test]
fn tickets_are_forgotten_after_their_time() {
    let mut unused = OneTicket::new();
    assert_eq!(unused.open(true, 60), Err(NotOpened::Unknown));
    let mut one = OneTicket::new();
    one.open(false, 0).unwrap();
    one.start(1);
    assert_eq!(one.open(true, 100_000), Ok(2), "as long as its stream lives");
    one.close(1, 100_000);
    one.start(2);
    one.close(2, 100_001);
    assert_eq!(one.open(true, 100_600), Ok(3));
    one.close(3, 100_600);
    assert_eq!(one.open(true, 101_200), Err(NotOpened::Unknown));
    assert!(one.table.owners.is_empty() && one.table.ends.is_empty() && one.table.bytes == 0);
}

#[test]
fn stream_that_never_starts_leaves_the_one_before() {
    let mut one = OneTicket::new();
    one.open(false, 0).unwrap();
    one.start(1);
    one.open(true, 5).unwrap();
    one.close(2, 6);
    assert_eq!(one.open(true, 7), Ok(3));
    assert_eq!(one.start(3), Started::Newest { former: Some(socket(1)) });
    one.close(1, 8);
    one.close(3, 9);
    assert_eq!(one.table.ends.len(), 1);
}

/// A stream on another node.
#[test]
fn silent_stream_elsewhere_counts_as_over_and_one_that_lives_does_not() {
    let mut one = OneTicket::new();
    let open = |one: &mut OneTicket, at| {
        one.table.open(&hash(1), true, ServedAt::Elsewhere, one.start + seconds(at))
    };
    assert_eq!(open(&mut one, 0), Ok(1));
    assert_eq!(one.start(1), Started::Newest { former: None });
    for at in [590, 1180] {
        one.table.lived(&hash(1), one.start + seconds(at));
    }
    // It is in use, although it has an end.
    for number in 2..=MAX_OF_OWNER as u32 {
        one.table.add(hash(number), &"u".into(), 0, 10, one.start + seconds(1190)).unwrap();
    }
    one.table.add(hash(100), &"u".into(), 0, 10, one.start + seconds(1190)).unwrap();
    assert!(one.table.content(&hash(1)).is_some() && one.table.content(&hash(2)).is_none());
    assert_eq!(open(&mut one, 1779), Ok(2));
    one.close(2, 1779);
    assert_eq!(open(&mut one, 2378), Ok(3), "the end of the second left the first");
    one.table.forget(one.start + seconds(2978));
    assert!(one.table.content(&hash(1)).is_some(), "the first one again");
    assert_eq!(one.start(3), Started::Superseded);
    one.table.forget(one.start + seconds(3578));
    assert!(one.table.tickets.is_empty() && one.table.ends.is_empty() && one.table.bytes == 0);
}

#[test]
fn stream_here_goes_on_after_one_elsewhere_that_never_started() {
    let mut one = OneTicket::new();
    one.open(false, 0).unwrap();
    one.start(1);
    one.table.open(&hash(1), true, ServedAt::Elsewhere, one.start + seconds(5)).unwrap();
    one.table.forget(one.start + seconds(100_000));
    assert_eq!(one.open(true, 100_000), Ok(3));
    assert_eq!(one.start(3), Started::Newest { former: Some(socket(1)) });
    assert!(one.table.ends.is_empty());
    one.close(3, 100_000);
    one.table.forget(one.start + seconds(100_600));
    assert_eq!(one.table.len(), 0);
}

#[test]
fn owners_lose_their_own_idle_tickets_and_nobody_elses() {
    let (mut table, now) = (TestTable::default(), Instant::now());
    let (greedy, other): (Arc<str>, Arc<str>) = ("greedy".into(), "other".into());
    table.add(hash(0), &other, 0, 10, now).unwrap();
    for number in 1..=1000 {
        table.add(hash(number), &greedy, number, 10, now).unwrap();
    }
    assert_eq!(table.len(), 1 + MAX_OF_OWNER);
    assert!(table.content(&hash(0)).is_some() && table.content(&hash(1000)).is_some());
    assert!(table.content(&hash(980)).is_none());
    for number in 981..=1000 {
        table.open(&hash(number), false, ServedAt::Here, now).unwrap();
    }
    assert_eq!(table.add(hash(2000), &greedy, 0, 10, now), Err(TableFull), "all are in use");
    table.add(hash(2000), &other, 0, 10, now).unwrap();
    assert_eq!(table.add(hash(3), &"x".into(), 0, MAX_BYTES_OF_OWNER, now), Err(TableFull));
}

#[test]
fn full_table_takes_no_more_until_tickets_are_forgotten() {
    let (mut table, now) = (TestTable::default(), Instant::now());
    let add = |table: &mut TestTable, number: u32, now| {
        table.add(hash(number), &format!("u{}", number / 20).into(), 0, 10, now)
    };
    for number in 0..MAX_TICKETS as u32 {
        add(&mut table, number, now).unwrap();
    }
    assert_eq!(add(&mut table, 1_000_000, now), Err(TableFull));
    add(&mut table, 1_000_000, now + UNSPENT).unwrap();
    assert_eq!(table.len(), 1);
}

#[derive(Clone, Debug)]
enum TicketStep {
    Add(u32, u8),
    Open(u32, bool),
    Start(u32, u64),
    Live(u32),
    Close(u32, u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = TicketStep> {
    let (ticket, stream) = (0..30u32, 1..6u64);
    prop_oneof![
        3 => (ticket.clone(), 0..2u8).prop_map(|(t, owner)| TicketStep::Add(t, owner)),
        4 => (ticket.clone(), any::<bool>()).prop_map(|(t, own)| TicketStep::Open(t, own)),
        3 => (ticket.clone(), stream.clone()).prop_map(|(t, s)| TicketStep::Start(t, s)),
        1 => ticket.clone().prop_map(TicketStep::Live),
        3 => (ticket, stream).prop_map(|(t, s)| TicketStep::Close(t, s)),
        2 => prop_oneof![0..5u64, 50..70u64, 590..610u64].prop_map(TicketStep::Wait),
    ]
}

/// What the text of the design says of one ticket, without any table.
struct Model {
    made: u64,
    lived: bool,
    /// For each stream: started, over.
    streams: Vec<(bool, bool)>,
    /// When the last stream that counted was over.
    idle_since: Option<u64>,
}

impl Model {
    /// The newest started stream that goes on, of those before `number`.
    fn running_before(&self, number: usize) -> Option<u64> {
        let last = (1..number).rev().find(|n| self.streams[n - 1].0)?;
        (!self.streams[last - 1].1).then_some(last as u64)
    }

    /// A stream goes on: one that opens, or else the newest that started.
    fn is_streaming(&self) -> bool {
        let opening = self.streams.last().is_some_and(|(started, over)| !started && !over);
        opening || self.running_before(self.streams.len() + 1).is_some()
    }

    fn is_forgotten(&self, now: u64) -> bool {
        match (self.streams.is_empty(), self.idle_since) {
            (true, _) => now >= self.made + 60,
            (false, Some(since)) => now >= since + 600,
            (false, None) => false,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn table_agrees_with_the_model(steps in prop::collection::vec(step(), 0..200)) {
        let (mut table, start) = (TestTable::default(), Instant::now());
        let (mut models, mut now) = (HashMap::<u32, Model>::new(), 0);
        for step in steps {
            let at = start + seconds(now);
            match step {
                TicketStep::Wait(time) => now += time,
                TicketStep::Add(ticket, owner) if !models.contains_key(&ticket) => {
                    let before: Vec<u32> = models.keys().copied().collect();
                    if table.add(hash(ticket), &format!("u{owner}").into(), ticket, 9, at).is_ok() {
                        models.insert(ticket, Model { made: now, lived: false, streams: vec![], idle_since: None });
                    }
                    // Evicted tickets were idle ones.
                    for ticket in before {
                        if table.content(&hash(ticket)).is_none() {
                            let gone = models.remove(&ticket).expect("it was there");
                            prop_assert!(!gone.is_streaming());
                        }
                    }
                }
                TicketStep::Add(..) => {}
                TicketStep::Open(ticket, own) => {
                    models.retain(|_, model| !model.is_forgotten(now));
                    let expected = match models.get_mut(&ticket) {
                        None => Err(NotOpened::Unknown),
                        Some(model) if (model.lived || now >= model.made + 60) && !own => Err(NotOpened::Spent),
                        Some(model) => {
                            // An older stream that never started counts no longer.
                            model.streams.push((false, false));
                            model.idle_since = None;
                            Ok(model.streams.len() as u64)
                        }
                    };
                    prop_assert_eq!(table.open(&hash(ticket), own, ServedAt::Here, at), expected);
                }
                TicketStep::Start(ticket, number) => {
                    let started = table.started(&hash(ticket), number, socket(number));
                    let model = models.get_mut(&ticket).filter(|m| m.streams.len() as u64 == number);
                    match model.filter(|m| m.streams[number as usize - 1] == (false, false)) {
                        Some(model) => {
                            let former = model.running_before(number as usize).map(socket);
                            prop_assert_eq!(started, Started::Newest { former });
                            model.streams[number as usize - 1].0 = true;
                        }
                        None => prop_assert_eq!(started, Started::Superseded),
                    }
                }
                TicketStep::Live(ticket) => {
                    table.lived(&hash(ticket), at);
                    if let Some(model) = models.get_mut(&ticket) { model.lived = true; }
                }
                TicketStep::Close(ticket, number) => {
                    table.closed(&hash(ticket), number, at);
                    let model = models.get_mut(&ticket).filter(|m| m.streams.len() as u64 >= number);
                    if let Some(model) = model {
                        model.streams[number as usize - 1].1 = true;
                        if !model.is_streaming() && model.idle_since.is_none() {
                            model.idle_since = Some(now);
                        }
                    }
                }
            }
            prop_assert_eq!(table.bytes, table.tickets.values().map(|t| t.bytes).sum::<usize>());
            prop_assert_eq!(table.owners.values().map(|o| o.tickets.len()).sum::<usize>(), table.len());
            prop_assert!(table.owners.values().all(|owner| owner.tickets.len() <= MAX_OF_OWNER));
            prop_assert_eq!(table.ends.len(), table.tickets.values().filter(|t| t.end.is_some()).count());
        }
    }
}
