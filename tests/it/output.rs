//! Standard error and standard output that fail or have no reader.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use rustix::fs::{OFlags, fcntl_setfl};
use serde_json::json;

use crate::support::*;

fn a_pipe() -> (PipeReader, PipeWriter) {
    pipe().expect("a pipe")
}

fn full_disk() -> Stdio {
    std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full").into()
}

/// Refusals, subscriptions, events and probes.
async fn serves_all_the_same(server: &TestServer) {
    let mut client = server.bystander().await;
    for _ in 0..20 {
        client.send(&json!({"event": "pusher:subscribe", "data": {"channel": "private-x"}})).await;
        client.expect_refused("private-x").await;
    }
    server.send(Request::new("GET", "/health")).await.expect(200, "health");
    server.still_serves(&mut client, "refusals that cannot be logged").await;
    client.close().await;
}

/// Logs so much at `trace` that lines are dropped.
async fn overflow(server: &TestServer) {
    let mut line = server.http_connection().await;
    for _ in 0..200 {
        for _ in 0..50 {
            line.send(&Request::new("GET", "/health")).await.expect(200, "health");
        }
        if dropped(server).await > 0.0 {
            return;
        }
    }
    panic!("the log has room without end");
}

async fn dropped(server: &TestServer) -> f64 {
    server.scrape().await.sum("sealcast_log_lines_dropped_total", &[])
}

#[tokio::test]
async fn f8_closed_standard_error_stops_nothing() {
    let (reader, writer) = a_pipe();
    let receiver = WebhookReceiver::start(ReceiverReply::Status(500)).await;
    let hooks = with_webhooks("", &[&hooks_url(&receiver, "events = [\"client_event\"]")]);
    let server = Launch::serve(&hooks).stderr(writer).start().await;
    drop(reader);
    serves_all_the_same(&server).await;
    let mut client = server.connect().await;
    client.subscribe("private-x").await;
    client.client_event("private-x", "client-n", json!("1")).await;
    until("an attempt that fails", async || (!receiver.requests().is_empty()).then_some(())).await;
    receiver.answer(ReceiverReply::Status(200));
    // The writer thread has logged the failure and continues.
    until("a webhook that arrives", async || (receiver.requests().len() > 1).then_some(())).await;
    client.close().await;
    server.stop().await;
}

#[tokio::test]
async fn f8_full_log_disk_stops_nothing() {
    let server = Launch::serve(&config("")).stderr(full_disk()).start().await;
    serves_all_the_same(&server).await;
    server.stop().await;
    // A failed start keeps its exit status.
    let output = Launch::serve("nonsense = 1").stderr(full_disk()).output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[tokio::test]
async fn f8_full_disk_for_standard_output_does_not_prevent_the_start() {
    let addr = WebhookReceiver::unused_address().await;
    let launch = Launch::new(&["serve", "--dev", "--listen", &addr.to_string()]);
    let server = launch.stdout(full_disk()).spawn();
    until("an answer", async || {
        let stream = tokio::net::TcpStream::connect(addr).await.ok()?;
        let mut line = HttpConnection::over(Box::new(stream));
        line.send(&Request::new("GET", "/health")).await.expect(200, "health");
        Some(())
    })
    .await;
    server.signal("TERM");
    let output = server.ended().await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!output.stderr.contains("panicked"), "{output:?}");
}

#[tokio::test]
async fn f9_blocked_standard_error_delays_nothing() {
    for flags in [OFlags::empty(), OFlags::NONBLOCK] {
        let (_reader, writer) = a_pipe();
        fcntl_setfl(&writer, flags).expect("flags of a pipe");
        let config = config_of("log = \"trace\"", &[(APP, "")]);
        let server = Launch::serve(&config).stderr(writer).start().await;
        overflow(&server).await;
        serves_all_the_same(&server).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn f9_dropped_lines_are_counted_and_reported_after_recovery() {
    let (reader, writer) = a_pipe();
    let config = config_of("log = \"trace\"\nlog_format = \"json\"", &[(APP, "")]);
    let server = Launch::serve(&config).stderr(writer).start().await;
    overflow(&server).await;
    let text = read_on(reader);
    let line = until("a line that says it", async || {
        let text = lock(&text).clone();
        let line =
            text.split_inclusive('\n').find(|line| line.contains("log lines were dropped"))?;
        line.ends_with('\n').then(|| line.to_owned())
    })
    .await;
    let line: serde_json::Value = serde_json::from_str(&line).expect("an object");
    assert_eq!(line["level"], "WARN", "{line}");
    assert!(line["log.dropped"].as_u64() > Some(0), "{line}");
    server.stop().await;
    let text = lock(&text).clone();
    // Only whole lines arrive, and the last one gives the reason for the end.
    text.lines()
        .for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).expect(line)));
    assert!(text.contains("\"shutting down\""), "{text}");
}

fn lock(text: &Mutex<String>) -> std::sync::MutexGuard<'_, String> {
    text.lock().expect("a text")
}

fn read_on(mut reader: PipeReader) -> Arc<Mutex<String>> {
    let text = Arc::<Mutex<String>>::default();
    let shared = text.clone();
    std::thread::spawn(move || {
        let mut chunk = [0; 64 * 1024];
        while let Ok(count @ 1..) = reader.read(&mut chunk) {
            lock(&shared).push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
    });
    text
}

#[tokio::test]
async fn f9_failing_start_ends_with_a_blocked_standard_error() {
    let (_reader, mut writer) = a_pipe();
    fcntl_setfl(&writer, OFlags::NONBLOCK).expect("flags of a pipe");
    while writer.write(&[b'x'; 4096]).is_ok() {}
    fcntl_setfl(&writer, OFlags::empty()).expect("flags of a pipe");
    let output = Launch::serve("nonsense = 1").stderr(writer).output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[tokio::test]
async fn f8_commands_end_quietly_on_a_broken_pipe() {
    for args in [
        &["selftest"][..],
        &["keys", "generate"],
        &["keys", "vector", "--app", "1"],
        &["config", "check", "--dev"],
        &["config", "show", "--dev"],
    ] {
        let (reader, writer) = a_pipe();
        drop(reader);
        let output = Launch::new(args).stdout(writer).output("").await;
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        assert!(!output.stderr.contains("panicked"), "{args:?}: {output:?}");
        let (reader, writer) = a_pipe();
        drop(reader);
        let output = Launch::new(args).stderr(writer).output("").await;
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    }
}
