//! How many facts for webhooks wait in Redis. What is acknowledged leaves the queue.

use redis::Value;

use super::{
    context::{MembershipContext, command},
    effect::MembershipEffect,
    token::Purpose,
    values,
};
use crate::cluster::{names::Partition, node::keys::partition_keys};

/// With each beat.
pub(super) fn ask(owned: &[Partition], context: &mut MembershipContext<'_>) {
    if owned.is_empty() {
        return context.effects.push(MembershipEffect::FactsWaiting(0));
    }
    let own = context.sealing.incarnation();
    let count = |partition: &Partition| {
        command("XLEN", &partition_keys(&context.sealing.layout, *partition, &own).w)
    };
    let commands = owned.iter().map(count).collect();
    context.ask(commands, Purpose::CountFacts);
}

pub(super) fn take(answers: &[Value], context: &mut MembershipContext<'_>) {
    let counted = answers.iter().filter_map(values::count);
    context.effects.push(MembershipEffect::FactsWaiting(counted.sum()));
}
