//! Key tables in Redis against their model, stored by the Redis user of the documents.

use bytes::Bytes;
use redis::Value;

use super::{engine::TestEngine, names::PREFIX, random::Random};
use crate::cluster::redis::tables::{
    StoredTable, TableHead, TableKeys, TableStored, read_head, read_stored, read_table,
};

fn keys() -> TableKeys {
    let name = |end: &str| Bytes::from(format!("{PREFIX}{end}"));
    TableKeys { table: name("k:app"), topic: name("t:all") }
}

/// As a node seals: no two tables begin alike.
fn table(generation: u64, number: u64) -> StoredTable {
    let sealed = [&[1][..], &[0; 4], &number.to_be_bytes(), b"a sealed table"].concat();
    StoredTable::new(generation, &sealed)
}

fn store(engine: &mut TestEngine, expected: &TableHead, table: &StoredTable) -> TableStored {
    let answer = engine.talk(&keys().store(expected, table, b"notice")).expect("an answer");
    read_stored(&answer).expect("a known answer")
}

fn read(engine: &mut TestEngine) -> StoredTable {
    read_table(&engine.talk(&keys().read()).expect("an answer")).expect("a table")
}

fn look(engine: &mut TestEngine) -> TableHead {
    read_head(&engine.talk(&keys().look()).expect("an answer")).expect("a head")
}

fn wanted(may: bool) -> TableStored {
    if may { TableStored::Stored } else { TableStored::Conflict }
}

#[test]
fn table_is_stored_if_nobody_was_quicker() {
    let engine = &mut TestEngine::start();
    let random = &mut Random::new(7);
    // What each of them remembers.
    let mut nodes: [TableHead; 3] = Default::default();
    let mut model = StoredTable::default();
    let mut sent: Option<(TableHead, StoredTable)> = None;
    for number in 0..400 {
        let node = &mut nodes[random.below(3)];
        match random.below(6) {
            0 => {
                let found = read(engine);
                assert_eq!(found, model);
                *node = found.head;
            }
            1 => {
                assert_eq!(look(engine), model.head);
            }
            2 => {
                engine.ask_admin(redis::cmd("DEL").arg(&keys().table[..]));
                model = StoredTable::default();
            }
            // The answer was lost: the same bytes come again, sooner or later.
            3 => {
                let Some((expected, again)) = sent.clone() else { continue };
                let is_there = model == again;
                let may = is_there || model.head.generation() == expected.generation();
                assert_eq!(store(engine, &expected, &again), wanted(may));
                if may {
                    model = again;
                }
            }
            _ => {
                let next = table(node.generation() + 1, number);
                let may = model.head.generation() == node.generation();
                assert_eq!(store(engine, node, &next), wanted(may));
                sent = Some((node.clone(), next.clone()));
                if may {
                    *node = next.head.clone();
                    model = next;
                }
            }
        }
    }
    assert_eq!(read(engine), model);
}

#[test]
fn generations_are_compared_in_all_their_bits() {
    let engine = &mut TestEngine::start();
    let mut expected = TableHead::default();
    for generation in [1, 10, 13, 255, 256, u64::from(u32::MAX), (1 << 53) + 1, u64::MAX] {
        let next = table(generation, generation);
        assert_eq!(store(engine, &expected, &next), TableStored::Stored);
        assert_eq!(store(engine, &expected, &table(generation, 9)), TableStored::Conflict);
        assert_eq!(read(engine), next);
        expected = next.head;
    }
}

#[test]
fn what_no_node_wrote_is_no_table() {
    let engine = &mut TestEngine::start();
    for text in ["", "short", "no table at all, though it is long"] {
        engine.ask_admin(redis::cmd("SET").arg(&keys().table[..]).arg(text));
        // It can be replaced by a node that has read it.
        let found = read(engine);
        assert_eq!(found.head, look(engine));
        let other = store(engine, &table(1, 1).head, &table(2, 2));
        assert_eq!(other, TableStored::Conflict);
        assert_eq!(store(engine, &found.head, &table(2, 2)), TableStored::Stored, "{text}");
    }
    assert_eq!(read_table(&Value::Int(1)), None);
    assert_eq!(read_stored(&Value::Nil), None);
}
