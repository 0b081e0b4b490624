//! Asks each partition whether Redis still knows what this node announced there.

use std::collections::BTreeMap;

use redis::Value;

use super::{context::MembershipContext, effect::MembershipEffect, token::Purpose};
use crate::cluster::{
    names::Partition,
    redis::{replies::Reply, scripts::Script, verbs::Verb},
};

/// The partitions in which this incarnation has announced something.
#[derive(Default)]
pub(super) struct Admissions(BTreeMap<Partition, PartitionAdmission>);

struct PartitionAdmission {
    /// The announcement that Redis confirmed.
    known: Option<u64>,
    /// It was never asked for.
    is_new: bool,
    is_asked: bool,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Admitted {
    Here,
    /// This incarnation was buried.
    Fenced,
}

impl Admissions {
    pub fn announced(&mut self, partition: Partition) {
        let new = || PartitionAdmission { known: None, is_new: true, is_asked: false };
        self.0.entry(partition).or_insert_with(new);
    }

    /// True if a partition was announced that was not asked yet. It is asked before much more is
    /// announced there, since the first answer calls for all of it once more.
    pub fn has_new(&self) -> bool {
        self.0.values().any(|admission| admission.is_new)
    }

    pub fn partitions(&self) -> impl Iterator<Item = Partition> {
        self.0.keys().copied()
    }

    pub fn ask_new(&mut self, context: &mut MembershipContext<'_>) {
        self.ask(context, |admission| admission.is_new);
    }

    pub fn ask_all(&mut self, context: &mut MembershipContext<'_>) {
        self.ask(context, |_| true);
    }

    fn ask(
        &mut self,
        context: &mut MembershipContext<'_>,
        wanted: impl Fn(&PartitionAdmission) -> bool,
    ) {
        let node = context.sealing.incarnation();
        for (partition, admission) in &mut self.0 {
            if admission.is_asked || !wanted(admission) {
                continue;
            }
            (admission.is_new, admission.is_asked) = (false, true);
            let announcement = admission.known.unwrap_or_default() + 1;
            let verb = Verb::Admit { node: *node.as_bytes(), known: admission.known, announcement };
            let purpose = Purpose::Admit { partition: *partition, announcement };
            context.change_partition(*partition, &node, &verb, purpose);
        }
    }

    pub fn answered(
        &mut self,
        partition: Partition,
        announcement: u64,
        answer: &Value,
        context: &mut MembershipContext<'_>,
    ) -> Admitted {
        let Some(admission) = self.0.get_mut(&partition) else { return Admitted::Here };
        admission.is_asked = false;
        match Reply::parse(Script::Admit, answer) {
            Ok(Reply::Fenced) => return Admitted::Fenced,
            Ok(Reply::New) => {
                let was_known = admission.known.replace(announcement).is_some();
                context.effects.push(MembershipEffect::AnnouncePartition { partition, was_known });
            }
            _ => {}
        }
        Admitted::Here
    }

    /// It is asked again with the next beat.
    pub fn refused(&mut self, partition: Partition) {
        if let Some(admission) = self.0.get_mut(&partition) {
            admission.is_asked = false;
        }
    }

    /// Answers over an earlier connection are not waited for.
    pub fn restart(&mut self) {
        self.0.values_mut().for_each(|admission| admission.is_asked = false);
    }
}
