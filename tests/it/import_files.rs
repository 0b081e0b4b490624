//! `sealcast import`: the files of `--out`, and the object of `--json`.

use std::os::unix::fs::PermissionsExt;

use crate::support::*;

const ENV: &str = "SOKETI_DEFAULT_APP_ID=4711\nSOKETI_DEFAULT_APP_KEY=shop\nSOKETI_DEFAULT_APP_SECRET='hush hush'\n";

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
    let check =
        Launch::new(&["config", "check", "--offline", "--config"]).arg(&out).output("").await;
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    assert_eq!(check.stderr, "", "nothing to warn of");
}

#[tokio::test]
async fn k_files_that_are_there_stay() {
    let keep = TempDir::new();
    let out = keep.path().join("shop.toml");
    let secret = keep.write("shop.4711.secret", "before");
    let run = async |flags: &[&str]| {
        let launch = Launch::new(&["import", "soketi", "--out"]).arg(&out);
        flags.iter().fold(launch, |launch, arg| launch.arg(arg)).output(ENV).await
    };
    for flags in [&[][..], &["--force"]] {
        let refused = run(flags).await;
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let says = "is there already, and nothing was written: choose another name, or add --overwrite to replace it";
        assert!(refused.stderr.contains(says), "{refused:?}");
        assert!(!out.exists(), "none of the files");
        assert_eq!(std::fs::read_to_string(&secret).expect("a file"), "before");
    }
    let overwritten = run(&["--overwrite"]).await;
    assert_eq!(overwritten.status.code(), Some(0), "{overwritten:?}");
    assert_eq!(std::fs::read_to_string(&secret).expect("a file"), "hush hush");
    assert_eq!(std::fs::read_dir(keep.path()).expect("a directory").count(), 2);
}

#[tokio::test]
async fn k_overwrite_accepts_no_names_and_needs_out() {
    let keep = TempDir::new();
    let out = keep.write("shop.toml", "# edited");
    let env = format!("{ENV}SOKETI_SSL_PASS=p\n");
    let launch = Launch::new(&["import", "soketi", "--overwrite", "--out"]).arg(&out);
    let refused = launch.output(&env).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("nothing was written: look at it, then add --force"));
    assert_eq!(std::fs::read_to_string(&out).expect("a file"), "# edited");
    let without = Launch::new(&["import", "soketi", "--overwrite"]).output(ENV).await;
    assert_eq!(without.status.code(), Some(2), "{without:?}");
}

/// The other nodes of the cluster have the same key.
#[tokio::test]
async fn k_cluster_key_that_is_there_is_kept() {
    let keep = TempDir::new();
    let (out, key) = (keep.path().join("s.toml"), keep.path().join("s.cluster.key"));
    let env = format!("{ENV}SOKETI_ADAPTER_DRIVER=redis\n");
    let run = async |flags: &[&str]| {
        let launch = Launch::new(&["import", "soketi", "--out"]).arg(&out);
        flags.iter().fold(launch, |launch, arg| launch.arg(arg)).output(&env).await
    };
    let first = run(&[]).await;
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let made = std::fs::read_to_string(&key).expect("a key");
    let again = run(&["--overwrite"]).await;
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    let kept = format!("kept {}: a cluster key that is there is never replaced", key.display());
    assert!(again.stderr.contains(&kept), "{again:?}");
    assert_eq!(std::fs::read_to_string(&key).expect("a key"), made);
    // The key alone stops nothing.
    std::fs::remove_file(&out).expect("the configuration");
    std::fs::remove_file(keep.path().join("s.4711.secret")).expect("the secret");
    let beside = run(&["--json"]).await;
    let answer: serde_json::Value = serde_json::from_str(&beside.stdout).expect("one object");
    assert_eq!(answer["kept"], serde_json::json!([key.display().to_string()]));
    assert_eq!(std::fs::read_to_string(&key).expect("a key"), made);
}

#[tokio::test]
async fn k_json_is_one_object() {
    let env = format!(
        "{ENV}SOKETI_PORT=7001\nSOKETI_QUEUE_DRIVER=redis\nSOKETI_DEFAULT_APP_MAX_CONNS=-1\n"
    );
    let plain = Launch::new(&["import", "soketi"]).output(&env).await;
    let output = Launch::new(&["import", "soketi", "--json"]).output(&env).await;
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), ""), "{output:?}");
    let answer: serde_json::Value = serde_json::from_str(&output.stdout).expect("one object");
    assert_eq!(answer["config"], plain.stdout);
    assert_eq!(answer["files"], serde_json::json!([]));
    let line = |theirs: &str| {
        let lines = answer["settings"].as_array().expect("a list");
        lines.iter().find(|line| line["theirs"] == theirs).cloned().expect(theirs)
    };
    for (mark, theirs, ours, note) in [
        ("=", "SOKETI_PORT", Some("listen"), ""),
        ("=", "SOKETI_DEFAULT_APP_ID", Some("apps.4711"), ""),
        ("=", "SOKETI_DEFAULT_APP_SECRET", Some("apps.4711.secret"), ""),
        ("-", "SOKETI_QUEUE_DRIVER", None, "webhooks wait in the server"),
        (
            "~",
            "SOKETI_DEFAULT_APP_MAX_CONNS",
            None,
            "apps.4711.limits.connections is left out: any number",
        ),
    ] {
        let wanted =
            serde_json::json!({"mark": mark, "theirs": theirs, "ours": ours, "note": note});
        assert_eq!(line(theirs), wanted);
    }
    let next = answer["next"].to_string();
    assert!(next.contains("PUSHER_PORT=7001"), "{next}");
    // The configuration alone has secrets.
    let mut rest = answer.clone();
    rest["config"] = serde_json::Value::Null;
    assert!(!rest.to_string().contains("hush"), "{rest}");
}

#[tokio::test]
async fn k_json_names_the_files_that_were_written() {
    let keep = TempDir::new();
    let out = keep.path().join("s.toml");
    let run = async |env: &str| {
        let launch = Launch::new(&["import", "soketi", "--json", "--out"]).arg(&out);
        launch.output(env).await
    };
    let refused = run(&format!("{ENV}SOKETI_SSL_PASS=p4ss\n")).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let answer: serde_json::Value = serde_json::from_str(&refused.stdout).expect("one object");
    assert_eq!(
        (&answer["config"], &answer["files"]),
        (&serde_json::Value::Null, &serde_json::json!([]))
    );
    let says = "sealcast: 1 name is without a counterpart (!), and nothing was written: look at it, then add --force\n";
    assert_eq!(refused.stderr, says);
    assert!(!refused.stdout.contains("p4ss"), "{refused:?}");
    let output = run(ENV).await;
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), ""), "{output:?}");
    let answer: serde_json::Value = serde_json::from_str(&output.stdout).expect("one object");
    let files = [out.clone(), keep.path().join("s.4711.secret")];
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    assert_eq!(
        (&answer["config"], &answer["files"]),
        (&serde_json::Value::Null, &serde_json::json!(files))
    );
    let check = format!("check it: sealcast config check --config {}", out.display());
    assert_eq!(answer["next"][0], check);
    assert!(!output.stdout.contains("hush"), "{output:?}");
}

/// What the server would refuse is told before it is written.
#[tokio::test]
async fn k_success_means_that_the_server_would_start() {
    let pusher = "PUSHER_APP_ID=1\nPUSHER_APP_KEY=k\nPUSHER_APP_SECRET=s\n";
    let laravel = format!("{pusher}WEBSOCKETS_REPLICATION_MODE=redis\n");
    for (kind, env, name) in [
        ("pusher", format!("{pusher}PUSHER_ENCRYPTION_MASTER_KEY_BASE64=c2hvcnQ="), "PUSHER_ENCRYPTION_MASTER_KEY_BASE64"),
        ("pusher", format!("{pusher}PUSHER_ENCRYPTION_MASTER_KEY_BASE64=file:/etc/passwd"), "PUSHER_ENCRYPTION_MASTER_KEY_BASE64"),
        ("laravel-websockets", format!("{laravel}REDIS_URL=redis://:99999"), "REDIS_URL"),
        ("laravel-websockets", format!("{laravel}REDIS_URL=redis://a:b:c:d"), "REDIS_URL"),
        ("laravel-websockets", format!("{laravel}REDIS_PORT=0"), "REDIS_PORT"),
        ("soketi", format!("{ENV}SOKETI_HOST='a b'"), "SOKETI_HOST"),
        ("soketi", format!("{ENV}SOKETI_PORT=70000"), "SOKETI_PORT"),
        ("soketi", format!("{ENV}SOKETI_PATH_PREFIX='/a b?'"), "SOKETI_PATH_PREFIX"),
        ("soketi", format!("{ENV}SOKETI_METRICS_ENABLED=1\nSOKETI_METRICS_HOST=-"), "SOKETI_METRICS_HOST"),
        ("soketi", format!("{ENV}SOKETI_CHANNEL_CACHE_TTL=99999999999"), "SOKETI_CHANNEL_CACHE_TTL"),
        ("soketi", format!("{ENV}SOKETI_DEFAULT_APP_WEBHOOKS='[{{\"url\":\"https://a.example/\",\"event_types\":[\"member_added\"],\"headers\":{{\"a b\":\"c\"}}}}]'"), "SOKETI_DEFAULT_APP_WEBHOOKS[0]"),
        ("sockudo", "SOCKUDO_DEFAULT_APP_ID=1\nSOCKUDO_DEFAULT_APP_KEY=k\nSOCKUDO_DEFAULT_APP_SECRET=s\nUNIX_SOCKET_ENABLED=1\nUNIX_SOCKET_PATH=/x\nUNIX_SOCKET_PERMISSION_MODE=999".into(), "UNIX_SOCKET_PERMISSION_MODE"),
    ] {
        let keep = TempDir::new();
        let out = keep.path().join("s.toml");
        let output = Launch::new(&["import", kind, "--out"]).arg(&out).output(&env).await;
        let at = format!("{name}: {output:?}");
        assert_eq!(output.status.code(), Some(1), "{at}");
        assert!(!out.exists(), "{at}");
        let told = |line: &str| line.starts_with("! ") && line.contains(name);
        assert!(output.stderr.lines().any(told), "{at}");
        // Written all the same, it is still no success.
        let forced = Launch::new(&["import", kind, "--force", "--out"]).arg(&out).output(&env).await;
        let check = Launch::new(&["config", "check", "--offline", "--config"]).arg(&out);
        let checked = check.output("").await;
        assert!(out.exists(), "{forced:?}");
        assert_eq!(forced.status.code(), checked.status.code(), "{forced:?}\n{checked:?}");
    }
}

#[tokio::test]
async fn k_secrets_that_stay_in_the_file_are_named() {
    let env = format!(
        "{ENV}SOKETI_ADAPTER_DRIVER=redis\nSOKETI_DB_REDIS_PASSWORD=hush\nSOKETI_DEFAULT_APP_WEBHOOKS='[{{\"url\":\"https://a.example/\",\"event_types\":[\"member_added\"],\"headers\":{{\"Authorization\":\"hush\"}}}}]'\n"
    );
    let keep = TempDir::new();
    let out = keep.path().join("s.toml");
    let output = Launch::new(&["import", "soketi", "--out"]).arg(&out).output(&env).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let says = format!(
        "secrets that stay in {}: apps.4711.webhooks.0.headers.Authorization, cluster.url",
        out.display()
    );
    assert!(output.stderr.contains(&says) && !output.stderr.contains("hush"), "{output:?}");
    let json = Launch::new(&["import", "soketi", "--json", "--overwrite", "--out"]).arg(&out);
    let json = json.output(&env).await;
    let answer: serde_json::Value = serde_json::from_str(&json.stdout).expect("one object");
    let names = ["apps.4711.webhooks.0.headers.Authorization", "cluster.url"];
    assert_eq!(answer["secrets_in_config"], serde_json::json!(names));
}

#[tokio::test]
async fn k_out_is_a_file() {
    let dir = TempDir::new();
    for name in ["-", "..", "", "/dev/null/x"] {
        let launch = Launch::new(&["import", "soketi", "--out"]).in_dir(dir.path()).arg(name);
        let output = launch.output(ENV).await;
        assert!(matches!(output.status.code(), Some(1 | 2)), "{name}: {output:?}");
        assert!(output.stderr.starts_with("sealcast: ") || name.is_empty(), "{name}: {output:?}");
    }
    let launch = Launch::new(&["import", "soketi", "--out", "-"]).in_dir(dir.path());
    let output = launch.output(ENV).await;
    let says = "sealcast: --out needs the name of a file: without --out the configuration goes to standard output\n";
    assert_eq!((output.status.code(), &*output.stderr), (Some(2), says));
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
}

/// The id of an app is foreign text, and becomes a part of a file's name.
#[tokio::test]
async fn k_ids_of_apps_lead_into_no_other_directory() {
    let keep = TempDir::new();
    std::fs::create_dir(keep.path().join("s.a")).expect("a directory");
    let out = keep.path().join("s.toml");
    let long = "x".repeat(300);
    for (id, file) in [
        ("a/b", "s.app+1.secret"),
        ("a/../../b", "s.app+1.secret"),
        ("..", "s....secret"),
        ("a\nb", "s.app+1.secret"),
        (&*long, "s.app+1.secret"),
    ] {
        let input =
            serde_json::json!({"appManager.array.apps": [{"id": id, "key": "k", "secret": "s"}]});
        let launch =
            Launch::new(&["import", "soketi", "--force", "--overwrite", "--out"]).arg(&out);
        let output = launch.output(&input.to_string()).await;
        assert!(keep.path().join(file).exists(), "{id}: {output:?}");
        assert_eq!(std::fs::read_dir(keep.path()).expect("a directory").count(), 3, "{id}");
        assert_eq!(std::fs::read_dir(keep.path().join("s.a")).expect("it").count(), 0, "{id}");
        std::fs::remove_file(keep.path().join(file)).expect("the secret");
    }
}

/// The name of the second secret is too long for a file.
#[tokio::test]
async fn k_failed_write_leaves_everything_as_it_was() {
    let keep = TempDir::new();
    let out = keep.path().join(format!("{}.toml", "s".repeat(190)));
    let app = |id: &str| serde_json::json!({"id": id, "key": id, "secret": "new"});
    let input = serde_json::json!({"appManager.array.apps": [app("1"), app(&"x".repeat(60))]});
    let run = async |flags: &[&str]| {
        let launch = Launch::new(&["import", "soketi", "--out"]).arg(&out);
        let launch = flags.iter().fold(launch, |launch, flag| launch.arg(flag));
        let output = launch.output(&input.to_string()).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stderr.contains("and nothing was written"), "{output:?}");
    };
    run(&[]).await;
    assert_eq!(std::fs::read_dir(keep.path()).expect("a directory").count(), 0);
    let secret = keep.write(&format!("{}.1.secret", "s".repeat(190)), "before");
    std::fs::write(&out, "# before").expect("a file");
    run(&["--overwrite"]).await;
    assert_eq!(std::fs::read_to_string(&secret).expect("the secret"), "before");
    assert_eq!(std::fs::read_to_string(&out).expect("the file"), "# before");
    assert_eq!(std::fs::read_dir(keep.path()).expect("a directory").count(), 2);
}
