//! The thread that sends: what a receiver costs (TLS, bodies, waiting) costs no socket anything.

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
    sender::{Ending, Sender},
};
use crate::threads::{Joined, join_within};

/// Between two looks at the departures that are due, and at endpoints that are new.
const TICK: Duration = Duration::from_millis(250);
/// How long webhooks are delivered while the server ends; the rest goes to the dead-letter file.
const LAST_DELIVERIES: Duration = Duration::from_secs(2);
/// How long the end of the server waits for the disk of the dead-letter files behind that.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// Ends the deliveries when it is dropped: whatever was noted before is delivered or in the file
/// then.
#[derive(Default)]
#[must_use]
pub struct Runner {
    /// Those of all applications. No thread as long as there are none.
    all: Arc<Mutex<Vec<Arc<Webhooks>>>>,
    thread: Mutex<Option<(JoinHandle<()>, oneshot::Sender<()>)>>,
}

impl Runner {
    /// Delivers what is noted there, too, if it does not already.
    pub fn take_up(&self, webhooks: Arc<Webhooks>) {
        let mut all = self.all.lock();
        if !all.iter().any(|other| Arc::ptr_eq(other, &webhooks)) {
            all.push(webhooks);
        }
    }

    /// Before the first are taken up.
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
                look(all, Instant::now());
            }
            // One that is configured no longer has told all.
            Some(_) = senders.join_next() => {}
            _ = &mut ended => break,
        }
    }
    start_senders(all, &watched, &mut senders);
    let (all, now) = (std::mem::take(&mut *all.lock()), Instant::now());
    // Before the senders look for the last time whether anything waits.
    all.iter().for_each(|webhooks| webhooks.tell_all_departures(now));
    ending.send_replace(Some(now + LAST_DELIVERIES));
    while senders.join_next().await.is_some() {}
    all.iter().for_each(|webhooks| sync(webhooks));
}

fn start_senders(
    all: &Mutex<Vec<Arc<Webhooks>>>,
    ending: &watch::Receiver<Ending>,
    senders: &mut JoinSet<()>,
) {
    for webhooks in &*all.lock() {
        for endpoint in webhooks.take_unstarted() {
            senders.spawn(Sender::new(webhooks.clone(), endpoint, ending.clone()).run());
        }
    }
}

fn look(all: &Mutex<Vec<Arc<Webhooks>>>, now: Instant) {
    let mut over = Vec::new();
    all.lock().retain(|webhooks| {
        webhooks.tick(now);
        let is_over = webhooks.is_over();
        over.extend(is_over.then(|| webhooks.clone()));
        !is_over
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
        // If it is gone, joining tells.
        let _ = end.send(());
        match join_within(thread, LAST_DELIVERIES + LAST_WRITES) {
            Joined::Ended(()) => {}
            Joined::Panicked => tracing::error!("the thread of the webhooks has failed"),
            Joined::Running => {
                tracing::error!("the dead-letter files take nothing: the last webhooks are lost")
            }
        }
    }
}
