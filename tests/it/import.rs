//! `sealcast import`: the listing, and names that nobody knows. The rows are in `import_rows`, files
//! and JSON in `import_files`.

use crate::support::*;

const ENV: &str = "SOKETI_DEFAULT_APP_ID=4711\nSOKETI_DEFAULT_APP_KEY=shop\nSOKETI_DEFAULT_APP_SECRET='hush hush'\n";

fn lines_of<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(mark)).collect()
}

/// Of two names for one setting, the listing claims the one that counts.
#[tokio::test]
async fn k_names_that_decide_nothing_are_told() {
    let redis = "SOKETI_ADAPTER_DRIVER=redis\n";
    let cluster = "SOKETI_ADAPTER_REDIS_CLUSTER_MODE=1\n";
    for (kind, env, says) in [
        (
            "soketi",
            format!("{redis}SOKETI_DB_REDIS_CLUSTER_NODES='[{{\"host\":\"a\"}}]'"),
            "- SOKETI_DB_REDIS_CLUSTER_NODES only with SOKETI_ADAPTER_REDIS_CLUSTER_MODE",
        ),
        (
            "soketi",
            format!("{redis}{cluster}SOKETI_DB_REDIS_CLUSTER_NODES=bogus"),
            "! SOKETI_DB_REDIS_CLUSTER_NODES must be a list in JSON: write it as [{\"host\":\"10.0.0.1\",\"port\":6379}]",
        ),
        (
            "soketi",
            format!("{redis}{cluster}SOKETI_DB_REDIS_HOST=r"),
            "! SOKETI_ADAPTER_DRIVER, SOKETI_ADAPTER_REDIS_CLUSTER_MODE Redis Cluster needs its nodes: write them into cluster.url",
        ),
        (
            "soketi",
            format!("{redis}SOKETI_DB_REDIS_SENTINELS='[{{\"host\":\"a b\"}}]'"),
            "! SOKETI_DB_REDIS_SENTINELS has a host that is no name and no address: write HOST:PORT",
        ),
        (
            "soketi",
            format!("{redis}SOKETI_DB_REDIS_USERNAME=u"),
            "- SOKETI_DB_REDIS_USERNAME a user counts together with a password",
        ),
        (
            "soketi",
            format!(
                "{redis}SOKETI_DB_REDIS_HOST=r\nSOKETI_DB_REDIS_SENTINELS='[{{\"host\":\"a\"}}]'"
            ),
            "- SOKETI_DB_REDIS_HOST the Sentinels name the server",
        ),
        (
            "soketi",
            "SOKETI_WEBHOOKS_BATCHING=1".into(),
            "- SOKETI_WEBHOOKS_BATCHING there are no webhooks",
        ),
        (
            "soketi",
            "SOKETI_PRESENCE_MAX_MEMBER_SIZE=1\nSOKETI_PRESENCE_MAX_MEMBER_SIZE_IN_KB=2".into(),
            "- SOKETI_PRESENCE_MAX_MEMBER_SIZE another name decides apps.4711.limits.presence_member_bytes",
        ),
        (
            "sockudo",
            "SOCKUDO_DEFAULT_APP_ID=1\nHOST=0.0.0.0\nUNIX_SOCKET_ENABLED=1".into(),
            "- HOST the server listens on the Unix socket",
        ),
        (
            "sockudo",
            "SOCKUDO_DEFAULT_APP_ID=1\nSSL_ENABLED=true".into(),
            "! SSL_ENABLED TLS needs both files: set SSL_CERT_PATH and SSL_KEY_PATH",
        ),
        (
            "laravel-websockets",
            "WEBSOCKETS_REPLICATION_MODE=redis\nREDIS_URL=redis://r\nREDIS_HOST=s".into(),
            "- REDIS_HOST the URL of Redis decides",
        ),
    ] {
        let env = if kind == "soketi" { format!("{ENV}{env}") } else { env };
        let output = Launch::new(&["import", kind]).output(&env).await;
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_said = output.stderr.lines().any(|line| words(line).starts_with(says));
        assert!(is_said, "{says}: {output:?}");
        let exit = i32::from(says.starts_with('!') || kind != "soketi");
        assert!(output.status.code() == Some(exit), "{says}: {output:?}");
    }
}

#[tokio::test]
async fn k_login_beside_a_url_of_laravel_is_kept() {
    let env = "PUSHER_APP_ID=1\nPUSHER_APP_KEY=k\nPUSHER_APP_SECRET=s\nWEBSOCKETS_REPLICATION_MODE=redis\nREDIS_URL=redis://r:6380/1\nREDIS_PASSWORD=p\n";
    let output = Launch::new(&["import", "laravel-websockets"]).output(env).await;
    assert!(output.stdout.contains("url = \"redis://:p@r:6380\""), "{output:?}");
}

/// A default is listed if it is in the configuration, and only then.
#[tokio::test]
async fn k_defaults_that_need_nothing_are_not_listed() {
    for (kind, env, name) in [
        ("soketi", ENV, "SOKETI_DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SEC"),
        (
            "laravel-websockets",
            "PUSHER_APP_ID=1\nPUSHER_APP_KEY=k\nPUSHER_APP_SECRET=s\n",
            "(client events)",
        ),
    ] {
        let output = Launch::new(&["import", kind]).output(env).await;
        assert!(!output.stderr.contains(name), "{output:?}");
        assert!(!output.stderr.contains("client_event_bytes"), "{output:?}");
    }
}

#[tokio::test]
async fn k_apps_beside_an_unknown_manager_are_kept() {
    let apps = r#""apps": [{"id": "1", "key": "k", "secret": "s"}]"#;
    let input = format!(r#"{{"managers": {{"app": "App\\TeamManager"}}, {apps}}}"#);
    let output = Launch::new(&["import", "laravel-websockets"]).output(&input).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.contains("[apps.1]"), "{output:?}");
    let says = "TeamManager may have apps of its own, beside those of this file: write them to a file as a JSON list, and read it with --apps";
    assert!(output.stderr.contains(says), "{output:?}");
    assert!(!output.stderr.contains("no app is named"), "{output:?}");
    let keep = TempDir::new();
    let file = keep.write("apps.json", r#"[{"id": "2", "key": "k", "secret": "s"}]"#);
    let launch = Launch::new(&["import", "laravel-websockets", "--apps"]).arg(&file);
    let output = launch.output(&input).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stdout.contains("[apps.2]") && !output.stdout.contains("[apps.1]"));
    let output = Launch::new(&["import", "soketi"]).output("SOKETI_APP_MANAGER_DRIVER=x\n").await;
    assert!(output.stdout.contains("[apps.app-id]"), "{output:?}");
}

/// The largest request of soketi is not refused here.
#[tokio::test]
async fn k_default_of_the_largest_request_travels() {
    let output = Launch::new(&["import", "soketi"]).output(ENV).await;
    let line = "http_body_bytes = 104857600  # their default, httpApi.requestLimitInMb";
    assert!(output.stdout.contains(line), "{output:?}");
    let says = "http_body_bytes: their default, 100";
    let listed = output.stderr.lines().find(|line| line.contains("httpApi.requestLimitInMb"));
    assert!(listed.is_some_and(|line| line.ends_with(says)), "{output:?}");
}

#[tokio::test]
async fn k_names_without_a_counterpart_decide_the_exit_code() {
    let env = format!("{ENV}SOKETI_NONSENSE=1\nSOKETI_SSL_PASS=p4ss\n");
    let refused = Launch::new(&["import", "soketi"]).output(&env).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert_eq!(lines_of(&refused.stderr, "! ").len(), 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("sealcast: 2 names are without a counterpart"), "{refused:?}");
    assert!(
        refused.stdout.contains("# ! SOKETI_NONSENSE: soketi has no such setting"),
        "{refused:?}"
    );
    let forced = Launch::new(&["import", "soketi", "--force"]).output(&env).await;
    assert_eq!((forced.status.code(), &forced.stdout), (Some(0), &refused.stdout));
    let keep = TempDir::new();
    let out = keep.path().join("a.toml");
    let unwritten = Launch::new(&["import", "soketi", "--out"]).arg(&out).output(&env).await;
    assert_eq!(unwritten.status.code(), Some(1));
    assert!(!out.exists() && unwritten.stderr.contains("nothing was written"), "{unwritten:?}");
    assert!(!refused.stderr.contains("p4ss") && !refused.stdout.contains("p4ss"));
}

#[tokio::test]
async fn k_names_of_other_programs_are_passed_over() {
    let env = "APP_NAME=Shop\nAPP_KEY=base64:x\nDB_HOST=db\nREDIS_HOST=redis\nMAIL_HOST=\"${APP_URL}\"\nREVERB_APP_ID=1\nREVERB_APP_KEY=k\nREVERB_APP_SECRET=s\nBROADCAST_CONNECTION=reverb\nVITE_APP_NAME=\"${APP_NAME}\"\nVITE_REVERB_APP_KEY=\"${REVERB_APP_KEY}\"\n";
    let output = Launch::new(&["import", "reverb"]).output(env).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for foreign in ["APP_NAME", "DB_HOST", "REDIS", "MAIL", "BROADCAST_CONNECTION  "] {
        let listed = output.stderr.lines().filter(|line| line.get(1..2) == Some(" "));
        assert!(!listed.into_iter().any(|line| line.contains(foreign)), "{foreign}: {output:?}");
    }
    assert_eq!(lines_of(&output.stderr, "- VITE_REVERB_APP_KEY").len(), 1, "{output:?}");
}

#[tokio::test]
async fn k_lines_that_cannot_be_read_are_told_without_their_text() {
    let env =
        format!("{ENV}half of a s3cret\nSOKETI_PATH_PREFIX=\"${{PREFIX}}\"\nSOKETI_HOST=a#b\n");
    let output = Launch::new(&["import", "soketi"]).output(&env).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.contains("line 4 is neither NAME=VALUE nor a comment"), "{output:?}");
    assert!(
        output.stderr.contains("line 5 refers to ${PREFIX}, which no line above sets"),
        "{output:?}"
    );
    assert!(output.stderr.contains("line 6 ends at its #, as before"), "{output:?}");
    assert!(!output.stderr.contains("s3cret"), "{output:?}");
    for (kind, text, says) in [
        ("soketi", "{\"secret\": ", "it is no JSON: line 1, column 11"),
        ("sockudo", "[a]\nb = \"s3cret", "it is no TOML"),
    ] {
        let output = Launch::new(&["import", kind]).output(text).await;
        assert_eq!(output.status.code(), Some(1), "{kind}: {output:?}");
        assert!(output.stderr.contains(says) && !output.stderr.contains("s3cret"), "{output:?}");
    }
    let missing = Launch::new(&["import", "soketi", "/no/such/.env"]).output("").await;
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    assert!(missing.stderr.starts_with("sealcast: cannot read /no/such/.env"), "{missing:?}");
}

#[tokio::test]
async fn k_apps_of_a_database_are_read_from_its_export() {
    let env = "SOKETI_APP_MANAGER_DRIVER=mysql\nSOKETI_DEFAULT_APP_KEY=unused\n";
    let rows = r#"[{"id":"1","key":"a","secret":"s","enabled":1,"max_connections":-1,"enable_client_messages":1,"max_backend_events_per_sec":-1,"max_client_events_per_sec":5,"max_read_req_per_sec":-1,"webhooks":"[{\"url\":\"https://a.example/\",\"event_types\":[\"member_added\"]}]","enable_user_authentication":0},{"id":"2","key":"b","secret":"s","max_event_payload_in_kb":1,"webhooks":null}]"#;
    let scan = r#"{"Items":[{"AppId":{"S":"1"},"AppKey":{"S":"a"},"AppSecret":{"S":"s"},"MaxConnections":{"N":"-1"},"EnableClientMessages":{"BOOL":true},"MaxClientEventsPerSecond":{"N":"5"},"Webhooks":{"S":"[{\"url\":\"https://a.example/\",\"event_types\":[\"member_added\"]}]"}},{"AppId":{"S":"2"},"AppKey":{"S":"b"},"AppSecret":{"S":"s"},"MaxEventPayloadInKb":{"N":"1"}}]}"#;
    for export in [rows, scan] {
        let keep = TempDir::new();
        let file = keep.write("apps.json", export);
        let launch = Launch::new(&["import", "soketi", "--apps"]).arg(&file);
        let output = launch.output(env).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stderr.contains("- SOKETI_DEFAULT_APP_KEY"), "{output:?}");
        let (first, second) = output.stdout.split_once("\n[apps.2]\n").expect("two apps");
        for expected in [
            "[apps.1]",
            "client_events = true",
            "limits.client_events_per_second = 5",
            "[[apps.1.webhooks]]",
            "limits.event_bytes = 102400",
        ] {
            assert!(first.contains(expected), "{expected}: {first}");
        }
        assert!(second.contains("limits.event_bytes = 1024 "), "{second}");
        let check = Launch::new(&["config", "check"]).config(&output.stdout).output("").await;
        assert_eq!(check.status.code(), Some(0), "{check:?}");
    }
    let keep = TempDir::new();
    let file = keep.write("apps.json", "[]");
    let output = Launch::new(&["import", "soketi", "--apps"]).arg(&file).output(env).await;
    assert!(output.stderr.contains("it is no list of apps"), "{output:?}");
}

#[tokio::test]
async fn k_the_dashboard_of_pusher_comes_as_flags() {
    let env = "PUSHER_APP_ID=1\nPUSHER_APP_KEY=k\nPUSHER_APP_SECRET=s\nPUSHER_APP_CLUSTER=eu\n";
    let keep = TempDir::new();
    let key = keep.write("master", &base64(&master_key("import")));
    let launch = Launch::new(&[
        "import",
        "pusher",
        "--client-events",
        "--authorized-connections",
        "--subscription-count",
        "--webhook",
        "https://a.example/pusher",
        "--master-key-file",
    ]);
    let output = launch.arg(&key).output(env).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for expected in [
        "client_events = true",
        "authorized_connections = true",
        "subscription_count = true",
        "url = \"https://a.example/pusher\"",
        "master_key = ",
    ] {
        assert!(output.stdout.contains(expected), "{expected}: {}", output.stdout);
    }
    let check = Launch::new(&["config", "check"]).config(&output.stdout).output("").await;
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    let wrong = Launch::new(&["import", "soketi", "--client-events"]).output(env).await;
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    let bad = Launch::new(&["import", "pusher", "--webhook", "ftp://a"]).output(env).await;
    assert!(bad.stderr.contains("--webhook ftp://a: it must begin with https://"), "{bad:?}");
}

#[tokio::test]
async fn k_the_same_input_gives_the_same_file() {
    let shuffled: Vec<&str> = ENV.lines().rev().collect();
    let first = Launch::new(&["import", "soketi"]).output(ENV).await;
    let second = Launch::new(&["import", "soketi"]).output(&shuffled.join("\n")).await;
    assert_eq!((first.stdout, first.stderr), (second.stdout, second.stderr));
}

/// Blocks of docs/migrating.md: a file, a command, and all that it prints.
#[tokio::test]
async fn k_the_examples_of_the_document_are_real() {
    const DOCUMENT: &str = include_str!("../../docs/migrating.md");
    let blocks: Vec<&str> = DOCUMENT
        .split("```console\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("the end of the block"))
        .collect();
    assert_eq!(blocks.len(), 5);
    for block in blocks {
        let rest = block.strip_prefix("$ cat ").expect("a file");
        let (file, rest) = rest.split_once('\n').expect("its name");
        let (content, rest) = rest.split_once("$ sealcast ").expect("a command");
        let (command, printed) = rest.split_once('\n').expect("what it prints");
        let arguments: Vec<&str> = command.split(' ').collect();
        let launch = Launch::new(&arguments);
        launch.dir().write(file, content);
        let output = launch.output("").await;
        assert_eq!(output.stdout + &output.stderr, printed, "sealcast {command}");
    }
}
