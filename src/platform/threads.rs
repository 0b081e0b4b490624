//! Joins threads that may wait for a disk, with a time limit.

use std::{
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The result of waiting for a thread.
pub enum JoinOutcome<T> {
    Ended(T),
    Panicked,
    /// The thread still waits for something and is left behind.
    Running,
}

const POLL_INTERVAL: Duration = Duration::from_millis(2);

pub fn join_within<T>(thread: JoinHandle<T>, bound: Duration) -> JoinOutcome<T> {
    let deadline = Instant::now() + bound;
    while !thread.is_finished() {
        if Instant::now() >= deadline {
            return JoinOutcome::Running;
        }
        thread::sleep(POLL_INTERVAL);
    }
    thread.join().map_or(JoinOutcome::Panicked, JoinOutcome::Ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_blocked_thread_is_left_behind() {
        let (release, held) = mpsc::channel::<()>();
        let stuck = thread::spawn(move || held.recv().is_err());
        assert!(matches!(join_within(stuck, Duration::from_millis(5)), JoinOutcome::Running));
        drop(release);
        let over = join_within(thread::spawn(|| 7), Duration::from_secs(20));
        assert!(matches!(over, JoinOutcome::Ended(7)));
    }
}
