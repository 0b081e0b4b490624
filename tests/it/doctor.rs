//! `sealcast doctor` beside a server that is right, its output, and its exit codes.

use crate::support::*;

/// A server that trusts a proxy on this machine and pings soon.
const TOP: &str = "trusted_proxies = [\"127.0.0.1\"]\nactivity_timeout_seconds = 1";
const PAGE: &str = "https://shop.example.com";

fn good_app() -> String {
    let key = master_key_text();
    format!("authorizer = \"open\"\nmaster_key = \"{key}\"\norigins = [\"{PAGE}\"]")
}

fn master_key_text() -> String {
    "vwTqW/UBENYBOySubUo8fldlMFvCzOY8BFO5xAgnOus=".to_owned()
}

fn server() -> Launch {
    Launch::serve_plain(&config_of(TOP, &[(APP, &good_app())]))
}

/// Every check runs, and none has anything to say.
#[tokio::test]
async fn c_all_is_well_through_each_proxy() {
    let server = server().start().await;
    for program in ProxyProgram::ALL.into_iter().filter(|program| program.is_installed()) {
        let proxy = ProxyLaunch::new(program, server.addr).start().await;
        let url = format!("http://{}", proxy.addr);
        let auth = format!("{url}/apps/it/auth/channel");
        let examined =
            Doctor::of(&url).arg("--origin", PAGE).arg("--auth", &auth).slow().examine().await;
        assert_eq!(examined.output.status.code(), Some(0), "{program:?}: {examined:#?}");
        assert_eq!(examined.with_result("skip"), ["name", "tls"], "{examined:#?}");
        assert_eq!(examined.with_result("ok").len(), 14, "{examined:#?}");
        assert_eq!(examined.output.stderr, "", "{examined:#?}");
        assert!(examined.message("events").contains("an encrypted one after"), "{examined:#?}");
        assert!(examined.message("idle").contains("the server pinged"), "{examined:#?}");
        let names_itself = program != ProxyProgram::Haproxy;
        let named = examined.message("health").contains(&format!("through {}", program.name()));
        assert_eq!(named, names_itself, "{examined:#?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn c_all_is_well_without_a_proxy() {
    let server = Launch::serve_plain(&config(&good_app())).start().await;
    let url = format!("ws://{}/app/{}?protocol=7", server.addr, APP.key);
    let examined = Doctor::of(&url).examine().await;
    assert_eq!(examined.output.status.code(), Some(0), "{examined:#?}");
    assert_eq!(
        examined.with_result("skip"),
        ["name", "tls", "origin", "auth", "idle"],
        "{examined:#?}"
    );
    let secret = APP.secret;
    assert!(!examined.output.stdout.contains(secret), "{examined:#?}");
    server.stop().await;
}

#[tokio::test]
async fn c_app_is_found_in_the_configuration() {
    let text = config(&good_app());
    let server = Launch::serve_plain(&text).start().await;
    let url = format!("http://{}", server.addr);
    let doctor = Doctor::without_app(&url).launch(|launch| launch.config(&text));
    let examined = doctor.arg("--origin", "https://shop.example.org").examine().await;
    examined.expect_only_fault(
        "origin",
        "https://shop.example.org is not in origins; nearest: https://shop.example.com",
        r#"origins = ["https://shop.example.com", "https://shop.example.org"]"#,
    );
    server.stop().await;
}

#[tokio::test]
async fn c_without_an_app_the_network_is_looked_at() {
    let server = server().start().await;
    let url = format!("http://{}", server.addr);
    let examined = Doctor::without_app(&url).examine().await;
    assert_eq!(examined.output.status.code(), Some(0), "{examined:#?}");
    assert_eq!(examined.with_result("ok"), ["tcp", "health"], "{examined:#?}");
    assert!(examined.message("upgrade").contains("no app is named"), "{examined:#?}");
    server.stop().await;
}

#[tokio::test]
async fn c_nothing_that_answers_is_an_exit_code_of_its_own() {
    let nobody = WebhookReceiver::unused_address().await;
    for (url, check, words) in [
        ("http://no-such-host.invalid", "name", "no-such-host.invalid has no address"),
        (&*format!("http://{nobody}"), "tcp", "refuses the connection"),
    ] {
        let examined = Doctor::of(url).examine().await;
        assert_eq!(examined.output.status.code(), Some(3), "{examined:#?}");
        assert_eq!(examined.with_result("fail"), [check], "{examined:#?}");
        assert!(examined.message(check).contains(words), "{examined:#?}");
        assert!(examined.output.stderr.contains("nothing answers at http://"), "{examined:#?}");
    }
}

#[tokio::test]
async fn c_wrong_arguments_are_usage() {
    for (args, words) in [
        (&["doctor"][..], "URL"),
        (&["doctor", "ws.example.com"], "https://"),
        (&["doctor", "ftp://a.example"], "http"),
        (&["doctor", "http://a.example", "--header", "X: y"], "--auth"),
        (
            &["doctor", "http://a.example", "--auth", "http://b.example", "--header", "X"],
            "NAME: VALUE",
        ),
        (&["doctor", "http://a.example", "--address", "host"], "--address"),
        (&["doctor", "http://a.example", "--key", "k"], "--app"),
    ] {
        let output = Launch::new(args).output("").await;
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(output.stderr.contains(words), "{args:?}: {output:?}");
    }
}

#[tokio::test]
async fn c_people_read_a_line_for_each_check() {
    let server = server().start().await;
    let url = format!("http://{}", server.addr);
    let output = Launch::new(&["doctor", &url, "--dev"]).output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let lines: Vec<&str> = output.stdout.lines().collect();
    let number = |line: &&str| line.get(..4).and_then(|head| head.trim().parse::<u8>().ok());
    let numbers: Vec<u8> = lines.iter().filter_map(number).collect();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>(), "{output:?}");
    assert!(
        output.stdout.contains(" 6  FAIL  handshake  closed with 4001: no app has the key"),
        "{output:?}"
    );
    assert!(lines.iter().all(|line| line.chars().count() <= 100), "{output:?}");
    assert!(!output.stdout.contains('\u{1b}'), "no colours into a pipe: {output:?}");
    assert!(output.stderr.contains("checks failed"), "{output:?}");
    server.stop().await;
}

#[tokio::test]
async fn c_caller_is_told_how_its_request_arrived() {
    let server = Launch::serve_plain(&config_of(TOP, &[(APP, "")])).start().await;
    let target = signed_target(APP, "GET", "/apps/it/caller", &[], b"");
    let request =
        Request::new("GET", target).header("X-Forwarded-For", "203.0.113.7").header("Origin", PAGE);
    let told = exchange(server.addr, &request).await.expect(200, "caller");
    assert_eq!(told["address"], "203.0.113.7", "{told}");
    assert_eq!(told["peer"], "127.0.0.1", "{told}");
    assert_eq!((&told["trusted"], &told["forwarded"]), (&true.into(), &true.into()), "{told}");
    assert_eq!(
        (&told["path"], &told["origin"]),
        (&"/apps/it/caller".into(), &PAGE.into()),
        "{told}"
    );
    assert!(told["time"].as_i64().is_some_and(|time| (time - unix_now()).abs() < 5), "{told}");
    let unsigned = Request::new("GET", "/apps/it/caller");
    exchange(server.addr, &unsigned).await.refused(401, "unsigned");
    server.stop().await;
}
