//! A serial client, with events in any order.

use proptest::prelude::*;

use crate::hub::rekey::gate::model::serial::{SerialStep, run};

fn steps() -> impl Strategy<Value = Vec<SerialStep>> {
    let step = prop_oneof![
        12 => Just(SerialStep::Publish),
        8 => (1u64..600).prop_map(SerialStep::Look),
        12 => Just(SerialStep::Handle),
        6 => Just(SerialStep::Serve),
        1 => Just(SerialStep::Refuse),
        1 => Just(SerialStep::Lose),
        2 => Just(SerialStep::Turn),
        1 => Just(SerialStep::ForceRekey),
    ];
    prop::collection::vec(step, 1..100)
}

proptest! {
    #[test]
    fn f31_client_without_its_secret_gets_openable_events_or_a_close(steps in steps()) {
        run(steps);
    }
}
