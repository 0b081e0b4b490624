//! All faults in one run, each once, and none that only follows.

use super::*;
use crate::config::{Environment, Flags};

/// `LINE: path` of each fault, in the order of the list.
fn faults_with(text: &str, variables: &[(&str, &str)], files: NamedFiles) -> Vec<String> {
    let name = format!("sealcast-check-{}-{:?}", std::process::id(), std::thread::current().id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, text).unwrap();
    let flags = Flags { config: Some(path.clone()), ..Flags::default() };
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let source = Source::new(&flags, variables.collect::<Environment>());
    std::fs::remove_file(&path).unwrap();
    let findings = check(&source, files);
    let line = |fault: &Fault| {
        let place = fault.place.to_string();
        let place =
            place.strip_prefix(&format!("{}:", path.display())).map(str::to_owned).unwrap_or(place);
        format!("{} {}", place.split(':').next().unwrap_or_default(), fault.path.join("."))
    };
    findings.faults.iter().map(line).collect()
}

fn faults(text: &str) -> Vec<String> {
    faults_with(text, &[], NamedFiles::Read)
}

const APP: &str = "[apps.a]\nkey = 'k'\nsecret = 's'\n";

#[test]
fn all_kinds_of_faults_are_found_in_one_run() {
    let text = "lisen = '127.0.0.1:1'\nworkers = 'two'\nlog_format = xml\npath_prefix = 'ws'\n\
        drain_seconds = 4000\n\
        [apps.a]\nkey = 'k/'\nsecret = 's'\nclient_events = 'yes'\norigins = ['*', 'https://a.example', 'b']\n\
        [[apps.a.webhooks]]\nevents = []\n[[apps.a.webhooks]]\nurl = 'https://a.example/'\nretry_seconds = 0\n\
        [apps.b]\nkey = 'k2'\n[apps.b.limits]\nconnections = -1\n\
        [apps.c]\nkey = 'k2'\nsecret = 's'\n";
    let expected = [
        "1 lisen",
        "2 workers",
        "3 log_format",
        "4 path_prefix",
        "5 drain_seconds",
        "7 apps.a.key",
        "9 apps.a.client_events",
        "10 apps.a.origins.0",
        "10 apps.a.origins.2",
        "11 apps.a.webhooks.0.url",
        "15 apps.a.webhooks.1.retry_seconds",
        "16 apps.b.secret",
        "19 apps.b.limits.connections",
        "21 apps.c.key",
    ];
    assert_eq!(faults(text), expected);
}

#[test]
fn good_configuration_has_no_fault() {
    assert_eq!(faults(APP), [""; 0]);
}

#[test]
fn faults_that_follow_from_another_are_not_listed() {
    for (text, expected) in [
        // Without the authorizer, the rules have none.
        (
            format!("{APP}authorizer = 'maybe'\n[[apps.a.rules]]\nchannel = 'private-a'\n"),
            "4 apps.a.authorizer",
        ),
        (format!("trusted_proxies = ['x']\nproxy_protocol = true\n{APP}"), "1 trusted_proxies.0"),
        (format!("{APP}origins = ['x']\napi_cors = true\n"), "4 apps.a.origins.0"),
        (format!("{APP}mode = 'auto'\nmaster_key = 'too short'\n"), "5 apps.a.master_key"),
        (format!("{APP}mode = 'auto'\nmaster_key_file = '/nowhere'\n"), "5 apps.a.master_key_file"),
        (
            format!("tls_cert_file = '/nowhere'\ntls_key_file = '/nowhere'\n{APP}"),
            "1 tls_cert_file",
        ),
        ("[apps.a]\nkey = 'k'\nsecret_file = '/nowhere'\n".into(), "3 apps.a.secret_file"),
        (
            format!("{APP}authorizer = 'forward'\n[apps.a.forward]\nurl = 'x'\n"),
            "6 apps.a.forward.url",
        ),
        (format!("{APP}authorizer = 'forward'\n"), "1 apps.a.forward.url"),
        (format!("[cluster]\nkey = 'too short'\nurl = 'redis://a'\n{APP}"), "2 cluster.key"),
        (
            format!("{APP}[[apps.a.channels]]\npattern = 'x'\ncache_ttl = 3600\n"),
            "6 apps.a.channels.0.cache_ttl",
        ),
        (format!("secret = 'x\n{APP}"), "1 secret"),
        ("[apps.a]\nkey = 'k'\nsecret = 'x\n".into(), "3 apps.a.secret"),
        ("[[apps]]\nid = 'a'\n".into(), "1 apps"),
    ] {
        assert_eq!(faults(&text), [expected], "{text}");
    }
}

#[test]
fn variables_are_named() {
    let variables = [
        ("SEALCAST_WORKERS", "two"),
        ("SEALCAST_APP_LIMITS__EVENT_BYTES", "x"),
        ("SEALCAST_METRICS_PORT", "9601"),
    ];
    let expected = [
        "SEALCAST_APP_LIMITS__EVENT_BYTES apps.a.limits.event_bytes",
        "SEALCAST_METRICS_PORT metrics_port",
        "SEALCAST_WORKERS workers",
    ];
    assert_eq!(faults_with(APP, &variables, NamedFiles::Read), expected);
    let expected = ["SEALCAST_APP_KEY ", " apps"];
    let found = faults_with("", &[("SEALCAST_APP_KEY", "k")], NamedFiles::Read);
    assert_eq!(found, expected);
}

#[test]
fn named_files_can_be_assumed() {
    let text = "tls_cert_file = '/run/a'\ntls_key_file = '/run/b'\nadmin_token_file = '/run/c'\n\
        [cluster]\nurl = 'rediss://a'\nkey = 'file:/run/d'\nca_file = '/run/e'\n\
        client_cert_file = '/run/f'\nclient_key_file = '/run/g'\n\
        [apps.a]\nkey = 'k'\nsecret_file = '/run/h'\nmaster_key_file = '/run/i'\nauthorizer = 'jwt'\n\
        jwt.public_key_file = '/run/j'\njwt.algorithms = ['RS256']\n\
        [apps.b]\nkey = 'k2'\nsecret_file = '/run/h'\nmaster_key = 'env:NOWHERE'\nworkers = 2\n\
        [[apps.b.webhooks]]\nurl = 'https://a.example/'\nca_file = '/run/k'\n";
    assert_eq!(faults_with(text, &[], NamedFiles::Assume), ["21 apps.b.workers"]);
}

#[test]
fn every_fault_of_a_hostile_file_ends() {
    let text = format!("{}{APP}", (0..500).map(|n| format!("x{n} = 1\n")).collect::<String>());
    assert_eq!(faults(&text).len(), MAX_FAULTS);
}

#[test]
fn secrets_are_not_in_the_list() {
    let text = "admin_token = 'sw0rdfish'\n[apps.a]\nkey = 'k'\nsecret = 'sw0rdfish'\nsecert = 'sw0rdfish'\n\
        jwt_secret = 5\nmaster_key = 'sw0rdfish'\nheaders = 'sw0rdfish\n\
        [[apps.a.webhooks]]\nurl = 'http://sw0rdfish@a.example/sw0rdfish'\nheaders = { A = \"sw0rdfish\\n\" }\n\
        [cluster]\nurl = 'redis+x://:sw0rdfish@a'\n";
    let path = std::env::temp_dir().join(format!("sealcast-hidden-{}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    let flags = Flags { config: Some(path.clone()), ..Flags::default() };
    let source = Source::new(&flags, Environment::default());
    std::fs::remove_file(&path).unwrap();
    let findings = check(&source, NamedFiles::Read);
    let list = format!("{}{:#}{:?}", findings.list(), findings.list().to_json(), findings.warnings);
    assert!(!list.contains("sw0rdfish"), "{list}");
    assert!(findings.faults.len() >= 7, "{list}");
}

#[test]
fn server_without_an_app_is_checked_as_a_whole() {
    let text = "tls_cert_file = '/nowhere'\ntls_key_file = '/nowhere'\n[[apps]]\nid = 'a'\n";
    assert_eq!(faults(text), ["1 tls_cert_file", "3 apps"]);
}

#[test]
fn file_that_is_no_toml_lacks_no_app() {
    assert_eq!(faults("workers = \n"), ["1 workers"]);
}

#[test]
fn more_faults_than_are_listed_are_told_of() {
    let many: String = (0..150).map(|at| format!("unknown_{at} = 1\n")).collect();
    let path = std::env::temp_dir().join(format!("sealcast-many-{}", std::process::id()));
    std::fs::write(&path, format!("{many}{APP}")).unwrap();
    let flags = Flags { config: Some(path.clone()), ..Flags::default() };
    let source = Source::new(&flags, Environment::default());
    std::fs::remove_file(&path).unwrap();
    let list = check(&source, NamedFiles::Read).list().summary();
    assert!(list.starts_with("at least 100 faults"), "{list}");
}
