//! `config check`: all faults with their places, what only a start would find, and the texts about
//! settings.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::*;

const FAULTY: &str = "lisen = \"127.0.0.1:6001\"\n\n[apps.shop]\nkey = \"k\"\nsecret = \"sw0rdfish\"\n\
    client_events = \"yes\"\n\n[apps.shop.limits]\nconnections = -1\n";

/// The command in the directory of the file, so that its name is short.
async fn check(text: &str, args: &[&str]) -> Output {
    let mut launch = Launch::new(&["config", "check", "--config", "bad.toml"]);
    launch.dir().write("bad.toml", text);
    for arg in args {
        launch = launch.arg(arg);
    }
    launch.output("").await
}

#[tokio::test]
async fn k_check_lists_all_faults_with_their_lines() {
    let output = check(FAULTY, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let expected = "bad.toml:1:1  unknown setting \"lisen\": did you mean \"listen\"?
    lisen = \"********\"
    ^^^^^
bad.toml:6:17  apps.shop.client_events must be true or false
    client_events = \"yes\"
                    ^^^^^
bad.toml:9:15  apps.shop.limits.connections must be a whole number, 0 or more
    connections = -1
                  ^^
3 faults; the server would not start
";
    let faults = output.stderr.find("bad.toml").map(|at| &output.stderr[at..]);
    assert_eq!(faults, Some(expected), "{output:?}");
    assert_eq!(output.stdout, "", "{output:?}");
}

#[tokio::test]
async fn k_serve_prints_the_same_list() {
    let launch = Launch::new(&["serve", "--config", "bad.toml"]);
    launch.dir().write("bad.toml", FAULTY);
    // The program is executed again without its settings in the environment.
    let output = launch.env("SEALCAST_WORKERS", "two").output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    for part in [
        "bad.toml:1:1  unknown setting",
        "bad.toml:6:17  apps.shop.client_events",
        "bad.toml:9:15  apps.shop.limits.connections",
        "SEALCAST_WORKERS  workers must be a whole number",
        "4 faults; the server would not start",
    ] {
        assert!(output.stderr.contains(part), "{part}: {output:?}");
    }
    assert!(!output.stderr.contains("sw0rdfish"), "{output:?}");
}

#[tokio::test]
async fn k_faults_are_json_for_programs() {
    let output = check(FAULTY, &["--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(output.stderr, "", "{output:?}");
    let found: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(found["file"], "bad.toml");
    let first = json!({"file": "bad.toml", "line": 1, "column": 1, "path": "lisen",
        "message": "unknown setting \"lisen\": did you mean \"listen\"?", "source": "bad.toml",
        "text": "lisen = \"********\""});
    assert_eq!(found["faults"][0], first);
    assert_eq!(found["faults"].as_array().map(Vec::len), Some(3), "{found}");
    let output = check(&config("listen = 1"), &["--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let launch = Launch::new(&["config", "check", "--json", "--offline"]).config(&config(""));
    let output = launch.env("SEALCAST_DRAIN_SECONDS", "x").output("").await;
    let found: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let fault = &found["faults"][0];
    assert_eq!(
        (&fault["source"], &fault["line"]),
        (&json!("SEALCAST_DRAIN_SECONDS"), &Value::Null)
    );
    let output = Launch::new(&["config", "check", "--json", "--offline"]).config(&config(""));
    let output = output.output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(found["faults"], json!([]));
}

#[tokio::test]
async fn k_lines_that_are_no_toml_do_not_hide_other_faults() {
    let text = "workers = two\n[apps.shop]\nkey = \"k\nsecret = 's'\nenabled = 'yes'\n";
    let output = check(text, &[]).await;
    for part in [
        "bad.toml:1:11  this is not TOML",
        "bad.toml:3:",
        "bad.toml:5:11  apps.shop.enabled",
        "3 faults",
    ] {
        assert!(output.stderr.contains(part), "{part}: {output:?}");
    }
}

#[tokio::test]
async fn k_taken_port_is_a_warning_and_that_of_the_own_server_is_none() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let check = |listen: &str| {
        let launch = Launch::new(&["config", "check", "--listen", listen]);
        launch.config(&config("mode = \"blind\""))
    };
    let output = check(&address).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let says = format!("listen is {address}, which another process listens on");
    assert!(output.stderr.contains(&says), "{output:?}");
    let output = check(&address).arg("--offline").output("").await;
    assert!(!output.stderr.contains(&address), "{output:?}");

    let server = Launch::serve_plain(&config("mode = \"blind\"")).arg("--state-dir").arg("state");
    let server = server.start().await;
    let state_dir = server.dir.path().join("state");
    let address = server.addr.to_string();
    let output = check(&address).arg("--state-dir").arg(&state_dir).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!output.stderr.contains(&address), "{output:?}");
    let output = check(&address).output("").await;
    assert!(output.stderr.contains("another process"), "{output:?}");
    let taken = TcpListener::bind("127.0.0.2:0").expect("a port");
    let other = taken.local_addr().expect("an address").to_string();
    let beside = check(&address).arg("--state-dir").arg(&state_dir).arg("--ops-listen").arg(&other);
    let output = beside.output("").await;
    let says = format!("ops_listen is {other}, which another process listens on");
    assert!(output.stderr.contains(&says), "the server has other addresses: {output:?}");
    server.stop().await;
}

#[tokio::test]
async fn k_missing_directory_of_a_socket_is_a_fault() {
    let output = check(&config_of("listen = 'unix:/nowhere/a.sock'", &[(APP, "")]), &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.contains("bad.toml:2:10  listen is unix:/nowhere/a.sock"), "{output:?}");
    assert!(output.stderr.contains("the directory is missing"), "{output:?}");
}

#[tokio::test]
async fn k_redis_that_does_not_answer_is_a_warning() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let cluster = format!(
        "{}[cluster]\nurl = 'redis://{address}'\nkey = '{}'\n",
        config("mode = \"blind\""),
        base64(&master_key("of the cluster"))
    );
    let output = check(&cluster, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.contains("cluster.url: nothing accepts"), "{output:?}");
}

/// On a machine without the secrets, the examples say what to fill in; offline they are good.
#[tokio::test]
async fn k_examples_are_good_but_for_the_files_that_they_name() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    for file in std::fs::read_dir(folder).expect("the folder") {
        let path = file.expect("a file").path();
        let command = |args: &[&str]| {
            Launch::new(args).arg("--config").arg(&path).arg("--listen").arg("127.0.0.1:0")
        };
        let output = command(&["config", "check", "--offline"]).output("").await;
        assert_eq!(output.status.code(), Some(0), "{}: {output:?}", path.display());
        let output = command(&["config", "check"]).output("").await;
        assert_eq!(output.status.code(), Some(1), "{}: {output:?}", path.display());
        let faults = output.stderr.lines().filter(|line| line.contains(".toml:"));
        for line in faults {
            assert!(line.contains("_file: cannot read the secret file /run/secrets/"), "{line}");
        }
    }
}

#[tokio::test]
async fn k_texts_about_settings_are_those_of_the_repository() {
    for (command, file) in [
        ("schema", "docs/reference/configuration.schema.json"),
        ("doc", "docs/reference/configuration.md"),
        ("default", "docs/reference/sealcast.toml"),
    ] {
        let output = Launch::new(&["config", command]).output("").await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
        let committed = std::fs::read_to_string(path).expect("a text");
        assert!(output.stdout == committed, "{file} is not what `config {command}` prints");
    }
}

#[tokio::test]
async fn k_show_all_has_defaults_sources_and_times() {
    let show = |args: &[&str]| {
        let launch = Launch::new(args).config(&config_of("workers = 2", &[(APP, "")]));
        launch.env("SEALCAST_DRAIN_SECONDS", "7")
    };
    let output = show(&["config", "show", "--all"]).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for (name, parts) in [
        ("workers = 2 ", ["default 0", "after a restart"]),
        ("drain_seconds = 7 ", ["environment variable SEALCAST_DRAIN_SECONDS", "at once"]),
        ("log = \"info\" ", ["default", "at once"]),
        ("apps.it.limits.event_bytes = 10240 ", ["default", "at once"]),
        ("apps.it.secret = \"********\" ", ["default required", "at once"]),
        ("# admin_token: none ", ["default", "at once"]),
    ] {
        let line = output.stdout.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("{name}: {}", output.stdout));
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    assert!(
        !output.stdout.contains(APP.secret) && !output.stdout.contains("cluster."),
        "{output:?}"
    );

    let output = show(&["config", "show", "--all", "--json"]).output("").await;
    let all: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let find = |all: &Value, name: &str| {
        let listed = all["settings"].as_array().expect("a list");
        listed.iter().find(|setting| setting["setting"] == name).cloned()
    };
    let expected = json!({"setting": "drain_seconds", "value": 7, "default": 5, "secret": false,
        "source": "environment variable SEALCAST_DRAIN_SECONDS", "takes_effect": "at once"});
    assert_eq!(find(&all, "drain_seconds"), Some(expected));
    let secret = find(&all, "apps.it.secret").expect("the secret");
    assert_eq!((&secret["value"], &secret["secret"]), (&Value::Null, &json!(true)));
    let output = show(&["config", "show", "--json"]).output("").await;
    let set: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert!(find(&set, "drain_seconds").is_some() && find(&set, "log").is_none(), "{set}");
}

#[tokio::test]
async fn k_show_lists_the_faults_of_what_it_cannot_show() {
    let launch = Launch::new(&["config", "show", "--config", "bad.toml"]);
    launch.dir().write("bad.toml", FAULTY);
    let output = launch.output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.contains("3 faults") && output.stdout.is_empty(), "{output:?}");
}
