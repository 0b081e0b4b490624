//! Logs from the journal, at the start of the server.

use std::{sync::Arc, time::Instant};

use crate::{
    app::App,
    channels::log::{EntryBody, Log, LogEvent, RestoredEntry, RestoredLog},
    crypto::sealer::Payload,
    domain::channel::Channel,
    engine::{AppRuntime, Engine},
    history::journal::{JournalBody, JournalEntry, JournalLog},
    platform::clock::unix_micros,
    protocol::{
        frame::Frame,
        message::Message,
        sealed::{EventSource, SealedFrames},
    },
};

impl Engine {
    /// Takes over all logs of apps that are served, as the present settings and budgets allow. The
    /// journal forgets the others of these apps.
    pub fn restore_logs(&self, mut logs: Vec<JournalLog>) {
        // Those that were silent for longest first: they are the first to go.
        logs.sort_by_key(|log| log.entries.last().map_or(log.last, |newest| newest.number));
        for log in logs {
            let Some(runtime) = self.runtimes().by_id(&log.address.app).cloned() else { continue };
            let address = log.address.clone();
            match restore(&runtime, log) {
                Some(channel) => self.keep_newest(&runtime, &channel),
                None => self.history.journal.forget(&address),
            }
        }
    }
}

/// Takes over one log, and returns its channel.
fn restore(runtime: &Arc<AppRuntime>, log: JournalLog) -> Option<Channel> {
    let app = runtime.app_snapshot();
    let JournalLog { address, last, cleared, entries } = log;
    let channel = app.channel(&address.channel).ok()?;
    let settings = app.channel_settings(&channel).history?;
    if settings.store != address.store {
        return None;
    }
    // Entries of another mode of the channel cannot be given to readers: the log is forgotten.
    let fits = |entry| restored(&app, &channel, entry);
    let entries = entries.into_iter().map(fits).collect::<Option<Vec<_>>>()?;
    let restored = RestoredLog { entries, last, cleared };
    let mut log = Log::restored(settings, restored, unix_micros(), Instant::now())?;
    log.vacated(Instant::now());
    let limit = app.limits.history_bytes;
    let restored = runtime.directory.restore(&channel, log, limit);
    runtime.directory.enforce_log_limit(limit, Instant::now());
    restored.then_some(channel)
}

/// `None` if the entry does not fit the channel any more.
fn restored(app: &App, channel: &Channel, entry: JournalEntry) -> Option<RestoredEntry> {
    let JournalEntry { number, previous, at_micros, name, user_id, body, .. } = entry;
    let body = match body {
        JournalBody::Clear(data) => {
            let message = Message::from_client(channel, &name, &data, user_id.as_deref())?;
            EntryBody::Clear { frame: Frame::new(&message).logged(number.0, None), data }
        }
        JournalBody::Blind(envelope) => {
            let Ok(Payload::Blind(sealed)) = app.admit(channel, &envelope) else { return None };
            let source = EventSource { event: name.clone(), user_id: user_id.clone() };
            let frames = SealedFrames::new(&source, [&sealed]).logged(number.0, None);
            EntryBody::Blind { frames }
        }
        JournalBody::Sealed(at_rest) => {
            app.ring(channel)?;
            EntryBody::Sealed { at_rest, hot: None }
        }
    };
    let event = LogEvent { at_micros, name, user_id, body };
    Some(RestoredEntry { number, previous, event })
}

mod newest;
#[cfg(test)]
mod tests;
