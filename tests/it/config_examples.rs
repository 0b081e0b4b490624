//! The files in `config/`: each is valid, also with its commented settings.

use crate::support::*;

const SECRETS: &str = "/run/secrets/";

/// With the secrets that it names, and what it keeps, in a directory of the test's own.
async fn check(text: &str) -> Output {
    let launch = Launch::new(&["config", "check"]);
    let names: Vec<&str> =
        text.split(SECRETS).skip(1).filter_map(|rest| rest.split('"').next()).collect();
    for name in names {
        launch.dir().write(name, &base64(&master_key(name)));
    }
    let own = launch.dir().path().display().to_string();
    let text = text.replace(SECRETS, &format!("{own}/")).replace("/var/lib/sealcast", &own);
    let text = with_free_ports(&text);
    launch.config(&text).output("").await
}

/// The addresses of the examples are those of other machines, or in use on this one.
fn with_free_ports(text: &str) -> String {
    let line = |line: &str| match line.split_once("listen = ") {
        Some((name, _)) => format!("{name}listen = \"127.0.0.1:0\""),
        None => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The commented settings, except those for TLS, which need files.
fn with_comments(text: &str) -> String {
    let setting = |line: &&str| line.contains(" = ") && !line.contains("tls_");
    let lines = text.lines().map(|line| line.strip_prefix("# ").filter(setting).unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn c_impossible_log_settings_fail_the_check() {
    for (log, status, says) in [
        ("warn,sealcast=debug", 0, ""),
        ("", 0, ""),
        ("loud", 1, "\"loud\" is no level"),
        ("warn,verbose", 1, "\"verbose\" is no level"),
        ("sealcast=loud", 1, "\"loud\" is no level"),
    ] {
        let text = config_of(&format!("log = \"{log}\""), &[(APP, "mode = \"blind\"")]);
        let output = check(&text).await;
        assert_eq!(output.status.code(), Some(status), "{log}: {output:?}");
        assert!(output.stderr.contains(says), "{log}: {output:?}");
    }
}

#[tokio::test]
async fn c_example_files_are_valid() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    let mut examples = 0;
    for file in std::fs::read_dir(folder).expect("the folder") {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("a text");
        for text in [with_comments(&text), text] {
            let output = check(&text).await;
            assert_eq!(output.status.code(), Some(0), "{}: {output:?}", path.display());
            // Their ids are names, and one SDK needs numbers.
            let said =
                output.stderr.lines().find(|line| !line.starts_with("note: the official SDK"));
            assert_eq!(said, None, "{}: nothing to warn of", path.display());
        }
        examples += 1;
    }
    assert!(examples >= 3, "{examples} examples");
}
