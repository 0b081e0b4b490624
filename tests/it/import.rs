//! `sealcast import`: files, flags, and names that nobody knows. The rows are in `import_rows`.

use std::os::unix::fs::PermissionsExt;

use crate::support::*;

const ENV: &str = "SOKETI_DEFAULT_APP_ID=4711\nSOKETI_DEFAULT_APP_KEY=shop\nSOKETI_DEFAULT_APP_SECRET='hush hush'\n";

fn lines_of<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(mark)).collect()
}

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[tokio::test]
async fn k_secrets_go_into_files_beside_the_configuration() {
    let env = format!("{ENV}SOKETI_ADAPTER_DRIVER=redis\n");
    let launch = Launch::new(&["import", "soketi", "-"]).umask("0000");
    let dir = launch.dir().path().to_owned();
    let out = dir.join("sealcast.toml");
    // Kept until the end of the test.
    let keep = TempDir::new();
    let out = keep.path().join(out.file_name().expect("a name"));
    let output = launch.arg("--out").arg(&out).output(&env).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, "", "the configuration is in the file");
    assert!(!output.stderr.contains("hush"), "{}", output.stderr);
    let text = std::fs::read_to_string(&out).expect("the configuration");
    assert!(!text.contains("hush") && !text.contains("base64:"), "{text}");
    let secret = keep.path().join("sealcast.4711.secret");
    assert!(text.contains(&format!("secret_file = {:?}", secret.display().to_string())), "{text}");
    assert_eq!(std::fs::read_to_string(&secret).expect("the secret"), "hush hush");
    for file in [&out, &secret, &keep.path().join("sealcast.cluster.key")] {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    let check = Launch::new(&["config", "check", "--config"]).arg(&out).output("").await;
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    assert_eq!(check.stderr, "", "nothing to warn of");
}

#[tokio::test]
async fn k_files_that_are_there_stay() {
    let keep = TempDir::new();
    let out = keep.path().join("shop.toml");
    let secret = keep.write("shop.4711.secret", "before");
    let run = async |force: &[&str]| {
        let launch = Launch::new(&["import", "soketi", "--out"]).arg(&out);
        force.iter().fold(launch, |launch, arg| launch.arg(arg)).output(ENV).await
    };
    let refused = run(&[]).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("is there already, and nothing was written"), "{refused:?}");
    assert!(!out.exists(), "none of the files");
    assert_eq!(std::fs::read_to_string(&secret).expect("a file"), "before");
    let forced = run(&["--force"]).await;
    assert_eq!(forced.status.code(), Some(0), "{forced:?}");
    assert_eq!(std::fs::read_to_string(&secret).expect("a file"), "hush hush");
    assert_eq!(std::fs::read_dir(keep.path()).expect("a directory").count(), 2);
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
