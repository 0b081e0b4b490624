//! Events in any order.

use proptest::prelude::*;

use crate::hub::rekey::gate::model::sleeper::{MAX_ROUND_MS, SleeperStep, run};

fn steps() -> impl Strategy<Value = Vec<SleeperStep>> {
    let step = prop_oneof![
        6 => Just(SleeperStep::Publish),
        4 => (1u64..80).prop_map(SleeperStep::Look),
        1 => (80..MAX_ROUND_MS).prop_map(SleeperStep::Look),
        3 => Just(SleeperStep::Begin),
        4 => Just(SleeperStep::Read),
        2 => Just(SleeperStep::Serve),
        2 => Just(SleeperStep::Reply),
        1 => Just(SleeperStep::Refuse),
        2 => Just(SleeperStep::Turn),
        1 => (500u64..6000).prop_map(SleeperStep::Wait),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn events_are_neither_lost_nor_reordered(steps in steps()) {
        run(steps);
    }
}
