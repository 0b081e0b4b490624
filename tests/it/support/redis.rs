//! A Redis on loopback, without persistence, in a directory of its own.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use redis::{Cmd, Connection, FromRedisValue, RedisResult, Value};

use super::TempDir;
use super::process::{lock, signal};

const START_TIMEOUT: Duration = Duration::from_secs(20);
const DATA_FILE: &str = "dump.rdb";

/// Ends Redis when standard input ends. It ends with the test process, however that dies; a signal
/// for the death of a parent would come when the thread of the first test ends.
const GUARD: &str = r#"
trap '' INT TERM HUP
"$ENGINE" "$@" </dev/null >/dev/null 2>&1 &
echo $!
read -r _
kill -9 %1 2>/dev/null
wait
rm -rf "$DIRECTORY"
"#;

pub struct Redis {
    guard: Option<Child>,
    pid: u32,
    port: u16,
    options: Vec<String>,
}

impl Redis {
    /// The one that all tests of this process share. It ends with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Redis> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One for this test alone.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Another program may take the free port before Redis does: then the next one is tried.
    pub fn start_with(options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let started = (0..5).find_map(|_| Self::try_start(free_port(), options.clone(), None));
        started.expect("these tests need redis-server 7 (Debian package `redis-server`)")
    }

    /// Kills this one and starts it again on the same port, empty.
    pub fn restart(&mut self) {
        self.restart_with(None);
    }

    /// The same with the data of before.
    pub fn restart_from(&mut self, saved: &[u8]) {
        self.restart_with(Some(saved));
    }

    fn restart_with(&mut self, saved: Option<&[u8]>) {
        self.end();
        let (port, options) = (self.port, self.options.clone());
        let started = (0..5).find_map(|_| Self::try_start(port, options.clone(), saved));
        *self = started.expect("Redis starts again on its port");
    }

    /// All its data, as a file for `restart_from`.
    pub fn save(&self) -> Vec<u8> {
        self.ask(&["SAVE"]).expect("SAVE");
        std::fs::read(self.data_file()).expect("the saved data")
    }

    fn data_file(&self) -> PathBuf {
        let directory = self.ask(&["CONFIG", "GET", "dir"]).expect("CONFIG GET");
        let mut directory: HashMap<String, String> =
            redis::from_redis_value(directory).expect("a setting");
        PathBuf::from(directory.remove("dir").expect("the directory")).join(DATA_FILE)
    }

    /// From now on it cannot save, and refuses all writes therefore.
    pub fn block_saving(&self) -> SavingObstacle {
        let file = self.data_file();
        // Something in it: an empty directory could be replaced.
        std::fs::create_dir_all(file.join("obstacle")).expect("a directory");
        self.set("save", "3600 1");
        self.background_save();
        SavingObstacle(file)
    }

    /// Waits for its end, good or bad.
    fn background_save(&self) {
        self.ask(&["BGSAVE"]).expect("BGSAVE");
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let info: String =
                self.query(redis::cmd("INFO").arg("persistence")).expect("its state");
            if info.contains("rdb_bgsave_in_progress:0") {
                return;
            }
            assert!(Instant::now() < deadline, "Redis saves for ever");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// `STOP` makes it silent, `CONT` ends that, `KILL` ends it for good or until `restart`.
    pub fn signal(&self, name: &str) {
        signal(self.pid, name);
        while name == "STOP" && self.state() != "T" {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn flush(&self) {
        self.ask(&["FLUSHALL"]).expect("FLUSHALL");
    }

    pub fn set(&self, name: &str, value: &str) {
        self.ask(&["CONFIG", "SET", name, value]).expect("CONFIG SET");
    }

    /// It remembers the commands of users without the rights for them.
    pub fn expect_nothing_forbidden(&self) {
        let log = self.ask(&["ACL", "LOG"]).expect("ACL LOG");
        assert!(matches!(&log, Value::Array(denied) if denied.is_empty()), "{log:?}");
    }

    /// One command on a connection of its own.
    pub fn ask(&self, words: &[&str]) -> RedisResult<Value> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query(&mut self.connect()?)
    }

    pub fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        command.query(&mut self.connect()?)
    }

    /// All that this Redis is told from now on.
    pub fn monitor(&self) -> Monitor {
        Monitor::start(self.addr())
    }

    /// Names and values of all keys, byte for byte.
    pub fn dump(&self) -> Vec<u8> {
        let mut connection = self.connect().expect("Redis accepts a connection");
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).expect("keys");
        let mut bytes = Vec::new();
        for key in keys {
            append(&mut bytes, &Value::BulkString(key.clone()));
            let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).expect("a type");
            let read: &[&str] = match kind.as_str() {
                "none" => continue,
                "string" => &["GET"],
                "hash" => &["HGETALL"],
                "set" => &["SMEMBERS"],
                "list" => &["LRANGE", "0", "-1"],
                "zset" => &["ZRANGE", "0", "-1"],
                "stream" => &["XRANGE", "-", "+"],
                other => panic!("a key of the unknown type {other}"),
            };
            let mut command = redis::cmd(read[0]);
            let value: Value =
                command.arg(&key).arg(&read[1..]).query(&mut connection).expect("a value");
            append(&mut bytes, &value);
        }
        bytes
    }

    /// The one key of this pattern, if there is any.
    pub fn only_key(&self, pattern: &str) -> Option<Vec<u8>> {
        let mut connection = self.connect().expect("Redis accepts a connection");
        let keys = redis::cmd("KEYS").arg(pattern).query(&mut connection);
        let mut keys: Vec<Vec<u8>> = keys.expect("keys");
        assert!(keys.len() < 2, "{pattern} has {} keys", keys.len());
        keys.pop()
    }

    /// Adds made-up members of 16 bytes to a set: the same ones each time, up to that many.
    pub fn fill_set(&self, key: &[u8], members: u128) {
        let mut command = redis::cmd("SADD");
        command.arg(key);
        (0..members).for_each(|member| {
            command.arg(&member.to_be_bytes()[..]);
        });
        let added = self.connect().and_then(|mut connection| command.query(&mut connection));
        added.expect("SADD")
    }

    /// The state of its process, such as `T` for stopped.
    pub fn state(&self) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit_once(") ").map_or_else(String::new, |(_, fields)| fields[..1].to_owned())
    }

    fn connect(&self) -> RedisResult<Connection> {
        let connection = redis::Client::open(self.url())?.get_connection()?;
        connection.set_read_timeout(Some(START_TIMEOUT))?;
        Ok(connection)
    }

    fn try_start(port: u16, options: Vec<String>, saved: Option<&[u8]>) -> Option<Self> {
        let directory = TempDir::new().keep();
        if let Some(saved) = saved {
            std::fs::write(directory.join(DATA_FILE), saved).expect("the saved data is written");
        }
        let port_text = port.to_string();
        let given = ["--port", &port_text, "--bind", "127.0.0.1", "--dir", &path_text(&directory)];
        let quiet = ["--save", "", "--appendonly", "no", "--daemonize", "no"];
        let options_text: Vec<&str> = options.iter().map(String::as_str).collect();
        let (guard, pid) = guarded(&directory, &[&given[..], &quiet, &options_text].concat());
        let server = Self { guard: Some(guard), pid, port, options };
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline && server.is_running() {
            if server.is_ours() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    fn is_running(&self) -> bool {
        !matches!(self.state().as_str(), "" | "Z")
    }

    /// Another server on the same port would answer with another process id, or need a password.
    fn is_ours(&self) -> bool {
        let info = self.ask(&["INFO", "server"]).and_then(|it| Ok(redis::from_redis_value(it)?));
        info.is_ok_and(|info: String| info.contains(&format!("process_id:{}\r", self.pid)))
    }

    fn end(&mut self) {
        let Some(mut guard) = self.guard.take() else { return };
        drop(guard.stdin.take());
        let _ = guard.wait();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.end();
    }
}

/// Lies in the place of its data file.
pub struct SavingObstacle(PathBuf);

impl SavingObstacle {
    pub fn remove(self, redis: &Redis) {
        std::fs::remove_dir_all(&self.0).expect("it is there");
        redis.background_save();
    }
}

fn append(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::BulkString(text) => bytes.extend_from_slice(text),
        Value::SimpleString(text) => bytes.extend_from_slice(text.as_bytes()),
        Value::Int(number) => bytes.extend_from_slice(number.to_string().as_bytes()),
        Value::Array(items) | Value::Set(items) => items.iter().for_each(|it| append(bytes, it)),
        Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            append(bytes, key);
            append(bytes, value);
        }),
        // It has gone since its key was listed.
        Value::Nil => {}
        other => panic!("a value of an unknown kind: {other:?}"),
    }
    bytes.push(b'\n');
}

/// What `MONITOR` prints: all commands with their arguments, binary ones as `\x00`.
pub struct Monitor {
    stream: TcpStream,
    text: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Monitor {
    fn start(addr: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(addr).expect("Redis accepts a connection");
        stream.write_all(b"MONITOR\r\n").expect("a command");
        let mut lines = BufReader::new(stream.try_clone().expect("another handle"));
        let mut first = String::new();
        lines.read_line(&mut first).expect("a reply");
        assert_eq!(first, "+OK\r\n", "MONITOR");
        let text = Arc::<Mutex<String>>::default();
        let shared = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut line = String::new();
            while matches!(lines.read_line(&mut line), Ok(1..)) {
                lock(&shared).push_str(&line);
                line.clear();
            }
        });
        Self { stream, text, reader: Some(reader) }
    }

    /// Commands of other connections may be printed a moment later.
    pub fn until_it_has(&self, text: &str) {
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.text().contains(text) {
            assert!(Instant::now() < deadline, "{text} was not seen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn text(&self) -> String {
        lock(&self.text).clone()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Starts redis-server with these words, and its guard. The directory is removed at the end.
pub fn guarded(directory: &Path, words: &[&str]) -> (Child, u32) {
    let mut guard = Command::new("bash")
        .args(["-c", GUARD, "redis of a test"])
        .args(words)
        .env("DIRECTORY", directory)
        .env("ENGINE", engine())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("bash starts");
    let mut pid = String::new();
    let output = guard.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut pid).expect("the process id of Redis");
    (guard, pid.trim().parse().expect("a process id"))
}

fn path_text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// `SEALCAST_TEST_REDIS` is the path of another one, such as Valkey.
fn engine() -> std::ffi::OsString {
    std::env::var_os("SEALCAST_TEST_REDIS").unwrap_or_else(|| "redis-server".into())
}

pub fn free_port() -> u16 {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    address.expect("a free port").port()
}
