//! The answers of Redis.

use std::time::Instant;

use redis::Value;

use super::{NodeDriver, held, token::NodeToken};
use crate::cluster::{
    membership::Now,
    node::news::ReplicaNews,
    redis::{refusals::Refusal, replies::Reply},
    replica::{effect::VerbReply, input::VerbFailure},
};

impl NodeDriver {
    pub(super) fn done(&mut self, token: NodeToken, reply: &Value) {
        match token {
            NodeToken::Publication(number) => self.publication_done(number, reply),
            NodeToken::Change { followed, request, script, incarnation } => {
                let news = match Reply::parse(script, reply) {
                    Ok(reply) => {
                        let number = reply.number().unwrap_or_default();
                        self.saw_number(followed.channel.location.partition, number);
                        if reply == Reply::Fenced {
                            return self.fenced(&incarnation);
                        }
                        // What an earlier incarnation has in Redis is not this one's.
                        let is_current = incarnation == self.sealing.incarnation();
                        let reply = VerbReply::of(reply).filter(|_| is_current);
                        reply.map(|reply| ReplicaNews::Replied(request, reply))
                    }
                    Err(error) => {
                        self.refusals.unreadable("a change", &error, Instant::now());
                        Some(ReplicaNews::VerbFailed(request, VerbFailure::Refused))
                    }
                };
                news.into_iter().for_each(|news| followed.holder.take(news));
            }
            NodeToken::Membership(token) => {
                let answers = vec![reply.clone()];
                let effects = self.membership.answered(token, answers, &self.sealing, Now::read());
                self.run_effects(effects);
            }
            NodeToken::Held { .. }
            | NodeToken::Log { .. }
            | NodeToken::Read(_)
            | NodeToken::Question(_)
            | NodeToken::Note
            | NodeToken::Fact(_)
            | NodeToken::Revocations(_)
            | NodeToken::RevocationCounts(_)
            | NodeToken::ListedChannels(_)
            | NodeToken::StrayNames(_)
            | NodeToken::Tables(_)
            | NodeToken::TableHeads(_)
            | NodeToken::TableStored(_)
            | NodeToken::Clock(_) => {}
        }
    }

    /// The replica sends it again: what it wants may have changed.
    pub(super) fn not_done(&mut self, token: NodeToken, refusal: Refusal) {
        match token {
            NodeToken::Publication(number) => self.publication_not_done(number, refusal),
            NodeToken::Fact(fact) => self.fact_not_written(*fact, refusal),
            NodeToken::Change { followed, request, .. } => {
                let failure = if refusal.may_repeat() {
                    VerbFailure::Repeatable
                } else {
                    self.refusals.refused("a change", refusal, Instant::now());
                    VerbFailure::Refused
                };
                followed.holder.take(ReplicaNews::VerbFailed(request, failure));
            }
            NodeToken::Membership(token) => {
                let effects = self.membership.lost(token, Now::read());
                self.run_effects(effects);
            }
            NodeToken::Held { .. }
            | NodeToken::Log { .. }
            | NodeToken::Read(_)
            | NodeToken::Question(_)
            | NodeToken::Note
            | NodeToken::Revocations(_)
            | NodeToken::RevocationCounts(_)
            | NodeToken::ListedChannels(_)
            | NodeToken::StrayNames(_)
            | NodeToken::Tables(_)
            | NodeToken::TableHeads(_)
            | NodeToken::TableStored(_)
            | NodeToken::Clock(_) => {}
        }
    }

    pub(super) fn expired(&mut self, token: NodeToken) {
        match token {
            NodeToken::Publication(number) => self.publication_expired(number),
            NodeToken::Fact(_) => self.status.facts_lost.add(),
            _ => {}
        }
    }

    /// A replica asks again when it is linked.
    pub(super) fn read_lost(&mut self, token: NodeToken) {
        match token {
            NodeToken::Membership(token) => {
                let effects = self.membership.lost(token, Now::read());
                self.run_effects(effects);
            }
            NodeToken::ListedChannels(_) | NodeToken::StrayNames(_) => {
                self.strays.lost(Instant::now())
            }
            NodeToken::Tables(_) => self.tables_lost(),
            // It may be stored nevertheless.
            NodeToken::TableStored(_) => self.tables.suspect(),
            NodeToken::Log { followed, number, after } => {
                followed.holder.take(ReplicaNews::LogRead { number, after, part: None });
            }
            _ => {}
        }
    }

    pub(super) fn read(&mut self, token: NodeToken, answers: Vec<Value>) {
        let (followed, request, incarnation) = match token {
            NodeToken::Held { followed, request, incarnation } => (followed, request, incarnation),
            NodeToken::Membership(token) => {
                let effects = self.membership.answered(token, answers, &self.sealing, Now::read());
                return self.run_effects(effects);
            }
            NodeToken::Log { followed, number, after } => {
                return self.log_read(&followed, (number, after), answers);
            }
            // Who asked may have gone.
            NodeToken::Read(done) => return drop(done.send(answers)),
            NodeToken::Question(number) => return self.question_sent(number, answers),
            NodeToken::Revocations(reading) => return self.page_read(*reading, answers),
            NodeToken::RevocationCounts(apps) => return self.revocations_counted(apps, &answers),
            NodeToken::Tables(apps) => return self.tables_read(apps, answers),
            NodeToken::TableHeads(apps) => return self.table_heads_read(apps, &answers),
            NodeToken::TableStored(app) => {
                let answer = answers.first().unwrap_or(&Value::Nil);
                return self.table_stored(app, answer);
            }
            NodeToken::Clock(asked) => return self.clock_read(asked, &answers),
            NodeToken::ListedChannels(partition) => {
                return self.channels_listed(partition, answers);
            }
            NodeToken::StrayNames(strays) => return self.strays_named(strays, answers),
            NodeToken::Change { .. }
            | NodeToken::Publication(_)
            | NodeToken::Fact(_)
            | NodeToken::Note => return,
        };
        // Of an earlier incarnation, it says nothing. The next audit asks again.
        if incarnation != self.sealing.incarnation() {
            return;
        }
        let rejected = &self.status.rejected;
        match held::read(&self.sealing, &followed.channel, answers, rejected) {
            Some(held) => followed.holder.take(ReplicaNews::Held(request, held)),
            None => tracing::warn!("what Redis has of this node was not read"),
        }
    }
}
