//! Joins threads that may wait for a disk, with a time limit.

use std::{
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The result of waiting for a thread.
pub enum Joined<T> {
    Ended(T),
    Panicked,
    /// The thread still waits for something and is left behind.
    Running,
}

const LOOK: Duration = Duration::from_millis(2);

pub fn join_within<T>(thread: JoinHandle<T>, bound: Duration) -> Joined<T> {
    let deadline = Instant::now() + bound;
    while !thread.is_finished() {
        if Instant::now() >= deadline {
            return Joined::Running;
        }
        thread::sleep(LOOK);
    }
    thread.join().map_or(Joined::Panicked, Joined::Ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_thread_that_waits_for_ever_is_left_behind() {
        let (release, held) = mpsc::channel::<()>();
        let stuck = thread::spawn(move || held.recv().is_err());
        assert!(matches!(join_within(stuck, Duration::from_millis(5)), Joined::Running));
        drop(release);
        let over = join_within(thread::spawn(|| 7), Duration::from_secs(20));
        assert!(matches!(over, Joined::Ended(7)));
    }
}
