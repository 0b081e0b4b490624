//! encryption.md 6: at the most verbose log level, and through all changes of keys, no key leaks.
//! Derived secrets appear in the authorizations made for them and nowhere else.

use serde_json::{Value, json};

use crate::support::*;

// With characters that need escapes in some encoding.
const JWT_SECRET: &str = r#"jwt secret "canary" \\ 7d1f/ü+59c2"#;
const ADMIN_TOKEN: &str = "admin-token-canary+4c/1a8f=";
const PAYLOAD: &str = r#"{"canary":"payload \"93ab\" é"}"#;
/// 32 characters that are a raw key.
const RAW_KEY: &str = "raw canary: 32 bytes / 5e9d0c+b4";
const CHANNELS: [&str; 2] = ["private-encrypted-x", "private-encrypted-cache-x"];

fn configuration(top: &str, master: &[u8; 32]) -> String {
    let app = format!(
        "authorizer = \"jwt\"\njwt_secret = {}\nderivation = \"hkdf\"\nmaster_key = \"{}\"",
        json!(JWT_SECRET),
        base64(master)
    );
    config_of(&format!("{top}\nadmin_token = \"{ADMIN_TOKEN}\""), &[(APP, &app)])
}

/// All output of a run, by place, and all secrets that must not be in it.
struct Run {
    server: TestServer,
    admin: AdminClient,
    canaries: Canaries,
    /// Bodies of responses, without granted authorizations.
    bodies: String,
}

impl Run {
    async fn start(top: &str) -> Self {
        let master = master_key("canary");
        let launch = Launch::serve(&configuration(top, &master));
        let server = launch.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").start().await;
        let mut canaries = Canaries::default();
        canaries.plant("app secret", APP.secret);
        canaries.plant("token secret", JWT_SECRET);
        canaries.plant("admin token", ADMIN_TOKEN);
        canaries.plant("payload", PAYLOAD);
        canaries.plant("what the payload says", r#"payload "93ab" é"#);
        let admin = AdminClient::of(&server);
        let mut run = Self { server, admin, canaries, bodies: String::new() };
        run.plant_key("configured", master);
        run
    }

    fn plant_key(&mut self, name: &str, key: [u8; 32]) {
        self.canaries.plant(format!("{name} key"), key);
    }

    /// A secret from the auth endpoint cannot be derived without the salt.
    fn plant_secrets<'a>(&mut self, readers: impl IntoIterator<Item = &'a SealedSubscriber>) {
        for reader in readers {
            self.canaries.plant(format!("a secret of {}", reader.channel), reader.secret);
        }
    }

    /// Generated keys are in the state file, and nowhere else.
    fn plant_state(&mut self) {
        let path = self.server.dir.path().join(".sealcast/it.keys.json");
        let state = std::fs::read_to_string(path).expect("a state file");
        let state: Value = serde_json::from_str(&state).expect("JSON");
        for key in state["keys"].as_array().expect("keys") {
            let Some(text) = key["key"].as_str() else { continue };
            let bytes = unbase64(text.strip_prefix("base64:").expect("base64"));
            self.plant_key("made", bytes.try_into().expect("32 bytes"));
        }
    }

    fn token(&mut self, user: &str, secret: &str) -> String {
        let claims = json!({"sub": user, "exp": unix_now() + 600, "channels": ["*"]});
        let token = token(&json!({"alg": "HS256"}), &claims, secret);
        self.canaries.plant(format!("token of {user}"), &token);
        token
    }

    fn note(&mut self, response: &Response) {
        let mut text = response.text();
        if let Ok(mut body) = serde_json::from_slice::<Value>(&response.body)
            && body.as_object_mut().is_some_and(|body| body.remove("shared_secret").is_some())
        {
            text = body.to_string();
        }
        for (name, value) in &response.headers {
            text += &format!("\n{name}: {value}");
        }
        self.bodies += &format!("{text}\n");
    }

    async fn ask(&mut self, form: &str, token: &str) {
        let request = Request::new("POST", "/apps/it/auth/channel").form(form);
        let request = request.header("Authorization", &format!("Bearer {token}"));
        let response = self.server.send(request).await;
        self.note(&response);
    }

    async fn reader(&mut self, user: &'static str, channel: &str) -> SealedSubscriber {
        let bearer = Some(self.token(user, JWT_SECRET));
        let (client, channel) = (self.server.connect().await, channel.to_owned());
        let user = None;
        let mut reader =
            SealedSubscriber { client, channel, user, bearer, secret: [0; 32], auth_requests: 0 };
        reader.fetch_secret(&self.server).await;
        reader.client.subscribe(&reader.channel).await;
        if reader.channel.contains("cache") {
            reader.client.next().await;
        }
        reader
    }

    /// Valid and invalid auth requests.
    async fn request_everything(&mut self, client: &Client) {
        let (good, bad) = (self.token("u1", JWT_SECRET), self.token("u1", "another secret"));
        for channel in CHANNELS {
            let form = client.auth_form(channel);
            for bearer in [good.as_str(), &bad, "rubbish", ADMIN_TOKEN] {
                self.ask(&form, bearer).await;
            }
            self.ask(&format!("socket_id=1.2&channel_name={channel}"), &good).await;
            self.ask(
                &format!("socket_id={}&channel_name={channel}&{good}={bad}", client.socket_id),
                &good,
            )
            .await;
        }
    }

    async fn publish(&mut self) {
        for channel in CHANNELS {
            self.server.publish(channel, "e", PAYLOAD).await;
        }
        let stranger = seal(&[9; 32], [1; 24], PAYLOAD.as_bytes());
        for body in [
            json!({"name": "e", "channel": CHANNELS[0], "data": stranger}),
            json!({"name": "e", "channels": [CHANNELS[0], "private-x"], "data": PAYLOAD}),
        ] {
            let response = self.server.post("/events", &body).await;
            assert_ne!(response.status, 200, "{body}");
            self.note(&response);
        }
        let response =
            self.server.get(&format!("/channels/{}", CHANNELS[1]), &[("info", "cache")]).await;
        self.note(&response);
    }

    async fn rotate(&mut self, body: Value, status: u16) {
        let response = self.admin.rotate(&body).await;
        response.expect(status, "rotate");
        self.note(&response);
        if status == 200 {
            self.plant_state();
        }
    }

    async fn revoke_key(&mut self, id: &str) {
        let response = self.admin.revoke(id).await;
        response.expect(200, "revoke");
        self.note(&response);
        self.plant_state();
    }

    async fn revoke_member(&mut self, user: &str) {
        let path = format!("/channels/{}/revoke", CHANNELS[0]);
        let response = self.server.post(&path, &json!({"user_id": user})).await;
        response.expect(200, "member");
        self.note(&response);
    }

    /// The command line, whose output must be clean as well.
    async fn command(&mut self, command: &str, args: &[&str], input: &str) {
        let launch = Launch::new(&["keys", command, "--app", "it"]).arg("--state-dir");
        let launch = launch.arg(self.server.dir.path().join(".sealcast"));
        let output = args.iter().fold(launch, |launch, arg| launch.arg(arg)).output(input).await;
        self.bodies += &format!("{}\n{}\n", output.stdout, output.stderr);
        self.plant_state();
    }

    /// Requests with the token and with wrong ones, on the operations listener.
    async fn send_invalid_requests(&mut self) {
        for token in [ADMIN_TOKEN, APP.secret, &ADMIN_TOKEN[1..]] {
            let request = Request::new("GET", "/admin/apps/it/keys");
            let request = request.header("Authorization", &format!("Bearer {token}"));
            let response = exchange(self.server.ops(), &request).await;
            self.note(&response);
        }
        let stats = self.server.stats().await;
        let report = self.admin.report().await;
        self.bodies += &format!("{stats}\n{report}\n");
    }
}

async fn exercise(run: &mut Run, top: &str) {
    let mut reader = run.reader("u2", CHANNELS[0]).await;
    let mut leaving = run.reader("u3", CHANNELS[0]).await;
    let mut cached = run.reader("u2", CHANNELS[1]).await;
    run.plant_secrets([&reader, &leaving, &cached]);
    run.request_everything(&reader.client).await;
    run.publish().await;
    for reader in [&mut reader, &mut leaving, &mut cached] {
        reader.expect(&run.server, "e", PAYLOAD).await;
    }

    // Refused keys are secrets, too: they may be in use elsewhere.
    let same = base64(&master_key("canary"));
    let typo = &base64(&master_key("mistyped"))[..40];
    run.canaries.plant("mistyped key", typo);
    for (key, status) in [(same.as_str(), 409), (typo, 422), ("not a key: canary 4711 5b1e", 422)] {
        run.rotate(json!({"key": key}), status).await;
    }
    run.canaries.plant("text that is no key", "not a key: canary 4711 5b1e");
    let misplaced = json!({"kye": base64(&master_key("misplaced"))});
    run.canaries.plant("misplaced key", master_key("misplaced"));
    run.rotate(misplaced, 400).await;

    run.canaries.plant("raw key", RAW_KEY);
    run.rotate(json!({"key": format!("raw:{RAW_KEY}")}), 200).await;
    reader.expect(&run.server, "sealcast:rekey", "{}").await;
    leaving.expect(&run.server, "sealcast:rekey", "{}").await;
    cached.expect(&run.server, "sealcast:rekey", "{}").await;
    run.admin.until_moved().await;
    run.plant_secrets([&reader, &leaving, &cached]);
    run.request_everything(&reader.client).await;
    run.send_invalid_requests().await;

    run.revoke_member("u3").await;
    reader.expect(&run.server, "sealcast:rekey", "{}").await;
    run.admin.until_moved().await;
    run.publish().await;
    reader.expect(&run.server, "e", PAYLOAD).await;
    run.plant_secrets([&reader]);
    let refused = leaving.request_auth(&run.server).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    run.note(&refused);

    run.command("rotate", &["--key", "-", "--in", "3600"], &base64(&master_key("announced"))).await;
    run.plant_key("announced", master_key("announced"));
    let report = run.admin.report().await;
    run.command("list", &[], "").await;
    run.command("revoke", &[&id(&report["keys"][2]), "--now"], "").await;
    run.revoke_key(&id(&report["keys"][1])).await;
    run.command("rotate", &["--key", "no key at all, canary 88d1"], "").await;
    run.canaries.plant("key of the command line", "no key at all, canary 88d1");

    run.plant_key("reloaded", master_key("reloaded"));
    run.admin.until_moved().await;
    run.server.reload(&configuration(top, &master_key("reloaded"))).await;
    run.plant_state();
    run.request_everything(&reader.client).await;
    run.publish().await;
    run.send_invalid_requests().await;
}

#[tokio::test]
async fn e6_keys_and_derived_secrets_do_not_leak() {
    for format in ["text", "json"] {
        let dir = TempDir::new();
        let audit = dir.path().join("audit.jsonl");
        let top = format!(
            "log = \"trace\"\nlog_format = \"{format}\"\naudit_file = \"{}\"",
            audit.display()
        );
        let mut run = Run::start(&top).await;
        exercise(&mut run, &top).await;
        let Run { server, canaries, bodies, .. } = run;
        canaries.search_directory(&server.dir.path().join(".sealcast"));
        let output = server.stop().await;
        let log = format!("{}{}", output.stdout, output.stderr);
        assert!(log.len() > 2000, "nothing was logged at trace: {log}");
        canaries.search("the log", &log);
        canaries.search("an answer", &bodies);
        let audit = std::fs::read_to_string(audit).expect("an audit log");
        for event in
            ["key_activated", "key_retired", "rotation_refused", "channel_revoked", "auth_denied"]
        {
            assert!(audit.contains(event), "{event} is not in {audit}");
        }
        canaries.search("the audit log", &audit);
    }
}
