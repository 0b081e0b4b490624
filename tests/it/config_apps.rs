//! Conflicts between several apps of one configuration, from file and environment.

use crate::support::*;

/// `config check` of this file with these variables.
async fn check(text: &str, variables: &[(&str, &str)]) -> Output {
    let mut launch = Launch::new(&["config", "check"]).config(text);
    for (name, value) in variables {
        launch = launch.env(name, value);
    }
    launch.output("").await
}

async fn refused(text: &str, variables: &[(&str, &str)], says: &[&str]) {
    let output = check(text, variables).await;
    assert_eq!(output.status.code(), Some(1), "{text}\n{output:?}");
    for part in says {
        assert!(output.stderr.contains(part), "{part:?}: {output:?}");
    }
    assert!(!output.stderr.contains(APP.secret), "{output:?}");
}

async fn accepted(text: &str, variables: &[(&str, &str)]) {
    let output = check(text, variables).await;
    assert_eq!(output.status.code(), Some(0), "{text}\n{output:?}");
}

/// The variables of an app configured by the environment alone.
const FROM_OUTSIDE: [(&str, &str); 3] = [
    ("SEALCAST_APP_ID", "outside"),
    ("SEALCAST_APP_KEY", "outside-key"),
    ("SEALCAST_APP_SECRET", "outside-secret"),
];

#[tokio::test]
async fn c_two_apps_cannot_have_one_key() {
    let twin = App { key: APP.key, ..OTHER };
    let says = ["the apps it and other have the same key", APP.key];
    refused(&config_of("", &[(APP, ""), (twin, "")]), &[], &says).await;
    let says = ["the apps it and outside have the same key", APP.key];
    let [id, _, secret] = FROM_OUTSIDE;
    refused(&config(""), &[id, ("SEALCAST_APP_KEY", APP.key), secret], &says).await;
    // Another case is another key.
    let capitals = App { key: "IT-KEY-51C0A7", ..OTHER };
    accepted(&config_of("", &[(APP, ""), (capitals, "")]), &[]).await;
    accepted(&config(""), &FROM_OUTSIDE).await;
}

#[tokio::test]
async fn c_apps_share_a_master_key_only_if_both_allow_it() {
    let key = master_key("shared between apps");
    // Any notation of a key counts as the same key.
    let (one, two) = (
        format!("master_key = \"{}\"", base64(&key)),
        format!("master_key = \"hex:{}\"", hex(&key)),
    );
    let shared = "allow_shared_master_key = true";
    let says = ["same master key", "it", "other", "allow_shared_master_key"];
    refused(&config_of("", &[(APP, &one), (OTHER, &two)]), &[], &says).await;
    for half in
        [[format!("{one}\n{shared}"), two.clone()], [one.clone(), format!("{two}\n{shared}")]]
    {
        refused(&config_of("", &[(APP, &half[0]), (OTHER, &half[1])]), &[], &says).await;
    }
    let both = [format!("{one}\n{shared}"), format!("{two}\n{shared}")];
    accepted(&config_of("", &[(APP, &both[0]), (OTHER, &both[1])]), &[]).await;
    let hex = hex(&key);
    let with_key = [FROM_OUTSIDE.as_slice(), &[("SEALCAST_MASTER_KEY", &hex)]].concat();
    refused(&config(&one), &with_key, &["same master key", "outside"]).await;
}

#[tokio::test]
async fn c_app_id_is_unique() {
    let twice = config_of("", &[(APP, ""), (APP, "")]);
    refused(&twice, &[], &["duplicate key", "it"]).await;
    // In the environment it is the same app: variables override the file, the rest stays.
    let variables = [("SEALCAST_APP_ID", APP.id), ("SEALCAST_APP_SECRET", "of-the-environment")];
    accepted(&config("client_events = true"), &variables).await;
    let mut launch = Launch::serve(&config("client_events = true"));
    for (name, value) in variables {
        launch = launch.env(name, value);
    }
    let server = launch.start().await;
    let changed = App { secret: "of-the-environment", ..APP };
    server.get_as(changed, "/channels", &[]).await.expect(200, "the secret of the environment");
    server.get("/channels", &[]).await.refused(401, "the secret of the file");
    let mut client = server.connect_as(changed).await;
    client.subscribe("private-x").await;
    client.client_event("private-x", "client-x", serde_json::json!("1")).await;
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn c_app_settings_must_name_their_app() {
    let two = config_of("", &[(APP, ""), (OTHER, "")]);
    refused(&two, &[("SEALCAST_APP_CLIENT_EVENTS", "true")], &["SEALCAST_APP_ID"]).await;
    accepted(&two, &[("SEALCAST_APP_CLIENT_EVENTS", "true"), ("SEALCAST_APP_ID", OTHER.id)]).await;
    refused(&two, &[("SEALCAST_APP_ID", "third")], &["apps.third.key is missing"]).await;
}

#[tokio::test]
async fn f30_patterns_written_for_the_alias_cause_a_warning() {
    let rules = "authorizer = \"jwt\"\n\
        channels = [ { pattern = \"private-sealed-x-*\", mode = \"blind\" } ]\n\
        [[apps.it.rules]]\nchannel = \"private-sealed-{claims.org}\"\nallow = [\"subscribe\"]\n\
        [[apps.it.webhooks]]\nurl = \"http://127.0.0.1:1/\"\nchannels = [\"private-sealed-y\"]";
    let key = format!("master_key = \"{}\"\n", base64(&master_key("alias")));
    let output = check(&config(&format!("{key}{rules}")), &[]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for (setting, correct) in [
        ("apps.it.channels.0.pattern", "private-encrypted-x-*"),
        ("apps.it.rules.0.channel", "private-encrypted-{claims.org}"),
        ("apps.it.webhooks.0.channels", "private-encrypted-y"),
    ] {
        let warned =
            output.stderr.lines().any(|line| line.contains(setting) && line.contains(correct));
        assert!(warned, "{setting}: {output:?}");
    }
    let off = check(&config(&format!("{key}sealing_alias = \"\"\n{rules}")), &[]).await;
    assert!(!off.stderr.contains("sealing_alias"), "{off:?}");
}

#[tokio::test]
async fn f30_alias_that_could_be_public_is_rejected() {
    for (alias, says) in [
        ("sealed-", "private-sealed-"),
        ("private-", "private-sealed-"),
        ("private-encrypted-", "the channel itself"),
        ("private-cache-", "private-sealed-cache-x"),
    ] {
        let text = config(&format!("sealing_alias = \"{alias}\""));
        refused(&text, &[], &["apps.it.sealing_alias", says]).await;
    }
}
