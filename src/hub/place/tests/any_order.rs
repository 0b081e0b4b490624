//! Events in any order.

use proptest::prelude::*;

use crate::hub::place::model::sleeper::{LONGEST, Step, run};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Publish),
        4 => (1u64..80).prop_map(Step::Look),
        1 => (80..LONGEST).prop_map(Step::Look),
        3 => Just(Step::Begin),
        4 => Just(Step::Read),
        2 => Just(Step::Serve),
        2 => Just(Step::Reply),
        1 => Just(Step::Refuse),
        2 => Just(Step::Turn),
        1 => (500u64..6000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn nothing_is_lost_or_overtaken(steps in steps()) {
        run(steps);
    }
}
