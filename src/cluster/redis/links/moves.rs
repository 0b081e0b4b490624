//! Which group is at home on which link.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{FIRST, HostLink, MasterLinks, reads::slot_of_group};
use crate::cluster::{
    redis::{
        link::{LinkError, MasterAddress, groups},
        listener::TopicGroup,
        slots::SlotMap,
    },
    url::RedisHost,
};

/// A map that leads back to the master that a group has just left is an old one.
const NO_RETURN: Duration = Duration::from_secs(2);

/// Where groups were before, and until when.
#[derive(Default)]
pub struct RecentMoves(BTreeMap<TopicGroup, (RedisHost, Instant)>);

impl RecentMoves {
    fn is_from(&self, group: TopicGroup, host: &RedisHost, now: Instant) -> bool {
        let left = self.0.get(&group);
        left.is_some_and(|(left, at)| left == host && now - *at < NO_RETURN)
    }
}

impl<T: Send + 'static> MasterLinks<T> {
    /// By the evidence of its link.
    pub(super) fn moved(&mut self, from: usize, group: TopicGroup, now: Instant) {
        if self.homes.get(&group) != Some(&from) || from == FIRST {
            return;
        }
        if let Some(host) = self.links[from].as_ref().and_then(|it| it.host.clone()) {
            self.recent_moves.0.insert(group, (host, now));
        }
        self.bring(group, from, FIRST);
        self.refresh();
    }

    pub(super) fn surveyed(&mut self, map: Result<SlotMap, LinkError>, now: Instant) {
        let map = match map {
            Ok(map) => map,
            Err(error) => {
                if let Some(first) = &mut self.links[FIRST] {
                    first.link.stay_away(error);
                }
                return;
            }
        };
        let identity = map.master(self.identity_slot).cloned();
        identity.iter().for_each(|host| _ = self.link_to(host));
        for group in groups() {
            if let Some(host) = map.master(slot_of_group(group)) {
                self.lead(group, host, now);
            }
        }
        if let Some(survey) = &mut self.survey {
            survey.map = Some(map);
        }
        self.close_vacant(identity.as_ref());
        self.ask_again(now);
    }

    /// A map says that this is the group's master.
    fn lead(&mut self, group: TopicGroup, host: &RedisHost, now: Instant) {
        let Some(from) = self.homes.get(&group).copied() else { return };
        let Some(home) = self.links[from].as_mut() else { return };
        let is_there = home.host.as_ref() == Some(host);
        if is_there || home.link.is_up() || self.recent_moves.is_from(group, host, now) {
            return;
        }
        home.link.give_up(LinkError::Unserved);
        let to = self.link_to(host);
        self.bring(group, from, to);
    }

    fn bring(&mut self, group: TopicGroup, from: usize, to: usize) {
        let released = self.links[from].as_mut().and_then(|it| it.link.release(group));
        if let (Some(moved), Some(target)) = (released, self.links[to].as_mut()) {
            target.link.adopt(moved);
            self.homes.insert(group, to);
        }
    }

    fn link_to(&mut self, host: &RedisHost) -> usize {
        if let Some(at) = self.number_of(host) {
            return at;
        }
        let link = self.open_link(MasterAddress::OfCluster(host.clone()));
        let opened = Some(HostLink { host: Some(host.clone()), link });
        match self.links.iter().position(Option::is_none) {
            Some(free) => {
                self.links[free] = opened;
                free
            }
            None => {
                self.links.push(opened);
                self.links.len() - 1
            }
        }
    }

    /// Masters that serve nothing of ours any more.
    fn close_vacant(&mut self, identity: Option<&RedisHost>) {
        for at in FIRST + 1..self.links.len() {
            let Some(it) = &mut self.links[at] else { continue };
            let serves = self.homes.values().any(|home| *home == at);
            if serves || it.host.as_ref() == identity {
                continue;
            }
            it.link.give_up(LinkError::Unserved);
            while let Some(event) = self.links[at].as_mut().and_then(|it| it.link.ready_event()) {
                self.take(at, event);
            }
            if self.links[at].as_ref().is_some_and(|it| it.link.is_vacant()) {
                self.links[at] = None;
            }
        }
    }

    /// Until all groups have a master that is there.
    fn ask_again(&mut self, now: Instant) {
        let is_whole = self.links.iter().flatten().all(|it| match &it.host {
            Some(_) => it.link.is_up(),
            None => it.link.serves_nothing(),
        });
        if let Some(first) = self.links[FIRST].as_mut().filter(|_| self.survey.is_some()) {
            first.link.begin_lapses(now);
        }
        if let Some(survey) = self.survey.as_mut().filter(|_| !is_whole) {
            survey.ask_later(now);
        }
    }
}
