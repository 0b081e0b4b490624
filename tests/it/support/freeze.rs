//! A server that stands still, so that what clients send meanwhile meets it all at once.

use std::future::Future;

use super::{TestServer, until};

impl TestServer {
    /// Runs `meanwhile` while every thread of the server is stopped. Its bytes wait in the kernel:
    /// afterwards each worker finds them complete, however fast or slow the machine is.
    pub async fn while_frozen<T>(&self, meanwhile: impl Future<Output = T>) -> T {
        self.signal("STOP");
        until("every thread is stopped", async || self.is_frozen().then_some(())).await;
        let output = meanwhile.await;
        self.signal("CONT");
        output
    }

    fn is_frozen(&self) -> bool {
        self.nodes().all(|node| all_threads_stopped(node.own_pid()))
    }
}

fn all_threads_stopped(pid: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    tasks.flatten().all(|task| {
        // A thread that has just ended has no state.
        let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else { return true };
        // The state follows the name, which may contain anything.
        stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('T'))
    })
}
