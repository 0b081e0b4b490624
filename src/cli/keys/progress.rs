//! The progress of a rotation.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::sleep;

use super::list::report;

use crate::{
    cli::{CliResult, client::AppClient, print_error},
    crypto::keytable::KeyState,
    engine::keys::key_report::{KeyLine, KeyReport},
};

const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Follows a rotation to its end. An interrupt stops only the display.
pub async fn follow(server: &AppClient) -> CliResult<()> {
    let mut display = ProgressDisplay::new();
    loop {
        let report = report(server).await?;
        display.update(&report);
        if !report.rotation.in_progress {
            display.finish();
            return Ok(());
        }
        sleep(POLL_INTERVAL).await;
    }
}

enum ProgressDisplay {
    Bar(ProgressBar),
    /// The line printed last: without a terminal only changes are printed.
    Lines(String),
}

impl ProgressDisplay {
    fn new() -> Self {
        if !stderr().is_terminal() {
            return Self::Lines(String::new());
        }
        let style = ProgressStyle::with_template("{bar:20} {pos}/{len} moved  {wide_msg}");
        Self::Bar(ProgressBar::new(0).with_style(style.unwrap_or(ProgressStyle::default_bar())))
    }

    fn update(&mut self, report: &KeyReport) {
        let total: u64 = report.keys.iter().map(|key| u64::from(key.subscriptions)).sum();
        let moved = total.saturating_sub(report.rotation.remaining.into());
        match self {
            Self::Bar(bar) => {
                bar.set_length(total);
                bar.set_position(moved);
                bar.set_message(by_key(report));
            }
            Self::Lines(last) => {
                let line = format!("{moved}/{total} moved  {}", by_key(report));
                if line != *last {
                    print_error(&line);
                    *last = line;
                }
            }
        }
    }

    fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.abandon();
        }
    }
}

/// Subscriptions by key id.
fn by_key(report: &KeyReport) -> String {
    let used = |key: &&KeyLine| key.state == KeyState::Active || key.subscriptions > 0;
    let text = |key: &KeyLine| format!("{} ({}): {}", key.id, key.state, key.subscriptions);
    report.keys.iter().filter(used).map(text).collect::<Vec<_>>().join("  ")
}
