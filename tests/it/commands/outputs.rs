//! The output of each command, as files.

use super::snapshot::{compare, neutral, section};
use super::table::{Needs, Row, TABLE};
use crate::support::*;

const ADMIN_TOKEN: &str = "admin-token-5e1a7f20c3b94d68";

/// A server, a directory of a stopped one, and values for the placeholders of the table.
struct Scene {
    server: TestServer,
    receiver: WebhookReceiver,
    stopped: TempDir,
    token: String,
}

impl Scene {
    async fn start() -> Self {
        let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
        let app = format!(
            "authorizer = \"jwt\"\nmaster_key = \"{}\"\nclient_events = true\n\
             [[apps.it.rules]]\nchannel = \"private-a\"\n\
             [[apps.it.channels]]\npattern = \"log-*\"\nhistory = {{ events = 10 }}\n\
             [[apps.it.webhooks]]\nurl = \"{}\"\n",
            base64(&master_key("first")),
            receiver.url("/hooks"),
        );
        let top = format!("admin_token = \"{ADMIN_TOKEN}\"\naudit_file = \"audit.jsonl\"");
        let server = Launch::serve_plain(&config_of(&top, &[(APP, &app)])).start().await;
        server.publish("log-a", "order.paid", "{\"order\":1}").await;
        server.publish("log-a", "two words", "x").await;
        Self { server, receiver, stopped: stopped_history().await, token: access_token().await }
    }

    async fn run(&self, row: &Row, args: &str, input: &str) -> String {
        let words = format!("{} {} {args}", row.command, row.required);
        let words: Vec<_> = words.split_whitespace().map(|word| self.filled(word)).collect();
        let mut launch = Launch::new(&words.iter().map(String::as_str).collect::<Vec<_>>());
        if row.needs == Needs::Server {
            launch = launch.arg("--state-dir").arg(state_dir(&self.server));
        }
        let output = launch.env("COLUMNS", "100").output(&self.filled(input)).await;
        let shown = format!("{} {} {args}", row.command, row.required);
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let from = if input.is_empty() { "" } else { "  (with an input)" };
        neutral(&self.named(&section(&format!("{shown}{from}"), &output)))
    }

    fn values(&self) -> [(&'static str, String); 8] {
        let dir = self.server.dir.path();
        [
            ("{CONFIG}", dir.join("sealcast.toml").display().to_string()),
            ("{AUDIT}", dir.join("audit.jsonl").display().to_string()),
            ("{STOPPED}", self.stopped.path().join("state").display().to_string()),
            ("{STATE}", state_dir(&self.server).display().to_string()),
            ("{URL}", format!("http://{}", self.server.addr)),
            ("{RECEIVER}", self.receiver.addr.to_string()),
            ("{KEY}", base64(&master_key("other"))),
            ("{TOKEN}", self.token.clone()),
        ]
    }

    fn filled(&self, text: &str) -> String {
        self.values().iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// Names in place of values, for the snapshot.
    fn named(&self, text: &str) -> String {
        let named = self
            .values()
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(value, name));
        // Each command runs in a directory of its own.
        named
            .split_inclusive(' ')
            .map(|word| match word.split_once("/.sealcast") {
                Some((_, rest)) if word.starts_with('/') => format!("{{STATE}}{rest}"),
                _ => word.to_owned(),
            })
            .collect()
    }
}

/// The state directory of a server with a history on disk, after its end.
async fn stopped_history() -> TempDir {
    let dir = TempDir::new();
    let app =
        "[[apps.it.channels]]\npattern = \"log-*\"\nhistory = { store = \"disk\", events = 10 }\n";
    let launch = Launch::serve_plain(&config_of("drain_seconds = 0", &[(APP, app)]));
    let server = launch.arg("--state-dir").arg(dir.path().join("state")).start().await;
    server.stop().await;
    dir
}

async fn access_token() -> String {
    let made = Launch::new(&["token", "--user", "u", "--channel", "private-a"]);
    let made = made.config(&config("")).output("").await;
    made.stdout.trim().to_owned()
}

#[tokio::test]
async fn c_commands_print_what_their_snapshots_show() {
    let scene = Scene::start().await;
    for row in TABLE.iter().filter(|row| !row.runs.is_empty()) {
        let mut text = String::new();
        for (args, input) in row.runs {
            text += &scene.run(row, args, input).await;
        }
        assert!(!text.contains(ADMIN_TOKEN) && !text.contains(APP.secret), "{text}");
        compare(row.command, &text);
    }
    scene.server.stop().await;
}

#[tokio::test]
async fn c_json_is_one_object_a_line() {
    let mut seen = 0;
    for row in TABLE.iter().filter(|row| row.json) {
        let file = format!("tests/it/snapshots/{}.txt", row.command.replace(' ', "-"));
        let text = std::fs::read_to_string(&file).expect("a snapshot");
        for run in
            text.split("\n\n").filter(|run| run.lines().next().unwrap_or("").contains("--json"))
        {
            let lines = run.lines().skip(1);
            let lines =
                lines.filter(|line| !line.starts_with("stderr: ") && !line.starts_with("exit "));
            for line in lines {
                let line = line.replace(":SECONDS", ":1").replace(":N", ":1");
                let value: serde_json::Value = serde_json::from_str(&line).expect(&line);
                assert!(value.is_object(), "{line}");
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "{seen}");
}

#[tokio::test]
async fn c_completions_and_pages_name_all_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = Launch::new(&["completions", shell]).output("").await;
        assert!(output.status.success() && output.stdout.contains("healthcheck"), "{output:?}");
    }
    let dir = TempDir::new();
    let output = Launch::new(&["man"]).arg(dir.path()).output("").await;
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    for command in super::all_commands() {
        let page = dir.path().join(format!("sealcast-{}.1", command.replace(' ', "-")));
        let text = std::fs::read_to_string(&page).expect(command);
        assert!(text.contains("Examples"), "{command}");
    }
    let file = dir.write("file", "");
    let output = Launch::new(&["man"]).arg(file.join("x")).output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    super::sentence(&output);
}
