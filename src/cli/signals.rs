//! Signals, from the first moment of the process on.
//!
//! They are blocked in every thread but one that takes them. So none is lost while the process starts
//! its program again (`process`), where a handler would be forgotten, and where the first process of
//! a container would not even be ended by it: they wait until the new program takes them. And a
//! second one ends the process whatever the others wait for.

use std::{
    fmt::Display,
    io,
    process::exit,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
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
    Stopping,
}

/// The handler has run, and the thread is to learn of it.
const MOMENT: Duration = Duration::from_millis(1);

fn ours() -> SigSet {
    [Number::SIGTERM, Number::SIGINT, Number::SIGHUP].into_iter().collect()
}

/// Before any other thread is started, so that all inherit what is blocked.
pub fn block() -> io::Result<()> {
    Ok(ours().thread_block()?)
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
        let mut phase = self.phase.lock();
        match *phase {
            Phase::Starting => {
                self.report(format_args!("stopped by {number} before it served"));
                self.exit(0);
            }
            Phase::Serving => {
                *phase = Phase::Stopping;
                self.stop.notify_one();
            }
            Phase::Stopping => {
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
