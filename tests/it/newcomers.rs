//! The first run of the program: its errors, and its help.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::*;

async fn check(config: &str) -> Output {
    Launch::new(&["config", "check"]).config(config).output("").await
}

/// Ends with 1 and says all of this.
fn refused(output: &Output, words: &[&str]) {
    ends(output, 1, words);
}

fn ends(output: &Output, exit: i32, words: &[&str]) {
    assert_eq!(output.status.code(), Some(exit), "{output:?}");
    for word in words {
        assert!(output.stderr.contains(word), "{word}: {output:?}");
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

#[tokio::test]
async fn f28_world_readable_configuration_warns_of_its_secrets() {
    let warning = "and every user of this machine has access to it (mode 0644): `chmod 600 ";
    let elsewhere =
        "[apps.1001]\nkey = \"k\"\nsecret_file = \"secret\"\nmaster_key = \"env:KEY\"\n";
    for (text, mode, warned) in [
        (config(""), 0o644, true),
        (config(""), 0o640, false),
        (config(""), 0o600, false),
        (elsewhere.to_owned(), 0o644, false),
        (format!("admin_token = \"{}\"\n{elsewhere}", "t".repeat(32)), 0o644, true),
    ] {
        let launch = Launch::new(&["config", "check", "--config", "open.toml"]);
        set_mode(&launch.dir().write("open.toml", &text), mode);
        launch.dir().write("secret", "s");
        let launch = launch.env("KEY", base64(&master_key("x")));
        let output = launch.output("").await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(output.stderr.contains(warning), warned, "{mode:o} {text}: {output:?}");
    }
    let launch = Launch::new(&["serve", "--config", "open.toml", "--listen", "127.0.0.1:0"]).ops();
    set_mode(&launch.dir().write("open.toml", &config("")), 0o644);
    let output = launch.start().await.stop().await;
    assert!(output.stderr.contains(warning) && output.stderr.contains("WARN"), "{output:?}");
}

#[tokio::test]
async fn f28_token_without_a_valid_origin_and_id_without_a_rule_are_refused() {
    let token = ["token", "--user", "u", "--channel", "private-x", "--origin", "foo"];
    let output = Launch::new(&token).config(&config("")).output("").await;
    ends(&output, 2, &["\"foo\" is no origin: write scheme, host"]);
    let signed = |prefix: &'static str, app: &str| {
        Launch::new(&["signed-id", prefix, "42"]).config(&config(app)).output("")
    };
    ends(&signed("list-", "").await, 2, &["is a public channel", "such as private-list-"]);
    let rule = |channel: &str| {
        format!(
            "authorizer = \"jwt\"\n[[apps.it.rules]]\nchannel = \"{channel}\"\nidsig = true\nallow = [\"subscribe\"]\n"
        )
    };
    for (app, warned) in [
        (rule("private-list-{id}"), false),
        (rule("private-{claims.org}-{id}"), false),
        (rule("private-other-{id}"), true),
        ("authorizer = \"jwt\"\n".into(), true),
        (String::new(), false),
    ] {
        let output = signed("private-list-", &app).await;
        assert!(output.stdout.starts_with("private-list-42."), "{output:?}");
        assert_eq!(output.stderr.contains("no rule of app it"), warned, "{app}: {output:?}");
    }
}

#[tokio::test]
async fn f28_misspelt_variables_suggest_the_setting() {
    for (name, value, words) in [
        ("SEALCAST_APP_LIMITS_EVENT_BYTES", "9", "did you mean SEALCAST_APP_LIMITS__EVENT_BYTES?"),
        ("SEALCAST_DEV", "1", "it is the flag --dev of `sealcast serve`"),
        (
            "SEALCAST_APP_ORIGINS",
            "https://b.example",
            "SEALCAST_APP_ORIGINS='[\"https://shop.example.com\"]'",
        ),
        ("SEALCAST_TRUSTED_PROXIES", "10.0.0.1", "SEALCAST_TRUSTED_PROXIES='[\"10.0.0.0/8\"]'"),
        ("SEALCAST_LISTEN", "here", "listen: an address to listen on is ADDRESS:PORT"),
    ] {
        let launch = Launch::new(&["config", "check"]).config(&config("")).env(name, value);
        refused(&launch.output("").await, &[words, name]);
    }
    refused(&check("listen = \"here\"\n").await, &["listen: an address to listen on"]);
    refused(&check("dev = true\n").await, &["the flag --dev"]);
    // The form that is shown is taken.
    let launch = Launch::new(&["config", "check"]).config(&config(""));
    let output = launch.env("SEALCAST_APP_ORIGINS", "[\"https://a.example\"]").output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[tokio::test]
async fn f29_unresolvable_name_is_not_called_reachable() {
    let nowhere = ["config", "check", "--dev", "--listen", "nosuch.invalid:6001"];
    let output = Launch::new(&nowhere).output("").await;
    refused(&output, &["nosuch.invalid:6001, and that name has no address"]);
    assert!(!output.stderr.contains("other machines"), "{output:?}");
}

#[tokio::test]
async fn f28_file_without_configuration_suggests_a_fix() {
    let launch = Launch::new(&["serve", "--config", "missing.toml"]);
    refused(
        &launch.output("").await,
        &["missing.toml", "--config or SEALCAST_CONFIG", "serve --dev"],
    );
    let launch = Launch::new(&["serve", "--config", "."]);
    refused(&launch.output("").await, &["is a directory", "./sealcast.toml"]);
    let output = check(&config_of("log = \"sealcast=loud\"", &[(APP, "")])).await;
    refused(&output, &["\"loud\" is no level"]);
}

#[tokio::test]
async fn f28_tls_healthcheck_of_a_plain_port_is_explained() {
    let server = Launch::serve_plain(&config("")).start().await;
    let url = format!("https://{}", server.addr);
    let output = Launch::new(&["healthcheck", "--url", &url]).output("").await;
    refused(&output, &["speaks no TLS: ask with http://"]);
    server.stop().await;
}

#[tokio::test]
async fn f28_public_channel_needs_no_rule() {
    let launch = Launch::new(&["auth", "test", "token", "news"]);
    let output = launch.config(&config("authorizer = \"jwt\"\n")).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stdout.contains("a public channel needs no authorization"), "{output:?}");
}

/// The entries of a directory, with modes and contents.
fn listed(path: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let entries = fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry"));
    let mut listed: Vec<_> = entries
        .map(|entry| {
            let mode = entry.metadata().expect("metadata").permissions().mode();
            let content = fs::read(entry.path()).unwrap_or_default();
            (entry.file_name().to_string_lossy().into_owned(), mode, content)
        })
        .collect();
    listed.sort();
    listed
}

#[tokio::test]
async fn f28_config_check_refuses_like_serve_and_changes_nothing() {
    let sealing = format!("master_key = \"{}\"\n", base64(&master_key("check")));
    for (audit, file, text, mode, says) in [
        ("nowhere/audit", "", "", 0o700, "cannot open the audit file "),
        ("state/audit", "audit", "rubbish\n", 0o600, "cannot be continued"),
        ("state/a", "it.keys.json", "{ \"format\": 1", 0o600, "it.keys.json cannot be used"),
        ("state/a", "it.keys.json", "{}", 0o644, "others have access to it"),
        ("state/a", "it.revoked.json", "rubbish", 0o640, "the list of revoked tokens "),
        ("state/a", "", "", 0o777, " is refused: others have access to it"),
    ] {
        let bed = TempDir::new();
        let (audit, state) = (bed.path().join(audit), bed.path().join("state"));
        fs::create_dir(&state).expect("a directory");
        set_mode(&state, 0o700);
        match file {
            "" => set_mode(&state, mode),
            file => set_mode(&bed.write(&format!("state/{file}"), text), mode),
        }
        let top = format!("state_dir = {state:?}\naudit_file = {audit:?}");
        let configured = config_of(&top, &[(APP, &sealing)]);
        let before = listed(&state);
        refused(&check(&configured).await, &[says]);
        assert_eq!(listed(&state), before, "{says}");
        assert!(!audit.exists() || audit.ends_with("state/audit"), "{says}");
        let serve = Launch::new(&["serve", "--listen", "127.0.0.1:0"]).config(&configured);
        refused(&serve.output("").await, &[says]);
    }
}

#[tokio::test]
async fn f28_config_check_creates_no_file_and_warns_like_serve() {
    let bed = TempDir::new();
    let state = bed.path().join("a/state");
    let arguments = ["config", "check", "--dev", "--state-dir"];
    let output = Launch::new(&arguments).arg(&state).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(listed(bed.path()), []);
    let file = bed.write("file", "");
    let output = Launch::new(&["config", "check", "--state-dir"]).arg(file).config(&config(""));
    let output = output.output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.contains("keys cannot be changed while the server runs"), "{output:?}");
    // A server that runs is in nobody's way.
    let configured = config_of(&format!("state_dir = {state:?}"), &[(APP, "")]);
    let server = Launch::serve_plain(&configured).start().await;
    let output = check(&configured).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    server.stop().await;
}

#[tokio::test]
async fn f29_development_banner_fits_a_terminal_and_its_key_stays_out_of_git() {
    let serve = || Launch::new(&["serve", "--dev", "--listen", "127.0.0.1:0"]);
    let server = serve().start().await;
    let printed = until("the banner", async || {
        let printed = server.printed();
        printed.contains("── More").then_some(printed)
    })
    .await;
    let ours = |line: &&str| !line.contains("INFO") && !line.contains("WARN");
    for line in printed.lines().filter(ours) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(!printed.contains("Actix") && !printed.contains("actix_server"), "{printed}");
    let ignored = server.dir.path().join(".sealcast/.gitignore");
    assert_eq!(fs::read_to_string(&ignored).expect("a file"), "*\n");
    server.stop().await;
    // A directory that is there may hold the whole project.
    let launch = serve();
    fs::create_dir(launch.dir().path().join(".sealcast")).expect("a directory");
    set_mode(&launch.dir().path().join(".sealcast"), 0o700);
    let server = launch.start().await;
    assert!(server.dir.path().join(".sealcast/dev-master-key").exists());
    assert!(!server.dir.path().join(".sealcast/.gitignore").exists());
    server.stop().await;
}

#[tokio::test]
async fn f29_key_is_printed_in_the_notation_of_sdks() {
    let key = base64(&master_key("bare"));
    let inspect = Launch::new(&["keys", "inspect", "--bare", "-"]);
    let output = inspect.output(&format!("base64:{key}\n")).await;
    assert_eq!((output.status.code(), output.stdout), (Some(0), format!("{key}\n")));
}
