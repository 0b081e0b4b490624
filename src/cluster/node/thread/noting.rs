//! Facts for webhooks that no change in Redis makes: client events and cache misses.

use std::time::Instant;

use redis::Cmd;

use super::{NodeDriver, token::NodeToken};
use crate::cluster::{
    names::Partition,
    node::commands::FactNote,
    redis::{lane::CommandKind, refusals::Refusal, verbs::Verb},
};

/// A fact on its way into the queue. Sent again with the same bytes, it has the same id.
pub struct FactOnItsWay {
    partition: Partition,
    command: Cmd,
}

impl NodeDriver {
    pub(super) fn note(&mut self, noted: &FactNote) {
        // The lane counts the command from now on.
        self.backlog.remove(noted.content.len());
        let channel = &noted.channel;
        let Ok(fact) = self.sealing.noted(channel, &noted.content) else {
            return self.status.facts_lost.add();
        };
        let verb = Verb::Fact { fact, is_miss: noted.is_miss };
        let command = verb.command(&self.scripts, &self.sealing.keys(channel));
        self.send_fact(FactOnItsWay { partition: channel.location.partition, command });
    }

    /// It is worth as much as an event: during a long outage it is lost with the event.
    fn send_fact(&mut self, fact: FactOnItsWay) {
        let (partition, command) = (fact.partition, fact.command.clone());
        let token = NodeToken::Fact(Box::new(fact));
        self.links.push(partition, CommandKind::Event, command, token);
    }

    pub(super) fn fact_not_written(&mut self, fact: FactOnItsWay, refusal: Refusal) {
        if refusal.may_repeat() {
            return self.send_fact(fact);
        }
        self.status.facts_lost.add();
        self.refusals.refused("a fact for webhooks, which is lost", refusal, Instant::now());
    }
}
