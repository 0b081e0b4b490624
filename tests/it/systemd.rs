//! What systemd is told over `NOTIFY_SOCKET`.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::support::*;

/// The socket of systemd, in a directory of its own.
struct Systemd {
    socket: UnixDatagram,
    dir: TempDir,
    told: Vec<String>,
}

impl Systemd {
    fn new() -> Self {
        let dir = TempDir::new();
        let socket = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        Self { socket, dir, told: Vec::new() }
    }

    fn launch(&self, config: &str) -> Launch {
        Launch::serve(config).env("NOTIFY_SOCKET", self.dir.path().join("notify"))
    }

    /// Waits for a message with this beginning among its lines. Returns the whole message.
    async fn expect(&mut self, beginning: &str) -> String {
        until(beginning, async || {
            self.read();
            let is_it = |message: &String| message.lines().any(|l| l.starts_with(beginning));
            let at = self.told.iter().position(is_it)?;
            // Earlier ones are over.
            self.told.drain(..=at).next_back()
        })
        .await
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.told.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
    }
}

#[tokio::test]
async fn k_systemd_is_told_of_start_reload_and_end() {
    let mut systemd = Systemd::new();
    let server = systemd.launch(&config("")).start().await;
    assert_eq!(systemd.expect("STATUS=").await, "STATUS=1 app, 0 connections\n");
    // Once each worker has ticked.
    assert_eq!(systemd.expect("READY=1").await, "READY=1\n");
    let client = server.connect().await;
    assert_eq!(systemd.expect("STATUS=").await, "STATUS=1 app, 1 connection\n");

    let before = monotonic_microseconds();
    server.signal("HUP");
    let reloading = systemd.expect("RELOADING=1").await;
    let time = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    let time: u128 = time.expect("a time").parse().expect("a number");
    assert!(time >= before, "{reloading}");
    systemd.expect("READY=1").await;

    drop(client);
    server.signal("TERM");
    systemd.expect("STOPPING=1").await;
    let output = server.exited().await;
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn k_a_refused_reload_is_over_as_well() {
    let mut systemd = Systemd::new();
    let server = systemd.launch(&config("")).start().await;
    systemd.expect("READY=1").await;
    let file = server.dir.path().join("sealcast.toml");
    std::fs::write(file, "nonsense = 1\n").expect("a file");
    systemd.expect("RELOADING=1").await;
    systemd.expect("READY=1").await;
    server.signal("TERM");
    systemd.expect("STOPPING=1").await;
    server.exited().await;
}

#[tokio::test]
async fn k_the_watchdog_is_fed_while_all_threads_answer() {
    let mut systemd = Systemd::new();
    let launch = systemd.launch(&config("")).env("WATCHDOG_USEC", "8000000");
    let server = launch.start().await;
    for _ in 0..3 {
        systemd.expect("WATCHDOG=1").await;
    }
    // A server that stands still feeds nothing.
    server
        .while_frozen(async {
            systemd.read();
            systemd.told.clear();
            tokio::time::sleep(Duration::from_millis(1500)).await;
            systemd.read();
            assert_eq!(systemd.told, Vec::<String>::new());
        })
        .await;
    systemd.expect("WATCHDOG=1").await;
    server.stop().await;
}

#[tokio::test]
async fn k_without_a_watchdog_nobody_is_fed() {
    let mut systemd = Systemd::new();
    let foreign =
        systemd.launch(&config("")).env("WATCHDOG_USEC", "1000000").env("WATCHDOG_PID", "1");
    let server = foreign.start().await;
    systemd.expect("STATUS=").await;
    let client = server.connect().await;
    systemd.expect("STATUS=1 app, 1 connection").await;
    drop(client);
    systemd.expect("STATUS=1 app, 0 connections").await;
    let fed = systemd.told.iter().any(|message| message.contains("WATCHDOG"));
    assert!(!fed, "{:?}", systemd.told);
    server.stop().await;
}

#[tokio::test]
async fn k_a_missing_systemd_is_told_in_the_log() {
    let launch = Launch::serve(&config("")).env("NOTIFY_SOCKET", "/nonexistent/notify");
    let server = launch.start().await;
    until("a warning", async || server.printed().contains("systemd cannot be told").then_some(()))
        .await;
    let output = server.stop().await;
    assert_eq!(output.stderr.matches("systemd cannot be told").count(), 1, "{}", output.stderr);
}

fn monotonic_microseconds() -> u128 {
    let text = std::fs::read_to_string("/proc/uptime").expect("a clock");
    let seconds: f64 = text.split(' ').next().and_then(|s| s.parse().ok()).expect("a number");
    (seconds * 1_000_000.0) as u128
}
