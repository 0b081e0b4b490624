//! A serial client, with events in any order.

use proptest::prelude::*;

use crate::hub::place::model::serial::{Step, run};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => Just(Step::Publish),
        8 => (1u64..600).prop_map(Step::Look),
        12 => Just(Step::Handle),
        6 => Just(Step::Serve),
        1 => Just(Step::Refuse),
        1 => Just(Step::Lose),
        2 => Just(Step::Turn),
        1 => Just(Step::Cut),
    ];
    prop::collection::vec(step, 1..100)
}

proptest! {
    #[test]
    fn f31_a_client_that_loses_its_secret_is_served_what_it_opens_or_is_closed(steps in steps()) {
        run(steps);
    }
}
