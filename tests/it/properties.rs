//! Properties for arbitrary input, tested with random values against a running server.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::*;

/// Fixed seeds: a failure can be repeated.
fn values<T>(count: usize, strategy: impl Strategy<Value = T>) -> impl Iterator<Item = T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(move |_| strategy.new_tree(&mut runner).expect("a value").current())
}

#[tokio::test]
async fn s2_7_any_text_arrives_unchanged_in_clear_and_sealed() {
    let master = master_key("properties");
    let server = TestServer::start(&config(&format!("master_key = \"{}\"", base64(&master)))).await;
    let mut client = server.connect().await;
    client.subscribe("private-x").await;
    client.subscribe("private-encrypted-x").await;
    let secret = shared_secret(&master, "private-encrypted-x");
    let texts = prop_oneof![any::<String>(), "[\\x00-\\x7f]{0,300}", "[{}\\[\\]\",:\\\\a0 ]{0,40}"];
    for data in values(250, texts) {
        server.publish("private-x", "e", &data).await;
        client.expect(json!({"event": "e", "channel": "private-x", "data": data})).await;
        server.publish("private-encrypted-x", "e", &data).await;
        let frame = client.next().await;
        assert_eq!(open(&secret, frame["data"].as_str().unwrap_or_default()), data, "{data:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_1_any_parameters_can_be_signed() {
    let server = TestServer::start(&config("")).await;
    let path = "/apps/it/channels";
    let extra = prop::collection::vec(("[a-zA-Z0-9_.~\\[\\]-]{1,8}", any::<String>()), 0..6);
    for extra in values(300, extra) {
        let extra: Params = extra
            .into_iter()
            .filter(|(k, _)| !["info", "filter_by_prefix"].contains(&k.as_str()))
            .collect();
        let list = [extra.clone(), unsigned_params(APP, b"")].concat();
        let target = format!("{path}?{}", query(&sign(APP, "GET", path, list)));
        let response = server.send(Request::new("GET", target.clone())).await;
        response.expect(200, format!("{extra:?}: {target}"));
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_1_any_change_of_a_signed_target_is_detected() {
    let server = TestServer::start(&config("")).await;
    let (place, bit) = (any::<prop::sample::Index>(), 0..7u8);
    for (place, bit) in values(300, (place, bit)) {
        let target = signed_target(
            APP,
            "GET",
            "/apps/it/channels",
            &[("filter_by_prefix", "presence-")],
            b"",
        );
        let mut bytes = target.clone().into_bytes();
        let at = place.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        // Letters of names and of hexadecimal digits may change their case; the rest must be printable.
        if changed.eq_ignore_ascii_case(&target)
            || changed.bytes().any(|b| !(b'!'..=b'~').contains(&b) || b == b'#')
        {
            continue;
        }
        let response = server.send(Request::new("GET", changed.clone())).await;
        assert_ne!(response.status, 200, "{target}\n{changed}");
    }
    server.stop().await;
}

#[derive(Clone, Debug)]
enum Step {
    Connect,
    Leave(prop::sample::Index),
    Subscribe(prop::sample::Index, usize),
    Unsubscribe(prop::sample::Index, usize),
}

const CHANNELS: [&str; 6] =
    ["a", "b", "private-a", "presence-a", "presence-b", "private-encrypted-a"];

/// The expected state, in the plainest form.
#[derive(Default)]
struct Model {
    clients: Vec<(Client, String, BTreeSet<usize>)>,
    users: usize,
}

impl Model {
    async fn apply(&mut self, server: &TestServer, step: &Step) {
        let count = self.clients.len();
        match step {
            Step::Connect => {
                // Two connections share a user.
                let user = format!("u{}", self.users / 2);
                self.users += 1;
                self.clients.push((server.connect().await, user, BTreeSet::new()));
            }
            _ if count == 0 => {}
            Step::Leave(index) => {
                let (client, ..) = self.clients.swap_remove(index.index(count));
                client.close().await;
            }
            Step::Subscribe(index, channel) => {
                let (client, user, held) = &mut self.clients[index.index(count)];
                held.insert(*channel);
                let name = CHANNELS[*channel];
                if name.starts_with("presence-") {
                    client
                        .send_presence_subscribe(name, &json!({"user_id": user}).to_string())
                        .await;
                } else {
                    client.send_subscribe(name).await;
                }
            }
            Step::Unsubscribe(index, channel) => {
                let (client, _, held) = &mut self.clients[index.index(count)];
                held.remove(channel);
                client.unsubscribe(CHANNELS[*channel]).await;
            }
        }
    }

    /// Reads all frames on their way to the clients.
    async fn settle(&mut self, server: &TestServer) {
        server.until_stat("sockets", self.clients.len() as u64).await;
        for (client, ..) in &mut self.clients {
            client.send(&json!({"event": "pusher:ping"})).await;
            while client.next().await["event"] != "pusher:pong" {}
        }
    }

    fn channels(&self) -> Value {
        let mut map: BTreeMap<&str, Value> = BTreeMap::new();
        for channel in self.clients.iter().flat_map(|(_, _, held)| held) {
            map.insert(CHANNELS[*channel], json!({}));
        }
        json!({ "channels": map })
    }

    fn users(&self, channel: usize) -> BTreeSet<&str> {
        let here = self.clients.iter().filter(|(_, _, held)| held.contains(&channel));
        here.map(|(_, user, _)| user.as_str()).collect()
    }
}

#[tokio::test]
async fn s2_random_joins_and_leaves_match_a_plain_model() {
    let key = base64(&master_key("model"));
    let settings = format!("master_key = \"{key}\"\nlimits.member_returns_per_minute = 0");
    let server = TestServer::start(&config(&settings)).await;
    let index = any::<prop::sample::Index>();
    let step = prop_oneof![
        2 => Just(Step::Connect),
        1 => index.clone().prop_map(Step::Leave),
        6 => (index.clone(), 0..CHANNELS.len()).prop_map(|(i, c)| Step::Subscribe(i, c)),
        3 => (index, 0..CHANNELS.len()).prop_map(|(i, c)| Step::Unsubscribe(i, c)),
    ];
    let mut model = Model::default();
    for (round, steps) in values(30, prop::collection::vec(step, 1..25)).enumerate() {
        for step in &steps {
            model.apply(&server, step).await;
        }
        model.settle(&server).await;
        // Every unsubscribe is done; the last joins may follow.
        let held: usize = model.clients.iter().map(|(_, _, held)| held.len()).sum();
        server.until_stat("subscriptions", held as u64).await;
        let listed = server.answer_once("/channels", |answer| *answer == model.channels()).await;
        assert_eq!(listed, model.channels(), "round {round}: {steps:?}");
        assert_eq!(server.stats().await["subscriptions"], held, "round {round}: {steps:?}");
        for (channel, name) in
            CHANNELS.iter().enumerate().filter(|(_, name)| name.starts_with("presence-"))
        {
            let path = format!("/channels/{name}/users");
            let wanted = Some(model.users(channel).len());
            let has_all = |answer: &Value| answer["users"].as_array().map(Vec::len) == wanted;
            let answer = server.answer_once(&path, has_all).await;
            let list = answer["users"].as_array().cloned().unwrap_or_default();
            let users: BTreeSet<_> = list.iter().filter_map(|user| user["id"].as_str()).collect();
            assert_eq!(users, model.users(channel), "round {round}, {name}: {steps:?}");
            assert_eq!(list.len(), users.len(), "somebody is listed twice: {answer}");
        }
    }
    server.stop().await;
}
