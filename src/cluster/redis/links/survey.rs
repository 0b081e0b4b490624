//! Asks the servers of a Redis Cluster for their map of slots.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::cluster::{
    redis::{
        link::{Backoff, LinkError, RedisAccess, ask_once},
        slots::{self, SlotMap},
    },
    url::RedisHost,
};

/// Between two questions, when one is known to be needed.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// While some groups have no master that is there.
const REPEAT_INTERVAL: Duration = Duration::from_millis(500);

type Asking = Pin<Box<dyn Future<Output = Result<SlotMap, LinkError>> + Send>>;

pub struct Survey {
    seeds: Vec<RedisHost>,
    access: Arc<RedisAccess>,
    /// The last one.
    pub map: Option<SlotMap>,
    phase: SurveyPhase,
    backoff: Backoff,
    asked_at: Option<Instant>,
    /// Another server is asked first each time, since one may be cut off from the others.
    first: usize,
}

enum SurveyPhase {
    Idle,
    Due(Instant),
    Asking(Asking),
}

impl Survey {
    pub fn new(seeds: Vec<RedisHost>, access: Arc<RedisAccess>) -> Self {
        let (phase, backoff) = (SurveyPhase::Due(Instant::now()), Backoff::default());
        Self { seeds, access, map: None, phase, backoff, asked_at: None, first: 0 }
    }

    /// The map may be old.
    pub fn refresh(&mut self, now: Instant) {
        let earliest = self.asked_at.map_or(now, |asked| asked + SHORTEST_INTERVAL);
        self.ask_at(earliest.max(now));
    }

    pub fn ask_later(&mut self, now: Instant) {
        self.ask_at(now + REPEAT_INTERVAL);
    }

    fn ask_at(&mut self, at: Instant) {
        match self.phase {
            SurveyPhase::Idle => self.phase = SurveyPhase::Due(at),
            SurveyPhase::Due(due) => self.phase = SurveyPhase::Due(due.min(at)),
            SurveyPhase::Asking(_) => {}
        }
    }

    /// Never, without a survey. Can be dropped while it waits.
    pub async fn next(survey: &mut Option<Self>) -> Result<SlotMap, LinkError> {
        let Some(survey) = survey else { return pending().await };
        loop {
            match &mut survey.phase {
                SurveyPhase::Idle => return pending().await,
                SurveyPhase::Due(at) => {
                    tokio::time::sleep_until((*at).into()).await;
                    survey.asked_at = Some(Instant::now());
                    survey.phase = SurveyPhase::Asking(survey.asking());
                }
                SurveyPhase::Asking(asking) => {
                    let map = asking.await;
                    survey.phase = SurveyPhase::Idle;
                    survey.note_end(map.is_ok());
                    return map;
                }
            }
        }
    }

    fn note_end(&mut self, is_answered: bool) {
        let now = Instant::now();
        if is_answered {
            return self.backoff = Backoff::default();
        }
        let part = getrandom::u32().unwrap_or_default();
        let pause = self.backoff.lost(now, f64::from(part) / f64::from(u32::MAX));
        self.ask_at(now + pause);
    }

    fn asking(&mut self) -> Asking {
        let mut hosts: Vec<RedisHost> = Vec::new();
        let known = self.map.iter().flat_map(SlotMap::masters);
        for host in known.chain(&self.seeds) {
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
        self.first = self.first.wrapping_add(1);
        let first = self.first % hosts.len().max(1);
        hosts.rotate_left(first);
        Box::pin(ask_all(hosts, self.access.clone()))
    }
}

/// One after the other, until one knows the slots.
async fn ask_all(hosts: Vec<RedisHost>, access: Arc<RedisAccess>) -> Result<SlotMap, LinkError> {
    let mut failed = LinkError::Unserved;
    for host in hosts {
        let question = slots::question();
        let answer = ask_once(&host, access.tls.as_ref(), access.login.as_ref(), question).await;
        match answer.and_then(|answer| SlotMap::read(answer, &host)) {
            Ok(map) if map.is_empty() => failed = LinkError::Unserved,
            Ok(map) => return Ok(map),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
