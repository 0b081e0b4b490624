//! The binary as a child process with an empty environment and a directory of its own.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_rustls::TlsConnector;

use super::{DEADLINE, TestCertificate, TestServer};

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory, removed at the end of the test.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("sealcast-it-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory for the test");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Leaves the directory to another process, which removes it.
    pub fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.0)
    }

    /// Writes a file with mode 0600.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file for the test");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Output and exit status of a command.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Adds what another node of the same cluster printed.
    pub(super) fn append(&mut self, other: Self) {
        self.stdout += &other.stdout;
        self.stderr += &other.stderr;
    }
}

/// A `sealcast` command before its start.
pub struct Launch {
    command: Command,
    dir: TempDir,
    tls: Option<TlsConnector>,
}

impl Launch {
    /// The binary with these arguments, in an empty environment of its own.
    pub fn new(args: &[&str]) -> Self {
        let dir = TempDir::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealcast"));
        command.args(args).current_dir(dir.path()).env_remove("RUST_LOG");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SEALCAST_") {
                command.env_remove(name);
            }
        }
        // With this variable, a number, all servers of the suite open channels late.
        if let Some(seed) = std::env::var_os("IT_LATE_ANSWERS") {
            command.env("LATE_ANSWERS_SEED", seed);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, dir, tls: None }
    }

    /// `serve` with this configuration text, on free ports of the loopback.
    pub fn serve(config: &str) -> Self {
        let launch = Self::serve_plain(config);
        // With this variable the whole suite runs over TLS.
        match std::env::var_os("IT_OVER_TLS") {
            Some(_) => launch.tls(&TestCertificate::new()),
            None => launch,
        }
    }

    /// `serve` without TLS, also if the suite runs over TLS.
    pub fn serve_plain(config: &str) -> Self {
        Self::new(&["serve"]).config(config).arg("--listen").arg("127.0.0.1:0").ops()
    }

    /// Adds this certificate and key as the files `cert.pem` and `key.pem`.
    pub fn tls(mut self, pair: &TestCertificate) -> Self {
        let certificate = self.dir.write("cert.pem", &pair.certificate);
        let key = self.dir.write("key.pem", &pair.key);
        self.tls = Some(pair.connector());
        self.env("SEALCAST_TLS_CERT_FILE", certificate).env("SEALCAST_TLS_KEY_FILE", key)
    }

    /// Trusts this certificate, which the configuration names.
    pub fn trusting(mut self, pair: &TestCertificate) -> Self {
        self.tls = Some(pair.connector());
        self
    }

    /// Runs the command in this directory.
    pub fn in_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub fn ops(self) -> Self {
        self.arg("--ops-listen").arg("127.0.0.1:0")
    }

    pub fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn config(self, text: &str) -> Self {
        let path = self.dir.write("sealcast.toml", text);
        self.arg("--config").arg(path)
    }

    /// Sets the soft and the hard limit of file descriptors.
    pub fn descriptors(self, soft: u32, hard: u32) -> Self {
        self.after(&format!("ulimit -Sn {soft} && ulimit -Hn {hard}"))
    }

    pub fn umask(self, umask: &str) -> Self {
        self.after(&format!("umask {umask}"))
    }

    /// Closes standard input.
    pub fn without_stdin(self) -> Self {
        self.after("exec <&-")
    }

    /// Makes writes beyond this many KiB of a file fail, as on a full disk.
    pub fn file_size(self, kib: u32) -> Self {
        self.after(&format!("trap '' XFSZ && ulimit -f {kib}"))
    }

    /// Runs the command in a shell, after this script.
    fn after(mut self, first: &str) -> Self {
        let mut limited = Command::new("bash");
        let script = format!("{first} && exec \"$0\" \"$@\"");
        limited.arg("-c").arg(script).arg(self.command.get_program());
        limited.args(self.command.get_args()).current_dir(self.dir.path());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command = limited;
        self
    }

    /// Replaces the pipe to the test.
    pub fn stderr(mut self, stream: impl Into<Stdio>) -> Self {
        self.command.stderr(stream);
        self
    }

    pub fn stdout(mut self, stream: impl Into<Stdio>) -> Self {
        self.command.stdout(stream);
        self
    }

    pub fn dir(&self) -> &TempDir {
        &self.dir
    }

    /// Runs to the end and collects everything, with `input` on standard input.
    pub async fn output(mut self, input: &str) -> Output {
        use std::io::Write as _;
        let mut child = self.command.stdin(Stdio::piped()).spawn().expect("the binary starts");
        let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(input.as_bytes());
        }
        let status = wait(&mut child).await;
        Output { status, stdout: stdout.finish(), stderr: stderr.finish() }
    }

    /// Starts a command that runs until a signal.
    pub fn keep_running(mut self) -> RunningCommand {
        let mut child = self.command.spawn().expect("the binary starts");
        let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
        RunningCommand { child, stdout, stderr, _dir: self.dir }
    }

    /// Starts a server and waits until it prints its addresses.
    pub async fn start(self) -> TestServer {
        self.spawn().listening().await
    }

    /// Starts a server without waiting.
    pub fn spawn(mut self) -> StartingServer {
        let mut child = self.command.spawn().expect("the binary starts");
        let output = [collect(child.stdout.take()), collect(child.stderr.take())];
        let wants_ops = self.command.get_args().any(|arg| arg == "--ops-listen");
        StartingServer { child, output, wants_ops, dir: self.dir, tls: self.tls }
    }
}

/// A server that does not listen yet.
pub struct StartingServer {
    child: Child,
    output: [CapturedOutput; 2],
    wants_ops: bool,
    pub dir: TempDir,
    tls: Option<TlsConnector>,
}

impl StartingServer {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for the end.
    pub async fn ended(mut self) -> Output {
        let status = wait(&mut self.child).await;
        let [stdout, stderr] = self.output;
        Output { status, stdout: stdout.finish(), stderr: stderr.finish() }
    }

    pub async fn listening(self) -> TestServer {
        let Self { mut child, output: [stdout, stderr], wants_ops, dir, tls } = self;
        let end = Instant::now() + DEADLINE;
        loop {
            let text = stdout.text();
            let scheme = if tls.is_some() { "https" } else { "http" };
            let addr = address(&text, &format!("listening on {scheme}://"));
            // A listener on a Unix socket has no address.
            let on_file = || text.contains("listening on unix:");
            let addr = addr.or_else(|| on_file().then(|| SocketAddr::from(([0; 4], 0))));
            let ops = address(&text, "operations on http://");
            if let (Some(addr), true) = (addr, ops.is_some() || !wants_ops) {
                return TestServer::new(child, addr, ops, [stdout, stderr], dir, tls);
            }
            let ended = child.try_wait().expect("the child can be asked");
            if ended.is_some() || Instant::now() > end {
                let _ = child.kill();
                panic!("no server ({ended:?}):\n{}\n{}", stdout.finish(), stderr.finish());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A running command other than a server; killed on drop.
pub struct RunningCommand {
    child: Child,
    stdout: CapturedOutput,
    stderr: CapturedOutput,
    _dir: TempDir,
}

impl RunningCommand {
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &pid]).status();
        assert!(status.is_ok_and(|s| s.success()), "kill -s {name} {pid}");
    }

    pub async fn ended(mut self) -> Output {
        let status = wait(&mut self.child).await;
        let end = Instant::now() + DEADLINE;
        while !(self.stdout.thread.is_finished() && self.stderr.thread.is_finished())
            && Instant::now() < end
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Output { status, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn address(stdout: &str, before: &str) -> Option<SocketAddr> {
    let (lines, _) = stdout.rsplit_once('\n')?;
    lines.lines().find_map(|line| line.trim().strip_prefix(before)?.parse().ok())
}

pub(super) fn signal(pid: u32, name: &str) {
    let pid = pid.to_string();
    let status = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &pid]).status();
    assert!(status.is_ok_and(|s| s.success()), "kill -s {name} {pid}");
}

pub(super) async fn wait(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().expect("the child can be asked") {
            return status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("the process did not end within {DEADLINE:?}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// All output of a pipe, read by a thread so that the child never blocks; empty if the test reads
/// the stream itself.
pub(super) struct CapturedOutput {
    bytes: Arc<Mutex<Vec<u8>>>,
    pub(super) thread: std::thread::JoinHandle<()>,
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> CapturedOutput {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&bytes);
    let thread = std::thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = pipe.read(&mut chunk) {
            lock(&shared).extend_from_slice(&chunk[..n]);
        }
    });
    CapturedOutput { bytes, thread }
}

impl CapturedOutput {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.bytes)).into_owned()
    }

    fn finish(self) -> String {
        let _ = self.thread.join();
        String::from_utf8_lossy(&lock(&self.bytes)).into_owned()
    }
}
