//! Signals while the server starts, and a second one while it stops.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::support::*;

/// A pipe in place of a file: the reader of it waits.
fn pipe(dir: &TempDir, name: &str) -> PathBuf {
    let path = dir.path().join(name);
    let made = Command::new("mkfifo").args(["-m", "600"]).arg(&path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo {}", path.display());
    path
}

/// Waits until the process has opened the pipe; it then waits for the text.
async fn opened(pipe: &Path) -> std::fs::File {
    let pipe = pipe.to_owned();
    let open = tokio::task::spawn_blocking(move || OpenOptions::new().write(true).open(pipe));
    within("the pipe to be opened", open).await.expect("a thread").expect("a pipe")
}

const SERVE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"];

/// Its settings are in the environment, so that it re-executes itself without them.
fn by_environment() -> Launch {
    Launch::new(&SERVE)
        .env("SEALCAST_APP_ID", APP.id)
        .env("SEALCAST_APP_KEY", APP.key)
        .env("SEALCAST_APP_SECRET", APP.secret)
}

/// Waits until the process handles signals itself. Before that, no program is running yet. All
/// signals are blocked for a moment at its beginning, while the allocator starts its thread;
/// therefore this looks for a state that stays unblocked.
async fn takes_signals(server: &StartingServer) {
    let status = format!("/proc/{}/status", server.pid());
    until("signals to be blocked", async || {
        let text = std::fs::read_to_string(&status).ok()?;
        let blocked = text.lines().find_map(|line| line.strip_prefix("SigBlk:"))?.trim();
        let blocked = u64::from_str_radix(blocked, 16).ok()?;
        let (terminate, user) = (1 << 14, 1 << 9);
        (blocked & terminate != 0 && blocked & user == 0).then_some(())
    })
    .await;
}

/// Expects nothing left that would prevent the next start.
fn is_clean(dir: &Path) {
    let state = dir.join(".sealcast");
    for name in ["admin.sock", ".admin.new"] {
        assert!(!state.join(name).exists(), "{name} was left behind");
    }
}

#[tokio::test]
async fn c_signal_ends_a_start_waiting_for_its_configuration() {
    for signal in ["TERM", "INT"] {
        // With settings in the environment, this is read before the re-execution.
        for launch in [Launch::new(&SERVE), by_environment()] {
            let config = pipe(launch.dir(), "config");
            let server = launch.arg("--config").arg(&config).spawn();
            let held = opened(&config).await;
            server.signal("HUP");
            server.signal(signal);
            let output = server.ended().await;
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            assert!(output.stderr.contains(&format!("stopped by SIG{signal}")), "{output:?}");
            drop(held);
        }
    }
}

#[tokio::test]
async fn c_signal_ends_a_restarted_start_waiting_for_a_key() {
    let launch = by_environment();
    let key = pipe(launch.dir(), "key");
    let server = launch.env("SEALCAST_MASTER_KEY_FILE", &key).spawn();
    let held = opened(&key).await;
    server.signal("HUP");
    server.signal("TERM");
    let output = server.ended().await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.contains("before it served"), "{output:?}");
    drop(held);
}

#[tokio::test]
async fn c_sighup_during_the_start_is_remembered() {
    let launch = by_environment();
    let key = pipe(launch.dir(), "key");
    let server = launch.env("SEALCAST_MASTER_KEY_FILE", &key).spawn();
    let mut held = opened(&key).await;
    server.signal("HUP");
    let text = base64(&master_key("signals"));
    held.write_all(text.as_bytes()).expect("a pipe that takes it");
    // The restarted program finds a regular file.
    std::fs::remove_file(&key).expect("a pipe that is there");
    server.dir.write("key", &text);
    drop(held);
    let server = server.listening().await;
    server.until_reloads(Reload::Taken, 1).await;
    server.stop().await;
}

/// At any moment: before the re-execution, during it, and while the server binds.
#[tokio::test]
async fn c_signal_at_any_moment_ends_the_start_in_order() {
    for step in 0..40 {
        let server = by_environment().spawn();
        takes_signals(&server).await;
        tokio::time::sleep(Duration::from_micros(500 * step)).await;
        let start = Instant::now();
        server.signal(if step % 2 == 0 { "TERM" } else { "INT" });
        let dir = server.dir.path().to_owned();
        let (pid, output) = (server.pid(), server.ended().await);
        assert_eq!(output.status.code(), Some(0), "step {step} of {pid}: {output:?}");
        assert!(start.elapsed() < Duration::from_secs(5), "{output:?}");
        is_clean(&dir);
    }
}

#[tokio::test]
async fn c_sighup_does_not_end_a_start() {
    for _ in 0..5 {
        let server = by_environment().spawn();
        takes_signals(&server).await;
        for _ in 0..20 {
            server.signal("HUP");
        }
        server.listening().await.stop().await;
    }
}

/// A server that takes ten minutes to stop, after its first signal.
async fn stopping(first: &str) -> (TestServer, Client) {
    let config = config_of("drain_seconds = 600", &[(APP, "")]);
    let server = TestServer::start(&config).await;
    let client = server.connect().await;
    server.signal(first);
    until("the server to stop", async || server.printed().contains("shutting down").then_some(()))
        .await;
    (server, client)
}

#[tokio::test]
async fn c_second_signal_ends_a_stopping_server_at_once() {
    // A different signal at once, the same one a little later.
    let later = Duration::from_millis(1100);
    for (first, pause, second, status) in [
        ("INT", Duration::ZERO, "TERM", 143),
        ("TERM", Duration::ZERO, "INT", 130),
        ("TERM", later, "TERM", 143),
    ] {
        let (server, client) = stopping(first).await;
        tokio::time::sleep(pause).await;
        server.signal(second);
        let output = server.killed().await;
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        drop(client);
    }
}

#[tokio::test]
async fn f27_repeated_signal_within_a_second_stops_in_order() {
    // On a slow machine the second signal may come after a second: then it ends the server.
    for _ in 0..5 {
        let (server, client) = stopping("TERM").await;
        server.signal("TERM");
        let counted = until("the second signal to be taken", async || {
            let printed = server.printed();
            let one = printed.contains("counts as one");
            (one || printed.contains("ends at once")).then_some(one)
        })
        .await;
        if !counted {
            server.killed().await;
            continue;
        }
        // It continues until another signal comes.
        server.signal("INT");
        assert_eq!(server.killed().await.status.code(), Some(130));
        return drop(client);
    }
    panic!("two signals were never counted as one");
}
