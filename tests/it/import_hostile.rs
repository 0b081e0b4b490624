//! `sealcast import` with a file that a stranger wrote: numbers without bounds, names that control a
//! terminal, values that grow, and files without an end.

use figment::providers::{Format as _, Toml};
use serde_json::{Value, json};

use crate::support::*;

const ENV: &str = "SOKETI_DEFAULT_APP_ID=4711\nSOKETI_DEFAULT_APP_KEY=shop\nSOKETI_DEFAULT_APP_SECRET='hush hush'\n";

#[tokio::test]
async fn k_numbers_without_bounds_are_told() {
    for line in [
        "SOKETI_PRESENCE_MAX_MEMBER_SIZE=18014398509481984",
        "SOKETI_PRESENCE_MAX_MEMBER_SIZE=1e300",
        "SOKETI_EVENT_MAX_SIZE_IN_KB=9007199254740991",
    ] {
        let output = Launch::new(&["import", "soketi"]).output(&format!("{ENV}{line}\n")).await;
        assert_eq!(output.status.code(), Some(1), "{line}: {output:?}");
        let name = line.split('=').next().expect("a name");
        let is_told = output.stderr.lines().any(|told| told.starts_with(&format!("! {name} ")));
        assert!(is_told, "{line}: {output:?}");
    }
}

/// A text that moves the cursor, or reverses what follows.
const NASTY: &str = "\u{1b}[2J\u{9b}2J\u{202e}";

fn assert_visible(text: &str) {
    let is_visible = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
    assert!(text.chars().all(is_visible), "{text:?}");
}

#[tokio::test]
async fn k_foreign_names_are_one_line_and_no_configuration() {
    let name = format!("x\n[apps.evil]\nkey = \"k\"\nsecret = \"s\"\n= taken{NASTY}");
    let input = json!({
        (&*name): 1,
        "port": "1\nlisten = \"0.0.0.0:1\"",
        "pathPrefix": format!("/ws{NASTY}"),
        "adapter": {"driver": format!("nats\n= forged{NASTY}")},
        "appManager": {"array": {"apps": [{
            "id": format!("a\n[b]{NASTY}"), "key": format!("k\"\n{NASTY}"), "secret": "s",
            "webhooks": [{"url": "https://a.example/", "event_types": [format!("x\n= y{NASTY}")]}],
            (&*name): 2,
        }]}},
    });
    for (kind, flags) in
        [("soketi", &[][..]), ("soketi", &["--force"]), ("soketi", &["--json", "--force"])]
    {
        let launch = Launch::new(&["import", kind]);
        let output =
            flags.iter().fold(launch, |l, flag| l.arg(flag)).output(&input.to_string()).await;
        assert_visible(&output.stdout);
        assert_visible(&output.stderr);
        let forged = ["= taken", "= forged", "= y", "[apps.evil]"];
        let begins = |line: &str| forged.iter().any(|text| line.starts_with(text));
        assert!(!output.stderr.lines().any(begins), "{output:?}");
        let text = match flags.contains(&"--json") {
            true => {
                let answer: Value = serde_json::from_str(&output.stdout).expect("one object");
                answer["config"].as_str().expect("the configuration").to_owned()
            }
            false => output.stdout,
        };
        let config: Value = Toml::from_str(&text).expect("TOML");
        assert!(config["apps"].get("evil").is_none() && config.get("b").is_none(), "{text}");
        assert_eq!(config["apps"].as_object().map(|apps| apps.len()), Some(1), "{text}");
    }
}

/// The next steps are copied to a shell and to files.
#[tokio::test]
async fn k_next_steps_hold_no_foreign_lines() {
    let host = "a\nPUSHER_SECRET=stolen";
    let input = json!({"app_id": "1", "key": "k", "secret": "s",
        "options": {"host": host, "port": 1, "scheme": format!("https{NASTY}")}});
    let output = Launch::new(&["import", "pusher"]).output(&input.to_string()).await;
    assert_visible(&output.stderr);
    let is_forged = |line: &str| line.trim_start().starts_with("PUSHER_SECRET");
    assert!(!output.stderr.lines().any(is_forged), "{output:?}");
    let table = "x'; touch stolen #";
    let input = json!({"appManager": {"driver": "mysql", "mysql": {"table": table}}, "database": {"mysql": {"database": table}}});
    let output = Launch::new(&["import", "soketi"]).output(&input.to_string()).await;
    let export = output.stderr.lines().find_map(|line| line.trim().strip_prefix("mysql "));
    let export = export.and_then(|line| line.strip_suffix(" > apps.json")).expect("a command");
    let script = format!("printf '<%s>' {export}");
    let shell = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
    let words = String::from_utf8(shell.stdout).expect("text");
    assert!(words.contains(&format!("<--database={table}><-e><SELECT ")), "{words}");
    assert!(words.ends_with(&format!(" FROM `{table}`>")), "{words}");
}

#[tokio::test]
async fn k_references_grow_no_further_than_a_mebibyte() {
    let mut env = format!("{ENV}A0=0123456789\n");
    for step in 1..=6 {
        let before = format!("${{A{}}}", step - 1);
        env += &format!("A{step}={}\n", before.repeat(10));
    }
    for kind in ["soketi", "sockudo"] {
        let output = Launch::new(&["import", kind]).output(&env).await;
        assert_eq!(output.status.code(), Some(1), "{kind}");
        let says = "line 9: with its references (${...}) this file has more than 1 MiB of values";
        assert!(output.stderr.contains(says), "{}", &output.stderr[..output.stderr.len().min(500)]);
        assert_eq!(output.stdout, "");
    }
}

#[tokio::test]
async fn k_input_without_an_end_is_refused() {
    let says = "it is larger than 16 MiB";
    let file = Launch::new(&["import", "soketi", "/dev/zero"]).output("").await;
    assert!(file.status.code() == Some(1) && file.stderr.contains(says), "{}", file.stderr);
    let keep = TempDir::new();
    let env = keep.write(".env", ENV);
    let apps = Launch::new(&["import", "soketi", "--apps", "/dev/zero"]).arg(&env).output("").await;
    assert!(apps.status.code() == Some(1) && apps.stderr.contains(says), "{}", apps.stderr);
    let long = format!("{ENV}{}", "# a comment\n".repeat(1_500_000));
    let stdin = Launch::new(&["import", "soketi", "-"]).output(&long).await;
    let named = format!("sealcast: cannot read standard input: {says}\n");
    assert_eq!((stdin.status.code(), &*stdin.stderr), (Some(1), &*named));
}

#[tokio::test]
async fn k_standard_input_is_read_once() {
    let both = Launch::new(&["import", "soketi", "-", "--apps", "-"]).output(ENV).await;
    assert_eq!(both.status.code(), Some(2), "{both:?}");
    assert!(both.stderr.contains("standard input is one file"), "{both:?}");
}

/// Many names cost no more than their number.
#[tokio::test]
async fn k_large_files_are_read_in_time() {
    let mut env = ENV.to_owned();
    for number in 0..50_000 {
        env += &format!("A{number}=${{A{}\n", number / 2);
    }
    let output = Launch::new(&["import", "soketi"]).output(&env).await;
    assert_eq!(output.status.code(), Some(0), "{}", output.stderr);
    let app = |number: usize| json!({"id": number.to_string(), "key": format!("k{number}"), "secret": "s"});
    let apps: Vec<Value> = (0..200).map(app).collect();
    let input = json!({"appManager": {"array": {"apps": apps}}}).to_string();
    let output = Launch::new(&["import", "soketi"]).output(&input).await;
    assert_eq!(output.status.code(), Some(0), "{}", &output.stderr[..2000]);
}
