use super::*;
use crate::{
    channels::log::{EntryBody, LogEvent},
    domain::channel::Channel,
    protocol::{frame::Frame, message::Message},
};

fn entry(number: u64, previous: u64) -> Entry {
    entry_of(number, previous, "x")
}

fn entry_of(number: u64, previous: u64, data: &str) -> Entry {
    let channel = Channel::parse("private-a", 99).expect("a name");
    let message = Message::event(&channel, "e", data).expect("not encrypted");
    let frame = Frame::new(&message).logged(number, None);
    let body = EntryBody::Clear { data: data.into(), frame };
    let event = LogEvent { at_micros: number, name: "e".into(), user_id: None, body };
    Entry::read(event, LogNumber(number), LogNumber(previous))
}

fn id(attempt: u32) -> WaitingId {
    WaitingId { socket: "1.1".parse().expect("an id"), attempt }
}

fn at(number: u64) -> Option<LogNumber> {
    Some(LogNumber(number))
}

fn events(entries: &[(u64, u64)]) -> Option<LogAnswer> {
    let entries = entries.iter().map(|(number, previous)| entry(*number, *previous)).collect();
    Some(LogAnswer::Events { entries, is_cut: false })
}

/// The numbers, or the reason of the gap.
fn taken(answer: Option<LogAnswer>) -> Result<Vec<u64>, Option<GapReason>> {
    match answer {
        Some(LogAnswer::Events { entries, .. }) => {
            Ok(entries.iter().map(|entry| entry.number.0).collect())
        }
        Some(LogAnswer::Gap(reason)) => Err(Some(reason)),
        None => Err(None),
    }
}

/// One reader at 3, whose read is number 1.
fn reading() -> LogReaders {
    let mut readers = LogReaders::default();
    readers.add(id(1), LogNumber(3));
    assert_eq!(readers.ask(), [(1, LogNumber(3))]);
    assert!(!readers.call(&id(1), at(5)));
    readers
}

#[test]
fn what_was_read_and_what_was_heard_join_without_a_gap_or_a_repetition() {
    let mut readers = reading();
    // The node has told up to 5 when the read is asked for. The read sees 7, and 6 to 8 are heard.
    readers.hear(entry(6, 5));
    let ready = readers.answered(1, events(&[(4, 3), (5, 4), (6, 5), (7, 6)]), at(6));
    assert_eq!(ready, [id(1)]);
    readers.hear(entry(7, 6));
    readers.hear(entry(8, 7));
    assert_eq!(taken(readers.take(&id(1), at(8))), Ok(vec![4, 5, 6, 7, 8]));
    assert!(readers.is_empty());
}

#[test]
fn events_that_the_node_has_not_told_yet_reach_the_reader_live() {
    let mut readers = reading();
    readers.answered(1, events(&[(4, 3), (5, 4), (6, 5)]), at(5));
    assert_eq!(taken(readers.take(&id(1), at(5))), Ok(vec![4, 5]));
}

#[test]
fn reader_of_a_faster_node_waits_until_this_one_has_come_as_far() {
    let mut readers = LogReaders::default();
    readers.add(id(1), LogNumber(6));
    readers.ask();
    readers.call(&id(1), at(4));
    assert!(readers.answered(1, events(&[]), at(4)).is_empty());
    assert!(!readers.may_join(&id(1), at(4)));
    readers.hear(entry(5, 4));
    assert!(readers.advanced(at(5)).is_empty());
    readers.hear(entry(6, 5));
    assert_eq!(readers.advanced(at(6)), [id(1)]);
    assert_eq!(taken(readers.take(&id(1), at(6))), Ok(vec![]));
}

#[test]
fn read_of_another_life_of_the_log_says_nothing() {
    let mut readers = reading();
    readers.begin_anew();
    assert!(readers.answered(1, events(&[(4, 3)]), at(4)).is_empty());
    assert_eq!(readers.ask(), [(2, LogNumber(3))]);
    assert_eq!(readers.answered(2, events(&[(4, 3)]), at(4)), [id(1)]);
    assert_eq!(taken(readers.take(&id(1), at(4))), Ok(vec![4]));
}

#[test]
fn gap_of_the_others_is_one_of_readers_before_it() {
    let mut readers = reading();
    readers.add(id(2), LogNumber(9));
    readers.call(&id(2), at(9));
    assert!(readers.advanced(at(9)).is_empty(), "told once");
    assert_eq!(readers.tell_gap(GapReason::Cleared, LogNumber(9), at(9)), [id(1)]);
    assert_eq!(taken(readers.take(&id(1), at(9))), Err(Some(GapReason::Cleared)));
    assert!(!readers.may_join(&id(2), at(9)));
}

#[test]
fn readers_at_one_position_share_a_read() {
    let mut readers = reading();
    readers.add(id(2), LogNumber(3));
    readers.call(&id(2), at(3));
    assert!(readers.ask().is_empty());
    let mut ready = readers.answered(1, events(&[]), at(3));
    ready.sort_by_key(|id| id.attempt);
    assert_eq!(ready, [id(1), id(2)]);
    readers.remove(&id(1));
    assert_eq!(taken(readers.take(&id(2), at(3))), Ok(vec![]));
    assert!(readers.reads.is_empty());
}

#[test]
fn too_long_a_tail_and_a_cut_read_are_too_many() {
    let mut readers = reading();
    let data = "x".repeat(200_000);
    (4..14).for_each(|number| readers.hear(entry_of(number, number - 1, &data)));
    readers.answered(1, events(&[]), at(13));
    assert_eq!(taken(readers.take(&id(1), at(13))), Err(Some(GapReason::TooMany)));
    let mut readers = reading();
    let cut = LogAnswer::Events { entries: vec![entry(4, 3)], is_cut: true };
    readers.answered(1, Some(cut), at(9));
    assert_eq!(taken(readers.take(&id(1), at(9))), Err(Some(GapReason::TooMany)));
}

#[test]
fn unanswered_and_broken_reads_are_gaps() {
    let mut readers = reading();
    assert!(readers.answered(1, None, at(3)).is_empty());
    assert_eq!(taken(readers.take(&id(1), at(3))), Err(None));
    let mut readers = reading();
    readers.answered(1, events(&[(5, 4)]), at(5));
    assert_eq!(taken(readers.take(&id(1), at(5))), Err(Some(GapReason::Restarted)));
    let mut readers = reading();
    readers.answered(1, events(&[(4, 3)]), at(4));
    assert_eq!(taken(readers.take(&id(1), None)), Err(Some(GapReason::Unavailable)));
}
