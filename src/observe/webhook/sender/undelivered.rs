//! What a sender does with events that were not delivered.

use std::{io, sync::Arc, time::Duration};

use tokio::task::spawn_blocking;

use super::{
    super::{
        batch::QueuedEvent,
        dead_letter::{LetterId, NewLetter},
    },
    SHUT_DOWN, Sender, now,
};

/// Before dead letters are written again.
const LETTER_PAUSE: Duration = Duration::from_secs(1);
const QUEUE_FULL: &str = "too much waits for this endpoint already";

enum WrittenLetters {
    Yes,
    /// The server is shut down, and the events are kept elsewhere.
    NotInTime,
    No(io::Error),
}

impl Sender {
    pub(super) async fn dead_letter_spilled(&self) {
        let spilled = self.endpoint.queue.lock().take_spilled();
        self.dead_letter(spilled, QUEUE_FULL, 0).await;
    }

    pub(super) async fn dead_letter_rest(&self) {
        let rest = self.endpoint.queue.lock().take_rest();
        self.dead_letter(rest, SHUT_DOWN, 0).await;
    }

    /// Writes events to the dead letters.
    pub(super) async fn dead_letter(&self, events: Vec<QueuedEvent>, reason: &str, attempts: u32) {
        // At shutdown a cluster has what was not delivered here: the next owner gets it.
        let is_ending = self.ending.borrow().is_some();
        let stays =
            |event: &QueuedEvent| is_ending && event.receipt.is_some() || event.is_elsewhere();
        let events = events.into_iter().filter(|event| !stays(event));
        let (again, new): (Vec<QueuedEvent>, Vec<QueuedEvent>) =
            events.partition(|event| event.letter.is_some());
        let kept: Vec<LetterId> = again.iter().filter_map(|event| event.letter).collect();
        if !kept.is_empty() {
            self.release(kept).await;
        }
        if new.is_empty() {
            return;
        }
        let (count, text) = (new.len(), reason.to_owned());
        let new = Arc::new(new);
        let (app, endpoint) = (&*self.webhooks.app, &**self.endpoint.label());
        match self.write_letters(&new, &text, attempts).await {
            WrittenLetters::Yes => {
                self.endpoint.counters.dead_lettered(count);
                tracing::debug!(
                    app.id = app,
                    webhook.endpoint = endpoint,
                    webhook.events = count,
                    webhook.failure = reason,
                    "webhooks went to the dead letters"
                );
            }
            WrittenLetters::NotInTime => return,
            WrittenLetters::No(error) => {
                self.endpoint.counters.lost(count);
                tracing::error!(
                    app.id = app,
                    webhook.endpoint = endpoint,
                    webhook.events = count,
                    webhook.failure = reason,
                    %error,
                    "webhooks are lost, for the dead letters cannot be written"
                );
            }
        }
        new.iter().for_each(QueuedEvent::settle);
    }

    async fn release(&self, kept: Vec<LetterId>) {
        let webhooks = self.webhooks.clone();
        let released = spawn_blocking(move || webhooks.letters.release(&kept)).await;
        if let Ok(Err(error)) = released {
            tracing::warn!(app.id = &*self.webhooks.app, %error, "webhooks that did not arrive can be sent again only later");
        }
    }

    /// Tries again while it may work later, and events are kept elsewhere.
    async fn write_letters(
        &self,
        new: &Arc<Vec<QueuedEvent>>,
        reason: &str,
        attempts: u32,
    ) -> WrittenLetters {
        loop {
            let (webhooks, endpoint) = (self.webhooks.clone(), self.endpoint.label().clone());
            let (new, reason) = (new.clone(), reason.to_owned());
            let may_wait = new.iter().all(|event| event.receipt.is_some());
            let written = spawn_blocking(move || {
                let letter = |event| letter(event, &endpoint, &reason, attempts);
                webhooks.letters.write(&now(), &new.iter().map(letter).collect::<Vec<_>>())
            });
            match written.await.map_err(io::Error::other).flatten() {
                Ok(()) => return WrittenLetters::Yes,
                Err(error) if may_wait && error.kind() == io::ErrorKind::TimedOut => {
                    if !self.pause(LETTER_PAUSE).await {
                        return WrittenLetters::NotInTime;
                    }
                }
                Err(error) => return WrittenLetters::No(error),
            }
        }
    }
}

fn letter<'a>(
    event: &'a QueuedEvent,
    endpoint: &'a str,
    reason: &'a str,
    attempts: u32,
) -> NewLetter<'a> {
    NewLetter { endpoint, reason, attempts, event: &event.json }
}
