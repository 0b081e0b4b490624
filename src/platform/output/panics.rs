//! Reports of panics. The standard library's hook writes to standard error: it would block a worker
//! while the reader is slow, and a second panic there would end the process.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt::Write,
    panic::{self, PanicHookInfo},
    thread,
    time::SystemTime,
};

use super::OutputQueue;

/// The format of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PanicForm {
    Text,
    Json,
}

/// Replaces the panic hook. It never waits, panics, or takes a lock held by a panicking thread: no
/// code that holds the queue's lock panics.
pub fn report_panics(queue: OutputQueue, form: PanicForm) {
    panic::set_hook(Box::new(move |panic| {
        let report = PanicReport::of(panic);
        let line = match form {
            PanicForm::Text => report.text(),
            PanicForm::Json => report.json(),
        };
        queue.push(line.as_bytes());
    }));
}

struct PanicReport {
    thread: String,
    place: String,
    message: String,
    /// Present if RUST_BACKTRACE asks for one.
    backtrace: Option<String>,
}

impl PanicReport {
    fn of(panic: &PanicHookInfo<'_>) -> Self {
        let backtrace = Backtrace::capture();
        let captured = backtrace.status() == BacktraceStatus::Captured;
        Self {
            thread: thread::current().name().unwrap_or("without a name").to_owned(),
            place: panic.location().map_or_else(String::new, ToString::to_string),
            message: panic.payload_as_str().unwrap_or("no message").to_owned(),
            backtrace: captured.then(|| backtrace.to_string()),
        }
    }

    fn text(&self) -> String {
        let Self { thread, place, message, backtrace } = self;
        let mut text = format!("thread '{thread}' panicked at {place}:\n{message}\n");
        // Writing to a string cannot fail.
        backtrace.iter().for_each(|trace| _ = writeln!(text, "{trace}"));
        text
    }

    fn json(&self) -> String {
        let time = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
        let line = serde_json::json!({
            "timestamp": time,
            "level": "ERROR",
            "message": format!("panicked at {}", self.place),
            "error": self.message,
            "panic.thread": self.thread,
            "panic.backtrace": self.backtrace,
            "target": module_path!(),
        });
        format!("{line}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_is_one_json_object_in_json_logs() {
        let report = PanicReport {
            thread: "worker".into(),
            place: "a.rs:1:2".into(),
            message: "two\nlines".into(),
            backtrace: None,
        };
        let json = report.json();
        assert_eq!(json.lines().count(), 1, "{json}");
        let line: serde_json::Value = serde_json::from_str(&json).expect("an object");
        assert_eq!(line["message"], "panicked at a.rs:1:2");
        assert_eq!(line["error"], "two\nlines");
        assert_eq!(report.text(), "thread 'worker' panicked at a.rs:1:2:\ntwo\nlines\n");
    }
}
