//! The thread that sends: what a receiver costs (TLS, bodies, waiting) costs no socket anything.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Builder,
    sync::{oneshot, watch},
    task::JoinSet,
    time::interval,
};

use super::{Webhooks, sender::Sender};

/// Between two looks at the departures that are due.
const TICK: Duration = Duration::from_millis(250);
/// How long webhooks are delivered while the server ends; the rest goes to the dead-letter file.
const LAST_DELIVERIES: Duration = Duration::from_secs(2);

/// Ends the deliveries when it is dropped: whatever was noted before is delivered or in the file
/// then.
#[must_use]
pub struct Runner(Option<(JoinHandle<()>, oneshot::Sender<()>)>);

impl Runner {
    /// No thread where there are no webhooks.
    pub fn start(all: Vec<Arc<Webhooks>>) -> io::Result<Self> {
        if all.is_empty() {
            return Ok(Self(None));
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("webhooks".into())
            .spawn(move || runtime.block_on(run(all, ended)))?;
        Ok(Self(Some((thread, end))))
    }
}

async fn run(all: Vec<Arc<Webhooks>>, mut ended: oneshot::Receiver<()>) {
    let (ending, watched) = watch::channel(None);
    let mut senders = JoinSet::new();
    for webhooks in &all {
        for endpoint in &webhooks.endpoints {
            let sender = Sender::new(webhooks.clone(), endpoint.clone(), watched.clone());
            senders.spawn(sender.run());
        }
    }
    let mut tick = interval(TICK);
    loop {
        tokio::select! {
            _ = tick.tick() => all.iter().for_each(|webhooks| webhooks.tick(Instant::now())),
            _ = &mut ended => break,
        }
    }
    let now = Instant::now();
    // Before the senders look for the last time whether anything waits.
    all.iter().for_each(|webhooks| webhooks.tell_all_departures(now));
    ending.send_replace(Some(now + LAST_DELIVERIES));
    while senders.join_next().await.is_some() {}
    for webhooks in &all {
        if let Err(error) = webhooks.letters.sync() {
            tracing::error!(app.id = &*webhooks.app, %error, "the dead-letter file may not outlive a loss of power");
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let Some((thread, end)) = self.0.take() else { return };
        // If it is gone, joining tells.
        let _ = end.send(());
        if thread.join().is_err() {
            tracing::error!("the thread of the webhooks has failed");
        }
    }
}
