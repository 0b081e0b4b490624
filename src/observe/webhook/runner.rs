//! The sending thread. The cost of a receiver (TLS, bodies, waiting) never reaches a worker.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    runtime::Builder,
    sync::{oneshot, watch},
    task::JoinSet,
    time::interval,
};

use super::{
    Webhooks,
    sender::{Sender, ShutdownDeadline},
};
use crate::platform::threads::{JoinOutcome, join_within};

/// Interval between checks for due departures and new endpoints.
const TICK: Duration = Duration::from_millis(250);
/// Time for deliveries at shutdown; the rest goes to the dead-letter file.
const LAST_DELIVERIES: Duration = Duration::from_secs(2);
/// Further time at shutdown for writing the dead-letter files.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// On drop, ends the deliveries: all facts recorded before are delivered or in the file.
#[derive(Default)]
#[must_use]
pub struct Runner {
    /// Webhooks of all apps. No thread runs while there are none.
    all: Arc<Mutex<Vec<Arc<Webhooks>>>>,
    thread: Mutex<Option<(JoinHandle<()>, oneshot::Sender<()>)>>,
}

impl Runner {
    /// Delivers the facts of these webhooks; no effect if it does already.
    pub fn adopt(&self, webhooks: Arc<Webhooks>) {
        let mut all = self.all.lock();
        if !all.iter().any(|other| Arc::ptr_eq(other, &webhooks)) {
            all.push(webhooks);
        }
    }

    /// Must be called before the first webhooks are added.
    pub fn start(&self) -> io::Result<()> {
        let mut running = self.thread.lock();
        if running.is_some() {
            return Ok(());
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let all = self.all.clone();
        let thread = thread::Builder::new()
            .name("webhooks".into())
            .spawn(move || runtime.block_on(run(&all, ended)))?;
        *running = Some((thread, end));
        Ok(())
    }
}

async fn run(all: &Mutex<Vec<Arc<Webhooks>>>, mut ended: oneshot::Receiver<()>) {
    let (ending, watched) = watch::channel(None);
    let mut senders = JoinSet::new();
    let mut tick = interval(TICK);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                start_senders(all, &watched, &mut senders);
                tick_all(all, Instant::now());
            }
            // The sender of a removed endpoint has delivered everything.
            Some(_) = senders.join_next() => {}
            _ = &mut ended => break,
        }
    }
    start_senders(all, &watched, &mut senders);
    let (all, now) = (std::mem::take(&mut *all.lock()), Instant::now());
    // Must come before the senders check their queues for the last time.
    all.iter().for_each(|webhooks| webhooks.end_departures(now));
    ending.send_replace(Some(now + LAST_DELIVERIES));
    while senders.join_next().await.is_some() {}
    all.iter().for_each(|webhooks| sync(webhooks));
}

fn start_senders(
    all: &Mutex<Vec<Arc<Webhooks>>>,
    ending: &watch::Receiver<ShutdownDeadline>,
    senders: &mut JoinSet<()>,
) {
    for webhooks in &*all.lock() {
        for endpoint in webhooks.take_unstarted() {
            senders.spawn(Sender::new(webhooks.clone(), endpoint, ending.clone()).run());
        }
    }
}

fn tick_all(all: &Mutex<Vec<Arc<Webhooks>>>, now: Instant) {
    let mut over = Vec::new();
    all.lock().retain(|webhooks| {
        webhooks.tick(now);
        webhooks.letters.refresh();
        let is_finished = webhooks.is_finished();
        over.extend(is_finished.then(|| webhooks.clone()));
        !is_finished
    });
    over.iter().for_each(|webhooks| sync(webhooks));
}

fn sync(webhooks: &Webhooks) {
    if let Err(error) = webhooks.letters.sync() {
        tracing::error!(app.id = &*webhooks.app, %error, "the dead-letter file may not outlive a loss of power");
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Runner {
    pub fn finish(&self) {
        let Some((thread, end)) = self.thread.lock().take() else { return };
        // If the thread is gone, joining reports it.
        let _ = end.send(());
        match join_within(thread, LAST_DELIVERIES + LAST_WRITES) {
            JoinOutcome::Ended(()) => {}
            JoinOutcome::Panicked => tracing::error!("the thread of the webhooks has failed"),
            JoinOutcome::Running => {
                tracing::error!("the dead-letter files take nothing: the last webhooks are lost")
            }
        }
    }
}
