//! One master, two replicas and three Sentinels.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use redis::{Client, Cmd, Connection, Value};

use super::server::{RedisServer, ask, free_port};

/// Far beyond the time of a failover.
const PATIENCE: Duration = Duration::from_secs(60);
pub const MASTER: &str = "shop";
/// What nodes ask for.
const SAFE: [&str; 4] = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "10"];

pub struct SentinelScene {
    /// The first one begins as the master.
    pub servers: Vec<RedisServer>,
    pub sentinels: Vec<Sentinel>,
}

pub struct Sentinel {
    child: Child,
    directory: PathBuf,
    pub port: u16,
    login: &'static str,
}

impl SentinelScene {
    pub fn start() -> Self {
        let master = RedisServer::start_with(&SAFE);
        let replica_of = format!("127.0.0.1 {}", master.port());
        let delay = ["--repl-diskless-sync-delay", "0"];
        let options = [&["--replicaof", &replica_of][..], &SAFE, &delay].concat();
        let replicas = [(); 2].map(|()| RedisServer::start_with(&options));
        let sentinels = (0..3).map(|_| Sentinel::start(master.port(), "")).collect();
        let servers = [master].into_iter().chain(replicas).collect();
        let scene = Self { servers, sentinels };
        scene.until_complete();
        scene
    }

    /// The ports of all Sentinels.
    pub fn ports(&self) -> Vec<u16> {
        self.sentinels.iter().map(|it| it.port).collect()
    }

    pub fn master_port(&self) -> Option<u16> {
        self.sentinels.iter().find_map(Sentinel::master_port)
    }

    /// In order, as an operator does it.
    pub fn fail_over(&self) {
        let mut command = redis::cmd("SENTINEL");
        command.arg("FAILOVER").arg(MASTER);
        self.sentinels[0].ask(&command).expect("a failover begins");
    }

    /// Every Sentinel knows the others and both replicas, and the master has them.
    fn until_complete(&self) {
        let deadline = Instant::now() + PATIENCE;
        let is_complete = |sentinel: &Sentinel| {
            let known = |what: &str| {
                let list = sentinel.ask(redis::cmd("SENTINEL").arg(what).arg(MASTER));
                list.ok().and_then(|it| it.into_sequence().ok()).map_or(0, |list| list.len())
            };
            known("REPLICAS") == 2 && known("SENTINELS") == 2
        };
        while !self.sentinels.iter().all(is_complete) || !self.has_replicas() {
            assert!(Instant::now() < deadline, "the Sentinels do not find each other");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn has_replicas(&self) -> bool {
        let info = ask(&mut self.servers[0].connect(), redis::cmd("INFO").arg("replication"));
        let info: String = redis::from_redis_value(info.expect("INFO")).expect("text");
        info.contains("min_slaves_good_slaves:2")
    }
}

impl Sentinel {
    /// `password` is asked for, unless it is empty.
    pub fn start(master: u16, password: &'static str) -> Self {
        (0..5).find_map(|_| Self::try_start(master, password)).expect("a Sentinel starts")
    }

    pub fn stop(&self) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args(["-STOP", &process]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    pub fn ask(&self, command: &Cmd) -> redis::RedisResult<Value> {
        ask(&mut self.connect()?, command)
    }

    fn master_port(&self) -> Option<u16> {
        let mut command = redis::cmd("SENTINEL");
        let answer = self.ask(command.arg("GET-MASTER-ADDR-BY-NAME").arg(MASTER)).ok()?;
        let (_, port): (String, u16) = redis::from_redis_value(answer).ok()?;
        Some(port)
    }

    fn connect(&self) -> redis::RedisResult<Connection> {
        let login = match self.login {
            "" => String::new(),
            password => format!(":{password}@"),
        };
        let client = Client::open(format!("redis://{login}127.0.0.1:{}", self.port))?;
        client.get_connection_with_timeout(Duration::from_secs(1))
    }

    fn try_start(master: u16, password: &'static str) -> Option<Self> {
        let port = free_port();
        let directory = std::env::temp_dir().join(format!("sealcast-sentinel-{port}"));
        std::fs::create_dir_all(&directory).expect("a directory");
        let secret = match password {
            "" => String::new(),
            password => format!("requirepass {password}\n"),
        };
        let text = format!(
            "port {port}\nbind 127.0.0.1\n{secret}\
             sentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} 1500\n\
             sentinel failover-timeout {MASTER} 6000\n\
             sentinel parallel-syncs {MASTER} 2\n"
        );
        let file = directory.join("sentinel.conf");
        std::fs::write(&file, text).expect("a file");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "redis-server"])
            .arg(&file)
            .arg("--sentinel")
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need redis-server 7");
        let sentinel = Self { child, directory, port, login: password };
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if sentinel.ask(&redis::cmd("PING")).is_ok() {
                return Some(sentinel);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
