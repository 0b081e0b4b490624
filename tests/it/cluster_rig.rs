//! The rig of the tests with several nodes, on servers that do not know each other.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn j_door_gives_each_connection_to_the_next_server() {
    let (mut first, second) = (
        Launch::serve_plain(&config("")).start().await,
        Launch::serve_plain(&config("")).start().await,
    );
    let own = first.addr;
    let door = Door::start(vec![own, second.addr]);
    first.addr = door.addr;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = first.connect().await;
        client.subscribe("news").await;
        clients.push(client);
    }
    for server in [&first, &second] {
        server.until_stat("sockets", 2).await;
    }
    // A large event crosses it whole, and only the clients of that server get it.
    first.addr = own;
    let data = "x".repeat(9000);
    first.publish("news", "e", &data).await;
    for client in [0, 2] {
        assert_eq!(clients[client].expect_event("e").await, json!(data));
    }
    clients[1].expect_silence().await;
    // The end of a server closes its connections, and the door passes over it.
    second.signal("KILL");
    second.killed().await;
    clients[1].expect_end().await;
    first.addr = door.addr;
    for _ in 0..3 {
        clients.push(first.connect().await);
    }
    first.until_stat("sockets", 5).await;
    drop(clients);
    // It sends further connections where it is told to.
    door.lead_to(vec![]);
    let mut refused = TcpStream::connect(door.addr).expect("the door accepts");
    assert!(has_ended(&mut refused), "no server is left");
    door.lead_to(vec![own]);
    // Its end closes what is open.
    let mut idle = TcpStream::connect(door.addr).expect("the door accepts");
    drop(door);
    assert!(has_ended(&mut idle), "the door is gone");
    first.addr = own;
    first.stop().await;
}

/// Another program may have its port by now: only an open connection shows the end.
fn has_ended(connection: &mut TcpStream) -> bool {
    connection.set_read_timeout(Some(DEADLINE)).expect("a socket option");
    match connection.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(err) => err.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn j_redis_of_a_test_is_dumped_monitored_and_flushed() {
    let redis = Redis::start();
    let monitor = redis.monitor();
    for words in [
        &["SET", "string", "in-a-string"][..],
        &["HSET", "hash", "in-a-field", "in-a-hash"],
        &["SADD", "set", "in-a-set"],
        &["RPUSH", "list", "in-a-list"],
        &["ZADD", "zset", "7", "in-a-zset"],
        &["XADD", "stream", "*", "in-a-name", "in-a-stream"],
    ] {
        redis.ask(words).expect("a command");
        let last = words[words.len() - 1];
        let holds = |bytes: &[u8]| bytes.windows(last.len()).any(|part| part == last.as_bytes());
        assert!(holds(&redis.dump()), "{last} in the dump");
    }
    for text in ["in-a-field", "in-a-name", "zset"] {
        let dump = String::from_utf8(redis.dump()).expect("text");
        assert!(dump.contains(text), "{text} in {dump}");
    }
    redis.ask(&["ECHO", "the-end"]).expect("a command");
    monitor.until_it_has("the-end");
    assert!(monitor.text().contains("\"in-a-stream\""), "{}", monitor.text());
    redis.flush();
    assert_eq!(redis.dump(), b"");
}

#[test]
fn j_redis_of_a_test_stops_goes_on_restarts_and_ends() {
    let mut redis = Redis::start();
    redis.ask(&["SET", "a", "1"]).expect("SET");
    redis.signal("STOP");
    assert!(redis.state().starts_with('T'), "{}", redis.state());
    redis.signal("CONT");
    assert_ne!(redis.dump(), b"");
    let url = redis.url();
    redis.signal("KILL");
    redis.restart();
    assert_eq!((redis.url(), redis.dump()), (url, Vec::new()));
    redis.set("maxmemory-policy", "allkeys-lru");
    let mut idle = TcpStream::connect(redis.addr()).expect("Redis accepts");
    drop(redis);
    assert!(has_ended(&mut idle), "Redis is gone");
}

#[test]
fn j_all_tests_of_this_process_share_one_redis() {
    let pings = [Redis::shared(), Redis::shared()].map(|redis| redis.ask(&["PING"]));
    assert!(pings.iter().all(Result::is_ok), "{pings:?}");
    assert_eq!(Redis::shared().url(), Redis::shared().url());
    let sections = [(); 2].map(|()| ClusterSection::on(Redis::shared()));
    assert_ne!(sections[0].prefix(), sections[1].prefix());
}

/// The sections that the rig writes are good.
#[tokio::test]
async fn j_configuration_of_a_node_is_accepted() {
    let section = ClusterSection::on(Redis::shared()).with("when_away = \"refuse\"");
    let other = section.clone().key("another cluster").url("redis://:secret@localhost".to_owned());
    for section in [section, other] {
        let text = section.config(&config(""));
        let output = Launch::new(&["config", "check"]).config(&text).output("").await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stdout.contains("the configuration is good"), "{output:?}");
    }
}
