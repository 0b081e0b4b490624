//! Helpers for tests of webhooks.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Launch, Output, TestServer, WebhookReceiver, config, until};

/// An app with these webhooks, each a list of settings.
pub fn with_webhooks(app: &str, webhooks: &[&str]) -> String {
    let mut text = format!("client_events = true\n{app}\n");
    for webhook in webhooks {
        text += &format!("[[apps.it.webhooks]]\n{webhook}\n");
    }
    config(&text)
}

pub fn hooks_url(receiver: &WebhookReceiver, more: &str) -> String {
    format!("url = \"{}\"\n{more}", receiver.url("/hooks"))
}

pub async fn webhooks_command(server: &TestServer, args: &[&str]) -> Output {
    let mut launch = Launch::new(&["webhooks"]);
    for arg in args {
        launch = launch.arg(arg);
    }
    launch.arg("--app").arg("it").arg("--state-dir").arg(state_dir(server)).output("").await
}

pub fn state_dir(server: &TestServer) -> PathBuf {
    server.expect_alone("a state directory");
    server.dir.path().join(".sealcast")
}

pub fn dead_letters(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

pub async fn until_webhook_stat(server: &TestServer, name: &str, wanted: u64) {
    until(format!("{name} = {wanted}"), async || {
        (server.stats().await["webhooks"][name] == wanted).then_some(())
    })
    .await;
}
