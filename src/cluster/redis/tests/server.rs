//! A Redis for one test: on loopback, without persistence, in a directory of its own.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use redis::{Client, Cmd, Connection, ConnectionLike, RedisResult, Value};

const START_TIMEOUT: Duration = Duration::from_secs(20);

pub struct RedisServer {
    child: Child,
    directory: PathBuf,
    port: u16,
}

impl RedisServer {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A cluster of one master with all slots. It refuses what more masters would refuse.
    pub fn start_cluster() -> Self {
        let bus = free_port().to_string();
        let server = Self::start_with(&["--cluster-enabled", "yes", "--cluster-port", &bus]);
        let mut connection = server.connect();
        let mut slots = redis::cmd("CLUSTER");
        ask(&mut connection, slots.arg("ADDSLOTSRANGE").arg(0).arg(16383)).expect("all slots");
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            let state = ask(&mut connection, redis::cmd("CLUSTER").arg("INFO"));
            let state: String =
                state.and_then(|it| Ok(redis::from_redis_value(it)?)).expect("a state");
            if state.contains("cluster_state:ok") {
                return server;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the cluster of one master is not up");
    }

    /// It answers nobody, and loses nothing.
    pub fn stop(&self) {
        self.signal("STOP");
    }

    pub fn go_on(&self) {
        self.signal("CONT");
    }

    pub fn kill(&self) {
        self.signal("KILL");
    }

    fn signal(&self, signal: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &process]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{signal}");
    }

    /// On the same port, and without its data.
    pub fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = spawn(self.port, &self.directory, &[]);
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.is_ours() {
            assert!(Instant::now() < deadline, "redis-server has not started again");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// All commands from now on, those of scripts included.
    pub fn monitor(&self) -> Monitor {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.set_read_timeout(Some(START_TIMEOUT)).expect("a timeout");
        stream.write_all(b"MONITOR\r\n").expect("a command");
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"+OK\r\n");
        Monitor(stream)
    }

    /// Another program may take the free port before Redis does: then the next one is tried.
    pub fn start_with(options: &[&str]) -> Self {
        (0..5).find_map(|_| Self::try_start(options)).expect("redis-server has not started")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn connect(&self) -> Connection {
        self.connect_as("")
    }

    /// `user` is `NAME:PASSWORD@`, or empty for the one without a password.
    pub fn connect_as(&self, user: &str) -> Connection {
        let url = format!("redis://{user}127.0.0.1:{}/?protocol=resp3", self.port);
        let connection = Client::open(url).and_then(|client| client.get_connection());
        let connection = connection.expect("Redis accepts a connection");
        connection.set_read_timeout(Some(START_TIMEOUT)).expect("a timeout");
        connection
    }

    fn try_start(options: &[&str]) -> Option<Self> {
        let port = free_port();
        let directory = std::env::temp_dir().join(format!("sealcast-redis-{port}"));
        std::fs::create_dir_all(&directory).expect("a directory");
        let child = spawn(port, &directory, options);
        let mut server = Self { child, directory, port };
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if server.child.try_wait().expect("the state of redis-server").is_some() {
                return None;
            }
            if server.is_ours() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// Another server on the same port would answer with another process id.
    fn is_ours(&self) -> bool {
        let url = format!("redis://127.0.0.1:{}/", self.port);
        let info = Client::open(url)
            .and_then(|client| client.get_connection())
            .and_then(|mut connection| ask(&mut connection, redis::cmd("INFO").arg("server")))
            .and_then(|info| Ok(redis::from_redis_value::<String>(info)?));
        let ours = format!("process_id:{}\r", self.child.id());
        info.is_ok_and(|info| info.contains(&ours))
    }
}

pub struct Monitor(TcpStream);

impl Monitor {
    /// All that was seen until `connection` says `end`.
    pub fn read_until(mut self, connection: &mut Connection, end: &str) -> Vec<u8> {
        ask(connection, redis::cmd("PING").arg(end)).expect("an echo");
        let (mut seen, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        while !seen.windows(end.len()).any(|part| part == end.as_bytes()) {
            let read = self.0.read(&mut buffer).expect("more commands");
            assert!(read > 0, "Redis has ended the connection");
            seen.extend_from_slice(&buffer[..read]);
        }
        seen
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Sends one command. An error reply is an error.
pub fn ask(connection: &mut Connection, command: &Cmd) -> RedisResult<Value> {
    connection.req_command(command)?.extract_error()
}

pub fn free_port() -> u16 {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    address.expect("a free port").port()
}

fn spawn(port: u16, directory: &Path, options: &[&str]) -> Child {
    // `SEALCAST_TEST_REDIS` is the path of another engine, such as Valkey.
    let engine = std::env::var_os("SEALCAST_TEST_REDIS").unwrap_or_else(|| "redis-server".into());
    // A test that is killed drops nothing: Redis then ends with the thread that started it.
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(engine)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .args(options)
        .arg("--dir")
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("these tests need redis-server 7 (Debian package `redis-server`)")
}
