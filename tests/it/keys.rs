//! encryption.md 3: the parser of master keys, fingerprints, and errors that never show a value.

use crate::support::*;

/// `keys inspect` with the key as an argument and on standard input; the output must be the same.
async fn inspect(key: &str) -> Output {
    let by_argument = Launch::new(&["keys", "inspect", key]).output("").await;
    let by_input = Launch::new(&["keys", "inspect", "-"]).output(&format!("{key}\n")).await;
    assert_eq!(by_argument.status.code(), by_input.status.code(), "{by_argument:?} {by_input:?}");
    assert_eq!(by_argument.stdout, by_input.stdout);
    by_input
}

/// The fingerprint in the output: the last word with at least eight hex digits.
fn fingerprint(output: &Output) -> String {
    let is_digit = |c: char| c.is_ascii_hexdigit();
    let mut words = output.stdout.split(|c: char| !(is_digit(c) || c == '-' || c == ':'));
    let word = words.rfind(|word| word.chars().filter(|c| is_digit(*c)).count() >= 8);
    word.unwrap_or_else(|| panic!("no fingerprint in {output:?}")).to_owned()
}

#[tokio::test]
async fn e3_key_has_one_fingerprint_in_any_notation() {
    let master = master_key("inspect");
    let standard = base64(&master);
    let rows = [
        (standard.clone(), "base64"),
        (format!("base64:{standard}"), "base64"),
        (standard.trim_end_matches('=').to_owned(), "base64"),
        (standard.replace('+', "-").replace('/', "_"), "base64"),
        (hex(&master), "hex"),
        (format!("hex:{}", hex(&master).to_uppercase()), "hex"),
    ];
    let mut seen = Vec::new();
    for (key, format) in rows {
        let output = inspect(&key).await;
        assert_eq!(output.status.code(), Some(0), "{key}: {output:?}");
        assert!(output.stdout.contains(format), "{key}: {output:?}");
        let shown = format!("{}{}", output.stdout, output.stderr);
        assert!(
            !shown.contains(&standard[..20]) && !shown.contains(&hex(&master)[..20]),
            "the key itself: {shown}"
        );
        seen.push(fingerprint(&output));
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    let other = fingerprint(&inspect(&base64(&master_key("another"))).await);
    assert_ne!(other, seen[0]);
    // 32 printable characters are the key themselves, with a warning.
    let raw = "aB3$efgh1jklmn0pqrstuvwxyz?!#%&/";
    let output = inspect(raw).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fingerprint(&output), fingerprint(&inspect(&hex(raw.as_bytes())).await));
    assert!(!format!("{output:?}").contains(raw), "{output:?}");
}

#[tokio::test]
async fn e3_generated_keys_are_unique_and_valid() {
    let mut seen = Vec::new();
    for _ in 0..3 {
        let output = Launch::new(&["keys", "generate"]).output("").await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let line = output.stdout.trim().to_owned();
        let key = line.strip_prefix("base64:").unwrap_or_else(|| panic!("{output:?}"));
        assert_eq!(unbase64(key).len(), 32, "{line}");
        assert_eq!(inspect(&line).await.status.code(), Some(0), "{line}");
        assert!(!seen.contains(&line), "twice: {line}");
        seen.push(line);
    }
}

#[tokio::test]
async fn e3_bad_keys_are_rejected_and_not_echoed() {
    let good = base64(&master_key("bad"));
    let rows = [
        "x".to_owned(),
        "canary-key-that-is-not-a-key".to_owned(),
        "canary-of-31-characters-exactly".to_owned(),
        "canary-of-33-characters-exactly--".to_owned(),
        good[1..].to_owned(),
        format!("{good}AAAA"),
        good.replace('=', "!"),
        format!("base64:{}", base64(&[7, 13].repeat(15))),
        format!("base64:{}", base64(&[7, 13].repeat(17))),
        "base64:canary-!!".to_owned(),
        format!("hex:{}", &hex(&master_key("bad"))[..62]),
        format!("hex:{}zz", &hex(&master_key("bad"))[..62]),
        "raw:canary-short".to_owned(),
        "unknown:canary-canary-canary".to_owned(),
        "file:/no/such/canary/file".to_owned(),
        "env:NO_SUCH_CANARY_VARIABLE".to_owned(),
        // One repeated byte, in three notations.
        "0".repeat(64),
        base64(&[0; 32]),
        "a".repeat(32),
    ];
    for key in rows {
        let checked = Launch::new(&["config", "check"])
            .config(&config(&format!("master_key = \"{key}\"")))
            .output("")
            .await;
        assert_eq!(checked.status.code(), Some(1), "{key}: {checked:?}");
        let by_environment = Launch::new(&["config", "check"])
            .env("SEALCAST_APP_ID", "x")
            .env("SEALCAST_APP_KEY", "x-key")
            .env("SEALCAST_APP_SECRET", "x-secret")
            .env("SEALCAST_MASTER_KEY", &key)
            .output("")
            .await;
        assert_eq!(by_environment.status.code(), Some(1), "{key}: {by_environment:?}");
        let inspected = inspect(&key).await;
        assert_ne!(inspected.status.code(), Some(0), "{key}: {inspected:?}");
        let bare = key.split_once(':').map_or(key.as_str(), |(_, value)| value);
        for output in [checked, by_environment, inspected] {
            let shown = format!("{}{}", output.stdout, output.stderr);
            // The name of a file or variable may be shown, its content may not.
            if bare.len() > 1 && !key.starts_with("file:") && !key.starts_with("env:") {
                assert!(!shown.contains(bare), "{key}: {shown}");
            }
            assert!(!shown.contains("panicked"), "{shown}");
        }
    }
}

#[tokio::test]
async fn e3_apps_must_not_share_a_key_unless_allowed() {
    let key = |extra: &str| format!("master_key = \"{}\"\n{extra}", base64(&master_key("shared")));
    let in_hex =
        |extra: &str| format!("master_key = \"hex:{}\"\n{extra}", hex(&master_key("shared")));
    let text = config_of("", &[(APP, &key("")), (OTHER, &in_hex(""))]);
    let output = Launch::new(&["config", "check"]).config(&text).output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!output.stderr.contains(&base64(&master_key("shared"))), "{output:?}");
    let served = Launch::serve(&text).output("").await;
    assert_ne!(served.status.code(), Some(0), "{served:?}");

    let allow = "allow_shared_master_key = true";
    let text = config_of("", &[(APP, &key(allow)), (OTHER, &in_hex(allow))]);
    let output = Launch::new(&["config", "check"]).config(&text).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[tokio::test]
async fn e3_keys_from_files_and_variables() {
    let master = base64(&master_key("indirect"));
    let launch = Launch::new(&["config", "check"]);
    let path = launch.dir().write("master", &format!("{master}\n"));
    let text = config(&format!("master_key = \"file:{}\"", path.display()));
    let output = launch.config(&text).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let launch = Launch::new(&["config", "check"]).env("THE_MASTER_KEY", &master);
    let output = launch.config(&config("master_key = \"env:THE_MASTER_KEY\"")).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let launch = Launch::new(&["config", "check"]);
    let path = launch.dir().write("master", &format!("{master}\n"));
    let text = config(&format!("master_key_file = \"{}\"", path.display()));
    let output = launch.config(&text).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[tokio::test]
async fn e3_vectors_name_their_key_and_do_not_repeat_it() {
    let published = Launch::new(&["keys", "vector"]).output("").await;
    assert_eq!(published.status.code(), Some(0), "{published:?}");
    assert!(published.stderr.contains("published example key"), "{published:?}");
    // A published key is refused.
    let inspected = inspect("base64:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").await;
    assert_eq!(inspected.status.code(), Some(1), "{inspected:?}");

    let master = base64(&master_key("vectors"));
    let own = Launch::new(&["keys", "vector", "--key", "-"]).output(&master).await;
    assert_eq!((own.status.code(), own.stderr.as_str()), (Some(0), ""), "{own:?}");
    assert!(!own.stdout.contains(&master) && !own.stdout.contains("example"), "{own:?}");
    for (args, wanted) in [
        (["--channel", "private-x"], "is no encrypted channel"),
        (["--channel", "private-encrypted"], "private-encrypted-"),
        (["--app", "a/b"], "is no app id"),
        (["--key", "canary-of-a-key"], "is no known form"),
    ] {
        let output = Launch::new(&["keys", "vector"]).arg(args[0]).arg(args[1]).output("").await;
        let exit = if args[0] == "--key" { 1 } else { 2 };
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {output:?}");
        assert!(output.stderr.contains(wanted), "{args:?}: {output:?}");
        assert!(!output.stderr.contains("canary"), "{output:?}");
    }
}
