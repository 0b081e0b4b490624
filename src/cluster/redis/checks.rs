//! The first questions on each connection: is this a Redis that nodes can rely on, and which one?

use std::time::Instant;

use bytes::Bytes;
use redis::{Cmd, Value};

use super::{link::LinkError, refusals::Refusal};

/// A master and its data. Another one may have lost what was acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterRun(Bytes);

/// The answer of a usable master.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Master {
    pub run: MasterRun,
    /// Its clock when it answered.
    time_ms: u64,
    answered: Instant,
}

impl Master {
    /// Its clock now. Clocks of masters differ.
    pub fn now_ms(&self) -> u64 {
        let since = self.answered.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        self.time_ms.saturating_add(since)
    }
}

const OLDEST_MAJOR_VERSION: u32 = 7;
const NO_EVICTION: &str = "noeviction";

impl MasterRun {
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

/// `name` shows in the list of clients.
pub fn commands(name: &str) -> [Cmd; 6] {
    let info = |section: &str| {
        let mut command = redis::cmd("INFO");
        command.arg(section);
        command
    };
    let mut set_name = redis::cmd("CLIENT");
    set_name.arg("SETNAME").arg(name);
    // One section a command: before version 7 several are an error, and hide the version.
    let [role, time] = ["ROLE", "TIME"].map(redis::cmd);
    [set_name, role, info("server"), info("memory"), info("replication"), time]
}

/// Whether another server may take the master's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failover {
    Expected,
    /// Unless it has replicas.
    Unexpected,
}

/// Reads the answers to `commands`.
pub fn check(answers: Vec<Value>, failover: Failover) -> Result<Master, LinkError> {
    let answers = <[Value; 6]>::try_from(answers).map_err(|_| LinkError::NotRedis)?;
    let [_, role, server, memory, replication, time] = &answers;
    let names = ["CLIENT SETNAME", "ROLE", "INFO", "INFO", "INFO", "TIME"];
    for (answer, command) in answers.iter().zip(names) {
        accept(answer, command)?;
    }
    check_role(role)?;
    let [server, memory, replication] = [server, memory, replication].map(Section::new);
    check_version(server.get("redis_version").ok_or(LinkError::NotRedis)?)?;
    match memory.get("maxmemory_policy") {
        Some(NO_EVICTION) => {}
        Some(_) => return Err(LinkError::Evicts),
        None => return Err(LinkError::NotRedis),
    }
    check_replicas(&replication, failover)?;
    let run = server.get("run_id").ok_or(LinkError::NotRedis)?;
    let data = replication.get("master_replid").ok_or(LinkError::NotRedis)?;
    let run = MasterRun(format!("{run}:{data}").into());
    let time_ms = milliseconds(time).ok_or(LinkError::NotRedis)?;
    Ok(Master { run, time_ms, answered: Instant::now() })
}

/// An error reply, by what it means for the whole connection.
pub fn accept(answer: &Value, command: &'static str) -> Result<(), LinkError> {
    match answer {
        Value::ServerError(error) => Err(refused(Refusal::of_server(error), error, command)),
        _ => Ok(()),
    }
}

fn refused(refusal: Refusal, error: &redis::ServerError, command: &'static str) -> LinkError {
    match (refusal, error.code()) {
        (Refusal::Away, "READONLY" | "MASTERDOWN") => LinkError::Replica,
        (Refusal::Away, "LOADING") => LinkError::Loading,
        (Refusal::Away, "NOREPLICAS") => LinkError::ReplicasMissing,
        (Refusal::Away, "MISCONF") => LinkError::DiskFailing,
        (Refusal::Away, _) => LinkError::Busy,
        (Refusal::SlotMoved, _) => LinkError::SlotMoved,
        (Refusal::SlotMoving, _) => LinkError::SlotMoving,
        (Refusal::Full, _) => LinkError::Full,
        (Refusal::Forbidden, "NOPERM") => LinkError::Forbidden { command },
        (Refusal::Forbidden, _) => LinkError::Login,
        (Refusal::ScriptMissing, _) => LinkError::ScriptMissing,
        (Refusal::Broken, _) => LinkError::Broken { command },
    }
}

fn check_role(role: &Value) -> Result<(), LinkError> {
    let Value::Array(parts) = role else { return Err(LinkError::NotRedis) };
    match parts.first().and_then(text) {
        Some("master") => Ok(()),
        Some("slave") => Err(LinkError::Replica),
        Some("sentinel") => Err(LinkError::Sentinel),
        _ => Err(LinkError::NotRedis),
    }
}

fn check_version(version: &str) -> Result<(), LinkError> {
    let major = version.split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(major) if major >= OLDEST_MAJOR_VERSION => Ok(()),
        Some(major) => Err(LinkError::OldVersion { major }),
        None => Err(LinkError::NotRedis),
    }
}

/// The field of good replicas is there if, and only if, writes wait for some. A master that was just
/// promoted may have no replica yet.
fn check_replicas(replication: &Section, failover: Failover) -> Result<(), LinkError> {
    let replicas = replication.get("connected_slaves").and_then(|count| count.parse::<u32>().ok());
    match (replicas, replication.get("min_slaves_good_slaves")) {
        (None, _) => Err(LinkError::NotRedis),
        (Some(1..), None) => Err(LinkError::UnsafeReplicas),
        (Some(0), None) if failover == Failover::Expected => Err(LinkError::UnsafeReplicas),
        _ => Ok(()),
    }
}

/// The lines `name:value` of a section of INFO.
struct Section<'a>(&'a str);

impl<'a> Section<'a> {
    fn new(answer: &'a Value) -> Self {
        Self(text(answer).unwrap_or_default())
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let mut lines = self.0.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
    }
}

/// The answer to TIME: seconds and microseconds.
pub fn milliseconds(time: &Value) -> Option<u64> {
    let Value::Array(parts) = time else { return None };
    let mut numbers = parts.iter().map(|part| text(part)?.parse::<u64>().ok());
    let (seconds, micros) = (numbers.next()??, numbers.next()??);
    seconds.checked_mul(1000)?.checked_add(micros / 1000)
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn info(text: &str) -> Value {
        Value::BulkString(text.replace(' ', "\r\n").into_bytes())
    }

    fn answers(role: &str, server: &str, memory: &str, replication: &str) -> Vec<Value> {
        let role = Value::Array(vec![info(role), Value::Int(0), Value::Array(vec![])]);
        let time = Value::Array(vec![info("1700000000"), info("123456")]);
        vec![Value::Okay, role, info(server), info(memory), info(replication), time]
    }

    fn checked(role: &str, version: &str, memory: &str, replicas: &str) -> Result<(), LinkError> {
        let server = format!("redis_version:{version} run_id:aa");
        let replication = format!("master_replid:bb {replicas}");
        let answers = answers(role, &server, memory, &replication);
        check(answers, Failover::Unexpected).map(|_| ())
    }

    const KEEPS: &str = "maxmemory:0 maxmemory_policy:noeviction";
    const ALONE: &str = "connected_slaves:0";

    #[test]
    fn run_names_the_process_and_its_data() {
        let replication = "role:master connected_slaves:0 master_replid:bb";
        let answers = answers("master", "redis_version:7.0.15 run_id:aa", KEEPS, replication);
        let master = check(answers, Failover::Unexpected).expect("a master");
        assert_eq!(master.run.as_bytes(), "aa:bb");
        assert_eq!(master.time_ms, 1_700_000_000_123);
    }

    #[test]
    fn clock_goes_on_after_the_answer() {
        let replication = format!("{ALONE} master_replid:bb");
        let answers = answers("master", "redis_version:7.0.15 run_id:aa", KEEPS, &replication);
        let mut master = check(answers, Failover::Unexpected).expect("a master");
        master.answered -= Duration::from_secs(2);
        assert!(master.now_ms() >= 1_700_000_002_123);
    }

    #[test]
    fn versions_from_7_on_are_accepted() {
        for version in ["7.0.15", "7.2.4", "8.0.0", "10.1"] {
            assert_eq!(checked("master", version, KEEPS, ALONE), Ok(()), "{version}");
        }
        let old = Err(LinkError::OldVersion { major: 6 });
        assert_eq!(checked("master", "6.2.14", KEEPS, ALONE), old);
        assert_eq!(checked("master", "latest", KEEPS, ALONE), Err(LinkError::NotRedis));
    }

    #[test]
    fn only_masters_are_accepted() {
        assert_eq!(checked("slave", "7.0.15", KEEPS, ALONE), Err(LinkError::Replica));
        assert_eq!(checked("sentinel", "7.0.15", KEEPS, ALONE), Err(LinkError::Sentinel));
        assert_eq!(checked("cat", "7.0.15", KEEPS, ALONE), Err(LinkError::NotRedis));
    }

    #[test]
    fn j19_redis_that_evicts_is_refused() {
        for policy in ["allkeys-lru", "volatile-ttl"] {
            let memory = format!("maxmemory_policy:{policy}");
            assert_eq!(checked("master", "7.0.15", &memory, ALONE), Err(LinkError::Evicts));
        }
    }

    #[test]
    fn je9_master_with_replicas_must_wait_for_one() {
        let waits = "connected_slaves:1 min_slaves_good_slaves:1";
        assert_eq!(checked("master", "7.0.15", KEEPS, waits), Ok(()));
        let unsafe_replicas = Err(LinkError::UnsafeReplicas);
        assert_eq!(checked("master", "7.0.15", KEEPS, "connected_slaves:1"), unsafe_replicas);
        // One that Sentinels name will get a replica again.
        for (alone, expected) in [
            (ALONE, Err(LinkError::UnsafeReplicas)),
            ("connected_slaves:0 min_slaves_good_slaves:0", Ok(())),
        ] {
            let replication = format!("master_replid:bb {alone}");
            let server = "redis_version:7.0.15 run_id:aa";
            let answers = answers("master", server, KEEPS, &replication);
            assert_eq!(check(answers, Failover::Expected).map(|_| ()), expected);
        }
    }

    #[test]
    fn error_replies_are_named_by_their_cure() {
        for (line, expected) in [
            ("NOPERM no permissions", LinkError::Forbidden { command: "ROLE" }),
            ("READONLY a replica", LinkError::Replica),
            ("LOADING dataset", LinkError::Loading),
            ("OOM command not allowed", LinkError::Full),
            ("NOREPLICAS not enough", LinkError::ReplicasMissing),
            ("MISCONF disk", LinkError::DiskFailing),
            ("CLUSTERDOWN hash slot", LinkError::Busy),
            ("MOVED 1 127.0.0.1:1", LinkError::SlotMoved),
            ("ERR unknown command", LinkError::Broken { command: "ROLE" }),
        ] {
            let error = redis::parse_redis_value(format!("-{line}\r\n").as_bytes());
            let mut all = answers("master", "", "", "");
            all[1] = error.expect("an error reply");
            assert_eq!(check(all, Failover::Unexpected), Err(expected), "{line}");
        }
    }
}
