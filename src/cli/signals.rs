//! Signals, from the first moment of the process.
//!
//! All threads block them except one, so none is lost while the process executes its program again
//! (`process`). A handler would be forgotten there, and the first process of a container would not
//! even be ended by the signal; a blocked signal waits for the new program. A second signal ends
//! the process at once. A supervisor that signals the process and its whole group sends the same
//! signal twice and means one.

use std::{
    fmt::Display,
    io,
    process::exit,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::sys::signal::{SigSet, Signal as Number};
use parking_lot::Mutex;
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, oneshot},
    time::timeout,
};

use super::report;
use crate::platform::output::OutputQueue;

pub struct Signals {
    shared: Arc<SignalState>,
    taker: Option<(JoinHandle<()>, oneshot::Sender<()>)>,
}

struct SignalState {
    phase: Mutex<Phase>,
    stop: Arc<Notify>,
    hangup: Arc<Notify>,
    stderr: OutputQueue,
}

#[derive(Clone, Copy, Default)]
enum Phase {
    /// Nothing needs an orderly end yet.
    #[default]
    Starting,
    Serving,
    Stopping {
        by: Number,
        since: Instant,
    },
}

/// The action for a signal other than SIGHUP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignalAction {
    /// Nothing has started: end the process.
    Exit,
    Stop,
    /// The same signal again, from the same supervisor.
    Ignore,
    EndAtOnce,
}

/// Time in which a repeated signal counts as one, measured from the first signal. A later one ends
/// the process.
const REPEAT_WINDOW: Duration = Duration::from_secs(1);

impl Phase {
    fn on(&mut self, number: Number, now: Instant) -> SignalAction {
        match *self {
            Self::Starting => SignalAction::Exit,
            Self::Serving => {
                *self = Self::Stopping { by: number, since: now };
                SignalAction::Stop
            }
            Self::Stopping { by, since } => {
                let again = by == number && now.saturating_duration_since(since) < REPEAT_WINDOW;
                if again { SignalAction::Ignore } else { SignalAction::EndAtOnce }
            }
        }
    }
}

/// Time for the runtime to deliver a signal already caught.
const PENDING_TIMEOUT: Duration = Duration::from_millis(1);

fn handled() -> SigSet {
    [Number::SIGTERM, Number::SIGINT, Number::SIGHUP].into_iter().collect()
}

/// Call this before any other thread starts: threads inherit the mask.
pub fn block() -> io::Result<()> {
    handled().thread_block()?;
    // A file over RLIMIT_FSIZE is an error like a full disk, and no reason to end the process. No
    // thread unblocks this signal.
    Ok(SigSet::from(Number::SIGXFSZ).thread_block()?)
}

impl Signals {
    /// Call `block` first.
    pub fn take(stderr: OutputQueue) -> io::Result<Self> {
        let shared = Arc::new(SignalState {
            phase: Mutex::default(),
            stop: Arc::default(),
            hangup: Arc::default(),
            stderr,
        });
        let (suspend, suspended) = oneshot::channel();
        let (started_sender, started) = mpsc::channel();
        let theirs = shared.clone();
        let thread = thread::Builder::new().name("signals".into()).spawn(move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(started_sender.send(Err(error))),
            };
            runtime.block_on(async {
                match Streams::open() {
                    Ok(streams) => {
                        // The caller waits for this message.
                        let _ = started_sender.send(Ok(()));
                        streams.watch(&theirs, suspended).await;
                    }
                    Err(error) => drop(started_sender.send(Err(error))),
                }
            });
        })?;
        started.recv().map_err(io::Error::other)??;
        Ok(Self { shared, taker: Some((thread, suspend)) })
    }

    /// Leaves later signals to the program executed next. Earlier ones have been handled.
    pub fn suspend(&mut self) {
        if let Some((thread, suspend)) = self.taker.take() {
            // If the thread is gone, joining it reports the failure.
            let _ = suspend.send(());
            if thread.join().is_err() {
                self.shared.report("the thread that takes signals has failed");
            }
        }
    }

    /// From now on the first signal goes to the waiter on `stop`.
    pub fn serving(&self) {
        *self.shared.phase.lock() = Phase::Serving;
    }

    pub fn stop(&self) -> Arc<Notify> {
        self.shared.stop.clone()
    }

    /// Ends the server as SIGTERM does. Once it is ending, this does nothing.
    pub fn terminator(&self) -> impl Fn() + use<> {
        let shared = self.shared.clone();
        move || shared.terminate()
    }

    /// A signal before the first waiter is kept.
    pub fn hangup(&self) -> Arc<Notify> {
        self.shared.hangup.clone()
    }
}

impl SignalState {
    fn on(&self, number: Number) {
        if number == Number::SIGHUP {
            return self.hangup.notify_one();
        }
        match self.phase.lock().on(number, Instant::now()) {
            SignalAction::Exit => {
                self.report(format_args!("stopped by {number} before it served"));
                self.exit(0);
            }
            SignalAction::Stop => self.stop.notify_one(),
            SignalAction::Ignore => {
                tracing::info!(signal = %number, "the same signal again within a second counts as one");
            }
            SignalAction::EndAtOnce => {
                tracing::warn!(signal = %number, "a second signal while the server was shutting down: it ends at once");
                self.exit(128 + number as i32);
            }
        }
    }

    fn terminate(&self) {
        let mut phase = self.phase.lock();
        if let Phase::Serving = *phase {
            *phase = Phase::Stopping { by: Number::SIGTERM, since: Instant::now() };
            self.stop.notify_one();
        }
    }

    fn report(&self, what: impl Display) {
        report(&self.stderr, what);
    }

    /// Does not block on a stuck reader of standard error.
    fn exit(&self, status: i32) -> ! {
        self.stderr.finish(OutputQueue::FINISH_TIMEOUT);
        exit(status)
    }
}

struct Streams {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Streams {
    fn open() -> io::Result<Self> {
        let streams = Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        };
        handled().thread_unblock()?;
        Ok(streams)
    }

    async fn next(&mut self) -> Number {
        tokio::select! {
            _ = self.terminate.recv() => Number::SIGTERM,
            _ = self.interrupt.recv() => Number::SIGINT,
            _ = self.hangup.recv() => Number::SIGHUP,
        }
    }

    async fn watch(mut self, shared: &SignalState, mut suspended: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                number = self.next() => shared.on(number),
                _ = &mut suspended => break,
            }
        }
        if let Err(error) = handled().thread_block() {
            shared.report(format_args!("signals cannot be blocked: {error}"));
        }
        while let Ok(number) = timeout(PENDING_TIMEOUT, self.next()).await {
            shared.on(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Number::{SIGINT, SIGTERM};

    #[test]
    fn a_repeated_signal_within_a_second_counts_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        for (second, ms, expected) in [
            (SIGTERM, 0, SignalAction::Ignore),
            (SIGTERM, 999, SignalAction::Ignore),
            (SIGTERM, 1000, SignalAction::EndAtOnce),
            (SIGINT, 0, SignalAction::EndAtOnce),
        ] {
            let mut phase = Phase::Serving;
            assert_eq!(phase.on(SIGTERM, at(0)), SignalAction::Stop);
            assert_eq!(phase.on(second, at(ms)), expected, "{second} after {ms} ms");
        }
        // Measured from the first signal: repeating it does not extend the window.
        let mut phase = Phase::Serving;
        let acts = [0, 400, 800, 1200].map(|ms| phase.on(SIGINT, at(ms)));
        assert_eq!(
            acts,
            [
                SignalAction::Stop,
                SignalAction::Ignore,
                SignalAction::Ignore,
                SignalAction::EndAtOnce
            ]
        );
        assert_eq!(Phase::Starting.on(SIGTERM, start), SignalAction::Exit);
    }
}
