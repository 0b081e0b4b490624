//! Letters that nodes share, read and written by the Redis user of the documents.

use redis::Value;

use super::{engine::TestEngine, names::PREFIX};
use crate::cluster::redis::letters::{
    EndedLetters, LetterEnd, LetterKeys, MAX_LETTERS, read_claimed, read_ended, read_page,
    read_written,
};

fn keys() -> LetterKeys {
    LetterKeys { letters: format!("{PREFIX}x:app").into(), claims: format!("{PREFIX}y:app").into() }
}

fn written(engine: &mut TestEngine, letters: &[&'static str]) -> Option<u64> {
    let letters: Vec<_> = letters.iter().map(|letter| (*letter).into()).collect();
    let answer = engine.talk(&keys().write(&letters)).expect("an answer");
    read_written(answer).expect("a known answer")
}

fn numbers(engine: &mut TestEngine, after: u64) -> Vec<u64> {
    let page = read_page(engine.talk(&keys().page(after, 2)).expect("a page"));
    page.expect("letters").iter().map(|letter| letter.number).collect()
}

fn claimed(engine: &mut TestEngine, lease_ms: u64, numbers: &[u64]) -> Vec<u64> {
    let answer = engine.talk(&keys().claim(lease_ms, numbers)).expect("an answer");
    read_claimed(answer).expect("numbers")
}

fn ended(engine: &mut TestEngine, end: LetterEnd, numbers: &[u64]) -> EndedLetters {
    read_ended(engine.talk(&keys().end(end, numbers)).expect("an answer")).expect("an end")
}

#[test]
fn letter_is_replayed_by_one_node_at_a_time() {
    let engine = &mut TestEngine::start();
    assert_eq!(written(engine, &["a", "b"]), Some(2));
    assert_eq!(written(engine, &["c"]), Some(3));
    assert_eq!((numbers(engine, 0), numbers(engine, 2)), (vec![1, 2], vec![3]));
    assert_eq!(claimed(engine, 60_000, &[1, 2, 9]), [1, 2]);
    assert_eq!(claimed(engine, 60_000, &[1, 2, 3]), [3]);
    let gone = |gone, under_way, left| EndedLetters { gone, under_way, left };
    assert_eq!(ended(engine, LetterEnd::Keep, &[2]), gone(0, 0, 3));
    assert_eq!(ended(engine, LetterEnd::Discard, &[1, 2]), gone(1, 1, 2));
    assert_eq!(ended(engine, LetterEnd::Remove, &[1]), gone(1, 0, 1));
    assert_eq!(ended(engine, LetterEnd::Remove, &[1]), gone(0, 0, 1), "an answer was lost");
    // The claim of a node that has died is over some time.
    assert_eq!(ended(engine, LetterEnd::Keep, &[3]), gone(0, 0, 1));
    assert_eq!(claimed(engine, 0, &[3]), [3]);
    assert_eq!(claimed(engine, 0, &[3]), [3]);
    assert_eq!(ended(engine, LetterEnd::Discard, &[3]), gone(1, 0, 0));
    // A number is not given out again.
    assert_eq!(written(engine, &["d"]), Some(1));
    assert_eq!(numbers(engine, 0), [4]);
}

#[test]
fn letters_are_bounded() {
    let engine = &mut TestEngine::start();
    let mut fill = redis::cmd("EVAL");
    let script = "for at = 1, ARGV[1] do redis.call('XADD', KEYS[1], at .. '-0', 'l', 'x') end \
                  return redis.call('HSET', KEYS[2], 'n', ARGV[1])";
    fill.arg(script).arg(2).arg(&keys().letters[..]).arg(&keys().claims[..]).arg(MAX_LETTERS - 1);
    assert_eq!(engine.ask_admin(&fill), Value::Int(1));
    assert_eq!(written(engine, &["a", "b"]), None);
    assert_eq!(written(engine, &["a"]), Some(MAX_LETTERS));
    assert_eq!(written(engine, &["b"]), None);
    let letters = MAX_LETTERS;
    assert_eq!(numbers(engine, letters - 1), [letters]);
}
