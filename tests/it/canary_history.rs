//! With histories, event streams and publishing from pages: no payload, token or ticket gets where
//! it does not belong, and the file of the history shows nothing at all.

use serde_json::{Value, json};

use crate::support::*;

const PAYLOAD: &str = r#"{"canary":"logged payload \"5c1d\" ü"}"#;
const EVENT: &str = "client-canary-7be2";
const USER: &str = "canary-user-90ac";
const CHANNELS: [&str; 3] =
    ["private-encrypted-canary-41f7", "private-canary-41f7", "private-cache-canary-41f7"];
const HISTORY_KEY: [u8; 32] = *b"history key canary 32 bytes 6d1e";

fn configuration(audit: &std::path::Path, sync: &str) -> String {
    let top = format!(
        "log = \"trace\"\naudit_file = \"{}\"\n[history]\nkey = \"{}\"",
        audit.display(),
        base64(&HISTORY_KEY)
    );
    let app = format!(
        "master_key = \"{}\"\n[[apps.it.channels]]\npattern = \"*\"\n\
         history = {{ events = 100, bytes = \"1MiB\", client_events = true, store = \"disk\", sync = \"{sync}\" }}",
        base64(&master_key("canary"))
    );
    config_of(&top, &[(APP, &app)])
}

/// A server, what was planted, and everything it said to others than readers.
struct Run {
    server: TestServer,
    canaries: Canaries,
    said: String,
    token: String,
}

impl Run {
    async fn start(launch: Launch, mut canaries: Canaries) -> Self {
        let server = launch.env("RUST_LOG", "trace").start().await;
        let abilities = ["subscribe", "history", "trigger", "clear"];
        let wanted =
            json!({"user_id": USER, "channels": CHANNELS, "allow": abilities, "ttl": 3600});
        let minted = server.post("/tokens", &wanted).await.expect(200, "a token");
        let token = minted["token"].as_str().expect("a token").to_owned();
        canaries.plant("token", &token);
        Self { server, canaries, said: String::new(), token }
    }

    fn request(&self, method: &str, path: &str) -> Request {
        let request = Request::new(method, format!("/app/{}/{path}", APP.key));
        request.header("Authorization", &format!("Bearer {}", self.token))
    }

    /// An answer in which no payload belongs.
    async fn note(&mut self, request: Request, status: u16) -> Value {
        let response = self.server.send(request).await;
        assert_eq!(response.status, status, "{}", response.text());
        self.said += &format!("{:?}\n{}\n", response.headers, response.text());
        serde_json::from_slice(&response.body).unwrap_or_default()
    }

    async fn publish_everywhere(&mut self) {
        for channel in CHANNELS {
            let body = json!({"name": EVENT, "channels": [channel], "data": PAYLOAD});
            self.server.post("/events", &body).await.expect(200, "an event");
            let event = json!({"name": EVENT, "channel": channel, "data": PAYLOAD});
            let request = self.request("POST", "events");
            self.note(request.json(&event), 200).await;
            let refused = self.request("POST", "events").header("If-Match", "\"AAAA\"");
            self.note(refused.json(&event), 412).await;
        }
    }

    /// A stream that a ticket opens, with the two events that have been published.
    async fn read_stream(&mut self) {
        let wanted = self.request("POST", "tickets").json(&json!({ "channels": CHANNELS }));
        let made = self.server.send(wanted).await.expect(200, "a ticket");
        let ticket = made["ticket"].as_str().expect("a ticket");
        self.canaries.plant("ticket", ticket);
        let target = format!("{}/app/{}/sse?ticket={ticket}", self.server.prefix, APP.key);
        let mut stream = EventStream::open_with(&self.server, &target, "").await;
        let again = EventStream::dial(&self.server, &format!("{target}x"), "").await;
        drop(again);
        self.publish_everywhere().await;
        let mut seen = 0;
        while seen < 2 * CHANNELS.len() {
            let frame = stream.next().await;
            seen += usize::from(frame["event"] == EVENT);
            if frame["channel"] == CHANNELS[0] {
                let text = frame["data"].to_string();
                assert!(!text.contains("5c1d"), "a sealed event in clear: {text}");
            }
        }
    }

    async fn read_pages(&mut self) {
        for channel in CHANNELS {
            let path = format!("channels/{channel}/history");
            let page = self.server.send(self.request("GET", &path)).await;
            let events = page.expect(200, "a page")["events"].as_array().map(Vec::len);
            assert!(events >= Some(2), "{channel} has {events:?} events");
            let last = format!("channels/{channel}/last");
            let last = self.server.send(self.request("GET", &last)).await;
            last.expect(200, "an event");
            let forged = format!("{path}?limit=forged");
            self.note(self.request("GET", &forged), 400).await;
        }
        let statistics = self.server.stats().await;
        let metrics = exchange(self.server.ops(), &Request::new("GET", "/metrics")).await;
        self.said += &format!("{statistics}\n{}\n", metrics.text());
    }
}

#[tokio::test]
async fn payloads_tokens_and_tickets_do_not_leak_from_histories() {
    for sync in ["before", "behind"] {
        let state = TempDir::new();
        let audit = TempDir::new();
        let audit_file = audit.path().join("audit.jsonl");
        let launch = || {
            let launch = Launch::serve(&configuration(&audit_file, sync));
            launch.arg("--state-dir").arg(state.path())
        };
        let mut canaries = Canaries::default();
        canaries.plant("payload", PAYLOAD);
        canaries.plant("what the payload says", r#"logged payload "5c1d" ü"#);
        canaries.plant("history key", HISTORY_KEY);
        let mut logs = String::new();
        let mut run = Run::start(launch(), canaries).await;
        run.read_stream().await;
        run.read_pages().await;
        let output = run.server.stop().await;
        logs += &format!("{}{}", output.stdout, output.stderr);
        // A second life restores the logs, and clears one of them.
        let said = run.said;
        let mut run = Run::start(launch(), run.canaries).await;
        run.read_pages().await;
        let path = format!("channels/{}/history", CHANNELS[1]);
        run.note(run.request("DELETE", &path), 204).await;
        let Run { server, canaries, said: later, .. } = run;
        let output = server.stop().await;
        logs += &format!("{}{}", output.stdout, output.stderr);
        assert!(logs.len() > 2000, "nothing was logged at trace: {logs}");
        canaries.search("the log", &logs);
        canaries.search("an answer, the metrics or the statistics", &format!("{said}{later}"));
        let audit = std::fs::read_to_string(&audit_file).expect("an audit log");
        canaries.search("the audit log", &audit);
        let mut hidden = canaries;
        hidden.plant("name of an event", EVENT);
        hidden.plant("id of a user", USER);
        CHANNELS.iter().for_each(|channel| hidden.plant("name of a channel", channel));
        assert!(state.path().join("history.db").is_file());
        hidden.search_directory(state.path());
    }
}
