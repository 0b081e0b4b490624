//! A sign of life on a terminal while a server takes its time.

use std::{
    future::Future,
    io::{IsTerminal as _, stderr},
    pin::pin,
    time::Duration,
};

use indicatif::ProgressBar;
use tokio::time::timeout;

/// Quick answers show nothing.
const QUIET: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);

/// Waits for an answer, and says so if it takes more than a second.
pub async fn show_while<T>(answer: impl Future<Output = T>) -> T {
    let mut answer = pin!(answer);
    if let Ok(answer) = timeout(QUIET, answer.as_mut()).await {
        return answer;
    }
    if !stderr().is_terminal() {
        return answer.await;
    }
    let spinner = ProgressBar::new_spinner().with_message("waiting for the server");
    spinner.enable_steady_tick(TICK);
    let answer = answer.await;
    spinner.finish_and_clear();
    answer
}
