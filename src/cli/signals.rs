//! Signals, from the first moment of the process on.
//!
//! They are blocked in every thread but one that takes them. So none is lost while the process starts
//! its program again (`process`), where a handler would be forgotten, and where the first process of
//! a container would not even be ended by it: they wait until the new program takes them. And a
//! second one ends the process whatever the others wait for; but a supervisor that signals the
//! process and its whole group sends the same one twice, and means one.

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
use crate::output::OutputQueue;

pub struct Signals {
    shared: Arc<Shared>,
    taker: Option<(JoinHandle<()>, oneshot::Sender<()>)>,
}

struct Shared {
    phase: Mutex<Phase>,
    stop: Arc<Notify>,
    hangup: Arc<Notify>,
    stderr: OutputQueue,
}

#[derive(Clone, Copy, Default)]
enum Phase {
    /// Nothing is there yet that would have to be put away.
    #[default]
    Starting,
    Serving,
    Stopping {
        by: Number,
        since: Instant,
    },
}

/// What a signal that is no SIGHUP leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Nothing has begun.
    Leave,
    Stop,
    /// The same signal again, from the same supervisor.
    Ignore,
    EndAtOnce,
}

/// In which the same signal comes twice and is meant once. Counted from the first: whoever goes on
/// is obeyed.
const ONE_SIGNAL: Duration = Duration::from_secs(1);

impl Phase {
    fn on(&mut self, number: Number, now: Instant) -> Act {
        match *self {
            Self::Starting => Act::Leave,
            Self::Serving => {
                *self = Self::Stopping { by: number, since: now };
                Act::Stop
            }
            Self::Stopping { by, since } => {
                let again = by == number && now.saturating_duration_since(since) < ONE_SIGNAL;
                if again { Act::Ignore } else { Act::EndAtOnce }
            }
        }
    }
}

/// The handler has run, and the thread is to learn of it.
const MOMENT: Duration = Duration::from_millis(1);

fn ours() -> SigSet {
    [Number::SIGTERM, Number::SIGINT, Number::SIGHUP].into_iter().collect()
}

/// Before any other thread is started, so that all inherit what is blocked.
pub fn block() -> io::Result<()> {
    ours().thread_block()?;
    // A file that would grow over RLIMIT_FSIZE is an error like that of a full disk, and no
    // reason to end. No thread lets it through.
    Ok(SigSet::from(Number::SIGXFSZ).thread_block()?)
}

impl Signals {
    /// After `block`.
    pub fn take(stderr: OutputQueue) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            phase: Mutex::default(),
            stop: Arc::default(),
            hangup: Arc::default(),
            stderr,
        });
        let (suspend, suspended) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let theirs = shared.clone();
        let thread = thread::Builder::new().name("signals".into()).spawn(move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.send(Err(error))),
            };
            runtime.block_on(async {
                match Streams::open() {
                    Ok(streams) => {
                        // Who is told this waits for it.
                        let _ = tell.send(Ok(()));
                        streams.watch(&theirs, suspended).await;
                    }
                    Err(error) => drop(tell.send(Err(error))),
                }
            });
        })?;
        told.recv().map_err(io::Error::other)??;
        Ok(Self { shared, taker: Some((thread, suspend)) })
    }

    /// Leaves those that come from now on to the program that is started next. What came before has
    /// been acted upon.
    pub fn suspend(&mut self) {
        if let Some((thread, suspend)) = self.taker.take() {
            // If it is gone, joining tells.
            let _ = suspend.send(());
            if thread.join().is_err() {
                self.shared.report("the thread that takes signals has failed");
            }
        }
    }

    /// From now on the first one is left to whoever waits for `stop`.
    pub fn serving(&self) {
        *self.shared.phase.lock() = Phase::Serving;
    }

    pub fn stop(&self) -> Arc<Notify> {
        self.shared.stop.clone()
    }

    /// One that came before anybody waits is remembered.
    pub fn hangup(&self) -> Arc<Notify> {
        self.shared.hangup.clone()
    }
}

impl Shared {
    fn on(&self, number: Number) {
        if number == Number::SIGHUP {
            return self.hangup.notify_one();
        }
        match self.phase.lock().on(number, Instant::now()) {
            Act::Leave => {
                self.report(format_args!("stopped by {number} before it served"));
                self.exit(0);
            }
            Act::Stop => self.stop.notify_one(),
            Act::Ignore => {
                tracing::info!(signal = %number, "the same signal again within a second counts as one");
            }
            Act::EndAtOnce => {
                tracing::warn!(signal = %number, "a second signal while the server was shutting down: it ends at once");
                self.exit(128 + number as i32);
            }
        }
    }

    fn report(&self, what: impl Display) {
        report(&self.stderr, what);
    }

    /// Without waiting for a reader of standard error that does not read.
    fn exit(&self, status: i32) -> ! {
        self.stderr.finish(OutputQueue::END);
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
        ours().thread_unblock()?;
        Ok(streams)
    }

    async fn next(&mut self) -> Number {
        tokio::select! {
            _ = self.terminate.recv() => Number::SIGTERM,
            _ = self.interrupt.recv() => Number::SIGINT,
            _ = self.hangup.recv() => Number::SIGHUP,
        }
    }

    async fn watch(mut self, shared: &Shared, mut suspended: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                number = self.next() => shared.on(number),
                _ = &mut suspended => break,
            }
        }
        if let Err(error) = ours().thread_block() {
            shared.report(format_args!("signals cannot be blocked: {error}"));
        }
        while let Ok(number) = timeout(MOMENT, self.next()).await {
            shared.on(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Number::{SIGINT, SIGTERM};

    #[test]
    fn the_same_signal_within_a_second_is_one() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        for (second, ms, expected) in [
            (SIGTERM, 0, Act::Ignore),
            (SIGTERM, 999, Act::Ignore),
            (SIGTERM, 1000, Act::EndAtOnce),
            (SIGINT, 0, Act::EndAtOnce),
        ] {
            let mut phase = Phase::Serving;
            assert_eq!(phase.on(SIGTERM, at(0)), Act::Stop);
            assert_eq!(phase.on(second, at(ms)), expected, "{second} after {ms} ms");
        }
        // It is counted from the first one: repeating it does not put the end off.
        let mut phase = Phase::Serving;
        let acts = [0, 400, 800, 1200].map(|ms| phase.on(SIGINT, at(ms)));
        assert_eq!(acts, [Act::Stop, Act::Ignore, Act::Ignore, Act::EndAtOnce]);
        assert_eq!(Phase::Starting.on(SIGTERM, start), Act::Leave);
    }
}
