//! One round: actions from a seed, with times of calm in which everything has to be true.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::action::Action;
use super::checks;
use super::client::lock;
use super::engine::EngineKind;
use super::model::Model;
use super::plan::{CHANNELS, Plan};
use super::world::{World, pause};
use crate::support::*;

const STEP: Duration = Duration::from_millis(50);
/// In steps.
const CALM_INTERVAL: usize = 240;

/// Departures from a drained node linger for ten seconds.
const LINGER: Duration = Duration::from_secs(10);

/// What is false in a time of calm must become true within the lease and three seconds. A busy
/// machine gets more; the audits that would hide a fault come every 60 seconds.
const SETTLING: Duration = Duration::from_secs(LEASE_SECONDS + 3 + 10);
const FEWEST_LOOKS: usize = 50;

pub struct Settings {
    pub seed: u64,
    pub steps: usize,
    pub nodes: usize,
    pub engine: EngineKind,
    pub steps_between_disasters: usize,
}

pub struct Round {
    settings: Settings,
    pub world: World,
    pub model: Model,
    plan: Plan,
    began: Instant,
    /// What happened, and what was found right.
    story: Vec<(Duration, String)>,
    happened: Vec<Action>,
    last_drain: Option<Instant>,
}

/// What has happened, for the report.
#[derive(Default)]
pub struct Tally {
    pub actions: usize,
    pub disasters: BTreeMap<&'static str, usize>,
    pub events: BTreeMap<&'static str, usize>,
    pub deliveries: usize,
    pub facts: usize,
    /// Of the log.
    pub gaps: usize,
    /// Readers of the log that went on where they were.
    pub recovered: usize,
    pub calms: usize,
}

impl Round {
    pub async fn run(settings: Settings) -> Tally {
        let world = World::start(settings.nodes, settings.engine).await;
        let mut round = Self {
            world,
            model: Model::new(settings.nodes),
            plan: Plan::new(settings.seed, settings.steps_between_disasters, settings.engine),
            began: Instant::now(),
            story: Vec::new(),
            happened: Vec::new(),
            last_drain: None,
            settings,
        };
        round.until_ready().await;
        round.bring_steadfast().await;
        let mut tally = Tally::default();
        for step in 1..=round.settings.steps {
            let next = Instant::now() + STEP;
            for action in round.plan.next(&round.model) {
                round.act(action).await;
            }
            tokio::time::sleep_until(next.into()).await;
            if step % CALM_INTERVAL == 0 || step == round.settings.steps {
                round.calm().await;
                round.bring_steadfast().await;
                tally.calms += 1;
            }
        }
        round.leave().await;
        if std::env::var_os("CHAOS_STORY").is_some() {
            println!("{}", round.story());
        }
        round.count(&mut tally);
        round.end().await;
        tally
    }

    async fn act(&mut self, action: Action) {
        if matches!(action, Action::Drain { .. }) {
            self.last_drain = Some(Instant::now());
        }
        self.model.apply(&action);
        self.note(&action.to_string());
        self.world.act(&action).await;
        self.happened.push(action);
    }

    async fn bring_steadfast(&mut self) {
        for action in self.plan.steadfast(&self.model) {
            self.act(action).await;
        }
    }

    fn note(&mut self, what: &str) {
        self.story.push((self.began.elapsed(), what.to_owned()));
    }

    async fn until_ready(&mut self) {
        let end = Instant::now() + DEADLINE * 6;
        while !self.world.nodes.iter().all(|node| node.troubles.are_over()) {
            if Instant::now() > end {
                self.fail(&["a node is not ready, 60 s after its last trouble".to_owned()]);
            }
            pause(50).await;
        }
    }

    /// All disasters are over. Everything must become true, and have been true.
    async fn calm(&mut self) {
        for action in self.plan.calm() {
            self.act(action).await;
        }
        self.until_ready().await;
        self.world.until_answered().await;
        self.note("all nodes are ready");
        let end = Instant::now() + SETTLING + self.lingering();
        self.until_true(end, async |round| {
            checks::state::differences(&round.model, &round.world).await
        })
        .await;
        self.note("rosters, counts and queries are right");
        let marks = self.publish_marks();
        self.world.until_answered().await;
        self.until_true(end + DEADLINE, async |round| checks::events::unseen(&round.world, &marks))
            .await;
        let mut faults = checks::events::faults(&self.world);
        faults.extend(checks::members::faults(&self.world, &self.model));
        faults.extend(checks::log::faults(&self.world));
        faults.extend(checks::cached::faults(&self.world, &marks).await);
        if !faults.is_empty() {
            self.fail(&faults);
        }
        self.note("members and events were right");
        let end = Instant::now() + SETTLING;
        self.until_true(end, async |round| checks::facts::differences(&round.model, &round.world))
            .await;
        self.note("webhooks are right");
    }

    fn lingering(&self) -> Duration {
        self.last_drain.map(|it| LINGER.saturating_sub(it.elapsed())).unwrap_or_default()
    }

    /// One event on each channel, behind all others.
    fn publish_marks(&mut self) -> BTreeMap<&'static str, u64> {
        let nodes = self.world.nodes.len();
        let mark = |(at, channel)| (channel, self.world.publish(at % nodes, channel));
        CHANNELS.into_iter().enumerate().map(mark).collect()
    }

    async fn until_true(&self, end: Instant, differences: impl AsyncFn(&Self) -> Vec<String>) {
        for look in 0.. {
            let found = differences(self).await;
            if found.is_empty() {
                return;
            }
            // On a busy machine a look takes long, and so does all else.
            if Instant::now() > end && look > FEWEST_LOOKS {
                self.fail(&found);
            }
            pause(100).await;
        }
    }

    /// Everybody leaves. Then Redis has nothing of anybody.
    async fn leave(&mut self) {
        for client in self.model.open_clients() {
            self.act(Action::Close { client }).await;
        }
        let end = Instant::now() + SETTLING + self.lingering();
        self.until_true(end, async |round| {
            checks::state::differences(&round.model, &round.world).await
        })
        .await;
        self.until_true(end + SETTLING, async |round| {
            checks::facts::differences(&round.model, &round.world)
        })
        .await;
        self.note("everybody has left, and webhooks have said so");
        let end = Instant::now() + SETTLING * 2;
        self.until_true(end, async |round| checks::remains::while_running(&round.world)).await;
        self.note("Redis has nothing of anybody");
    }

    async fn end(self) {
        let prefix = self.world.prefix.clone();
        let engine = self.world.stop().await;
        let left = checks::remains::at_the_end(&engine, &prefix);
        assert!(left.is_empty(), "seed {}: {left:?}", self.settings.seed);
    }

    fn count(&self, tally: &mut Tally) {
        tally.actions = self.happened.len();
        for disaster in self.happened.iter().filter_map(Action::disaster) {
            *tally.disasters.entry(disaster).or_default() += 1;
        }
        for event in &lock(&self.world.events).0 {
            *tally.events.entry(event.outcome.name()).or_default() += 1;
        }
        tally.facts = checks::facts::count(&self.world);
        for client in &self.world.clients {
            let seen = lock(&client.seen);
            tally.deliveries += seen.stays.iter().flat_map(|it| it.events()).count();
            tally.gaps += seen.stays.iter().flat_map(|it| it.gaps()).count();
            tally.recovered += seen.stays.iter().filter(|it| it.is_recovered).count();
        }
    }

    fn story(&self) -> String {
        let line = |(at, what): &(Duration, String)| format!("{:8.3} {what}\n", at.as_secs_f64());
        self.story.iter().map(line).collect()
    }

    /// Ends the test with all that is needed to repeat it.
    fn fail(&self, faults: &[String]) -> ! {
        let Settings { seed, steps, nodes, .. } = self.settings;
        let mut text = format!("seed {seed}, {nodes} nodes, {steps} steps. What happened:\n");
        text += &self.story();
        text += &format!("--- found false after {:.3} s:\n", self.began.elapsed().as_secs_f64());
        faults.iter().take(40).for_each(|fault| text += &format!("* {fault}\n"));
        text += &format!("Repeat it with CHAOS_SEED={seed} CHAOS_STEPS={steps} CHAOS_ROUNDS=1.");
        panic!("{text}");
    }
}
