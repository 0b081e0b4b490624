//! Tells systemd how the server is: ready, reloading, stopping, and alive (`Type=notify-reload`,
//! `WatchdogSec=`). Without `NOTIFY_SOCKET` nothing is done.
//!
//! A thread of its own does it: sending waits for systemd, which may be slow.

mod liveness;

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use sd_notify::NotifyState;

use crate::{engine::Engine, platform::counting::Count};
use liveness::{Liveness, Stuck};

/// Time between two looks at the server.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// A node whose Redis is away serves its own subscribers: systemd need not wait longer for it.
const MAX_WAIT_FOR_CLUSTER: Duration = Duration::from_secs(30);
/// Time for the last message at the end of the process.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// The way to the thread; `None` without systemd.
#[derive(Clone, Default)]
pub struct Supervisor(Option<Sender<SystemdNotice>>);

enum SystemdNotice {
    Reloading,
    Reloaded,
    /// The other end learns when it has been sent.
    Stopping(Sender<()>),
}

impl Supervisor {
    /// Call this once the listeners are bound.
    pub fn begin(engine: &Arc<Engine>) -> std::io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_none_or(|path| path.is_empty()) {
            return Ok(Self::default());
        }
        let main = Arc::new(Count::default());
        actix_rt::spawn(tick(main.clone()));
        let (sender, notices) = channel();
        let watchdog = sd_notify::watchdog_enabled();
        let engine = engine.clone();
        thread::Builder::new().name("systemd".into()).spawn(move || {
            Watch::new(engine, main, watchdog).run(&notices);
        })?;
        Ok(Self(Some(sender)))
    }

    pub fn reloading(&self) {
        self.tell(SystemdNotice::Reloading);
    }

    pub fn reloaded(&self) {
        self.tell(SystemdNotice::Reloaded);
    }

    /// Waits a moment for the message to be sent: the process may end soon.
    pub fn stopping(&self) {
        let (sent, done) = channel();
        self.tell(SystemdNotice::Stopping(sent));
        if self.0.is_some() {
            // A late systemd is no reason to stay.
            let _ = done.recv_timeout(FINISH_TIMEOUT);
        }
    }

    fn tell(&self, notice: SystemdNotice) {
        if let Some(thread) = &self.0 {
            // A thread that has failed tells nothing any more; its watchdog ends the process.
            let _ = thread.send(notice);
        }
    }
}

/// The main thread takes part in the proof of life, since it ends and reloads the server.
async fn tick(count: Arc<Count>) {
    loop {
        count.add();
        actix_rt::time::sleep(LOOK_INTERVAL).await;
    }
}

struct Watch {
    engine: Arc<Engine>,
    main: Arc<Count>,
    watchdog: Option<Duration>,
    liveness: Liveness,
    is_ready: bool,
    since: Instant,
    /// What systemd shows.
    status: String,
    has_failed: bool,
}

impl Watch {
    fn new(engine: Arc<Engine>, main: Arc<Count>, watchdog: Option<Duration>) -> Self {
        Self {
            liveness: Liveness::new(engine.hub.workers() + 1),
            engine,
            main,
            watchdog,
            is_ready: false,
            since: Instant::now(),
            status: String::new(),
            has_failed: false,
        }
    }

    /// Ends with the server.
    fn run(mut self, notices: &Receiver<SystemdNotice>) {
        let interval = self.watchdog.map_or(LOOK_INTERVAL, |most| LOOK_INTERVAL.min(most / 4));
        let mut next = Instant::now();
        loop {
            match notices.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(notice) => self.on(notice),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    self.look();
                    next = Instant::now() + interval;
                }
            }
        }
    }

    fn on(&mut self, notice: SystemdNotice) {
        match notice {
            SystemdNotice::Reloading => match NotifyState::monotonic_usec_now() {
                Ok(now) => self.send(&[NotifyState::Reloading, now]),
                Err(error) => tracing::warn!(%error, "systemd is not told of the reload"),
            },
            // Before the server was ready, that is still to come.
            SystemdNotice::Reloaded if self.is_ready => self.send(&[NotifyState::Ready]),
            SystemdNotice::Reloaded => {}
            SystemdNotice::Stopping(sent) => {
                self.send(&[NotifyState::Stopping]);
                // The server does not wait any more.
                let _ = sent.send(());
            }
        }
    }

    fn look(&mut self) {
        let ticks = self.ticks();
        let alive = self.liveness.look(&ticks, Instant::now());
        self.tell_ready(&alive);
        if self.watchdog.is_some() {
            self.tell_alive(&alive);
        }
        self.tell_status();
    }

    /// Of each worker and of the main thread.
    fn ticks(&self) -> Vec<u64> {
        let workers = self.engine.hub.all_gauges().iter().map(|gauges| gauges.ticks.get());
        workers.chain([self.main.get()]).collect()
    }

    fn tell_ready(&mut self, alive: &Result<(), Stuck>) {
        let waits =
            !self.engine.unready().is_empty() && self.since.elapsed() < MAX_WAIT_FOR_CLUSTER;
        if self.is_ready || alive.is_err() || waits || self.engine.hub.is_draining() {
            return;
        }
        self.is_ready = true;
        self.send(&[NotifyState::Ready]);
    }

    fn tell_alive(&mut self, alive: &Result<(), Stuck>) {
        match alive {
            Ok(()) => self.send(&[NotifyState::Watchdog]),
            // Workers that have ended tick no more.
            Err(_) if self.engine.hub.is_draining() => {}
            Err(Stuck { threads, since }) if *since > LOOK_INTERVAL * 3 => {
                let of_workers = self.engine.hub.workers();
                let names: Vec<String> = threads
                    .iter()
                    .map(|thread| match *thread < of_workers {
                        true => format!("worker {thread}"),
                        false => "main".to_owned(),
                    })
                    .collect();
                tracing::warn!(
                    threads = names.join(", "),
                    seconds = since.as_secs(),
                    "threads do not answer, and the watchdog is not told that the server is alive"
                );
            }
            Err(_) => {}
        }
    }

    fn tell_status(&mut self) {
        let status = self.describe();
        if status != self.status {
            self.send(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    fn describe(&self) -> String {
        let apps = self.engine.runtimes().iter().count();
        let sockets = self.engine.hub.sockets();
        let mut text = format!("{}, {}", counted(apps, "app"), counted(sockets, "connection"));
        for unready in self.engine.unready() {
            text += &format!("; {}: {}", unready.code, unready.reason);
        }
        text
    }

    /// Tried again at the next look, and told once.
    fn send(&mut self, states: &[NotifyState<'_>]) {
        match sd_notify::notify(states) {
            Ok(()) => self.has_failed = false,
            Err(error) if !self.has_failed => {
                self.has_failed = true;
                tracing::warn!(%error, "systemd cannot be told how the server is (NOTIFY_SOCKET)");
            }
            Err(_) => {}
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    let plural = if count == 1 { "" } else { "s" };
    format!("{text} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_for_people() {
        for (count, expected) in [
            (0, "0 apps"),
            (1, "1 app"),
            (999, "999 apps"),
            (1204, "1,204 apps"),
            (1_234_567, "1,234,567 apps"),
        ] {
            assert_eq!(counted(count, "app"), expected);
        }
    }
}
