//! With the variable `IT_CLUSTER`, all that the shared Redis is told and keeps is searched for what
//! clients and backends of the tests say: names, users and payloads.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{LazyLock, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::process::{lock, signal};
use super::{Masters, Redis, base64, hex};

/// What is shorter may be found by chance.
const SHORTEST: usize = 8;
/// Longer texts are found by their beginning.
const LONGEST: usize = 48;
/// All keys are read once in this time.
const DUMP_INTERVAL: Duration = Duration::from_secs(5);

static SAID: LazyLock<Option<Mutex<Words>>> =
    LazyLock::new(|| std::env::var_os("IT_CLUSTER").map(|_| Mutex::default()));

/// Clients and backends say this to servers from now on.
pub fn say(json: &Value) {
    if let Some(said) = &*SAID {
        lock(said).add_all(json);
    }
}

/// Ends the process when the shared Redis gets to see something of it.
pub fn listen_to_shared() {
    static LISTENING: OnceLock<()> = OnceLock::new();
    LISTENING.get_or_init(|| {
        let masters = Masters::shared().into_iter().flat_map(|masters| &masters.servers);
        masters.chain([Redis::shared()]).for_each(|redis| {
            let found = |what: &str, word: &str| {
                // The harness would keep what is printed.
                let _ = writeln!(std::io::stderr(), "Redis sees {word:?}, in {what}");
                end_children();
                std::process::exit(101);
            };
            let find = |bytes: &[u8]| SAID.as_ref().and_then(|said| lock(said).find(bytes));
            listen(redis, find, found);
        });
    });
}

/// The servers of tests that still run. Their guards are not dropped.
fn end_children() {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the threads of this process");
    for task in tasks.flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).for_each(|pid| {
            signal(pid, "KILL");
        });
    }
}

/// Searches in the background, as long as this Redis lives.
fn listen(
    redis: &'static Redis,
    find: impl Fn(&[u8]) -> Option<String> + Send + 'static,
    found: impl Fn(&str, &str) + Send + 'static,
) {
    let mut lines = monitor(redis.addr());
    std::thread::spawn(move || {
        let (mut line, mut next_dump) = (Vec::new(), Instant::now());
        while matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
            // The texts of the scripts are no secret.
            let is_script = line.windows(LOAD.len()).any(|part| part == LOAD);
            if let Some(word) = find(&line).filter(|_| !is_script) {
                found(&String::from_utf8_lossy(&line), &word);
            }
            line.clear();
            if next_dump <= Instant::now() {
                next_dump = Instant::now() + DUMP_INTERVAL;
                if let Some(word) = find(&redis.dump()) {
                    found("a key", &word);
                }
            }
        }
    });
}

const LOAD: &[u8] = b"\"SCRIPT\" \"LOAD\"";

fn monitor(addr: SocketAddr) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(addr).expect("Redis accepts a connection");
    stream.write_all(b"MONITOR\r\n").expect("a command");
    let (mut lines, mut first) = (BufReader::new(stream), String::new());
    lines.read_line(&mut first).expect("a reply");
    assert_eq!(first, "+OK\r\n", "MONITOR");
    lines
}

type Head = [u8; SHORTEST];

/// Texts in clear, in hex, and in each alignment of base64, by their heads.
#[derive(Default)]
struct Words {
    by_head: HashMap<Head, Vec<(Vec<u8>, String)>>,
    /// Whether a head begins with these two bytes.
    pairs: Pairs,
}

struct Pairs(Vec<bool>);

impl Default for Pairs {
    fn default() -> Self {
        Self(vec![false; 1 << 16])
    }
}

impl Words {
    /// All texts in it, also in texts that are JSON themselves.
    fn add_all(&mut self, json: &Value) {
        match json {
            Value::Array(items) => items.iter().for_each(|item| self.add_all(item)),
            Value::Object(fields) => fields.values().for_each(|value| self.add_all(value)),
            Value::String(text) => match serde_json::from_str(text) {
                Ok(inner @ (Value::Array(_) | Value::Object(_))) => self.add_all(&inner),
                _ => self.add(text),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn add(&mut self, text: &str) {
        // `MONITOR` writes other bytes in another way.
        let is_plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
        let Some(text) = text.split(|c| !is_plain(c)).max_by_key(|part| part.len()) else { return };
        let text = &text[..text.len().min(LONGEST)];
        let mut letters: Vec<u8> = text.bytes().filter(u8::is_ascii_alphabetic).collect();
        letters.sort_unstable();
        letters.dedup();
        if text.len() < SHORTEST || letters.len() < 4 {
            return;
        }
        let bytes = text.as_bytes();
        self.insert(bytes.to_vec(), text);
        self.insert(hex(bytes).into_bytes(), text);
        for cut in 0..3 {
            let whole = &bytes[cut..bytes.len() - (bytes.len() - cut) % 3];
            self.insert(base64(whole).into_bytes(), text);
        }
    }

    fn insert(&mut self, spelling: Vec<u8>, text: &str) {
        let Some(head) = spelling.first_chunk::<SHORTEST>() else { return };
        self.pairs.0[pair(head[0], head[1])] = true;
        let spellings = self.by_head.entry(*head).or_default();
        if spellings.iter().all(|(known, _)| *known != spelling) {
            spellings.push((spelling, text.to_owned()));
        }
    }

    fn find(&self, bytes: &[u8]) -> Option<String> {
        let may_begin = |at: &usize| self.pairs.0[pair(bytes[*at], bytes[*at + 1])];
        let heads = 0..bytes.len().saturating_sub(SHORTEST - 1);
        heads.filter(may_begin).find_map(|at| {
            let rest = &bytes[at..];
            let words = self.by_head.get(rest.first_chunk::<SHORTEST>()?)?;
            let found = words.iter().find(|(spelling, _)| rest.starts_with(spelling));
            found.map(|(_, text)| text.clone())
        })
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use serde_json::json;

    use super::*;

    fn words() -> Words {
        let mut words = Words::default();
        let info = json!({"user_id": "userinclear", "user_info": {"name": "infoinclear"}});
        words.add_all(&json!({
            "name": "eventinclear",
            "channels": ["presence-inclear"],
            "data": info.to_string(),
            "short": "e",
            "even": "xxxxxxxxxxxxxxxx",
            "number": "1234567890",
        }));
        words
    }

    #[test]
    fn words_are_found_in_each_spelling() {
        let words = words();
        for word in ["userinclear", "infoinclear", "eventinclear", "presence-inclear"] {
            for text in [format!("x {word}"), hex(word.as_bytes())] {
                assert_eq!(words.find(text.as_bytes()).as_deref(), Some(word), "{text}");
            }
            for before in ["", "1", "12"] {
                let text = base64(format!("{before}{word} and more").as_bytes());
                assert_eq!(words.find(text.as_bytes()).as_deref(), Some(word), "{text}");
            }
        }
        for text in ["", "short", "xxxxxxxxxxxxxxxxxx", "1234567890", "userin clear"] {
            assert_eq!(words.find(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn words_are_found_in_commands_and_in_keys() {
        static REDIS: LazyLock<Redis> = LazyLock::new(Redis::start);
        let (found, findings) = mpsc::channel();
        REDIS.ask(&["SET", "a-key", "eventinclear"]).expect("OK");
        let words = words();
        listen(
            &REDIS,
            move |bytes| words.find(bytes),
            move |what, word| drop(found.send(format!("{word} in {what}"))),
        );
        let next = || findings.recv_timeout(Duration::from_secs(20)).expect("a finding");
        REDIS.ask(&["PING"]).expect("PONG");
        assert_eq!(next(), "eventinclear in a key");
        REDIS.ask(&["ECHO", "userinclear"]).expect("an echo");
        let next = next();
        assert!(next.starts_with("userinclear in ") && next.contains("\"ECHO\""), "{next}");
        REDIS.ask(&["SCRIPT", "LOAD", "-- infoinclear"]).expect("a script");
        REDIS.ask(&["ECHO", "presence-inclear"]).expect("an echo");
        assert!(findings.recv().expect("the last").starts_with("presence-inclear in "));
        REDIS.signal("KILL");
    }
}
