//! The environment of the server: platform variables, pasted values, development mode.

use crate::support::*;

/// The variables that Kubernetes sets for a service with this name.
fn service(name: &str) -> Vec<(String, String)> {
    let endings = [
        ("_SERVICE_HOST", "10.0.0.2"),
        ("_SERVICE_PORT", "9601"),
        ("_SERVICE_PORT_HTTP", "9601"),
        ("_PORT", "tcp://10.0.0.2:9601"),
        ("_PORT_9601_TCP", "tcp://10.0.0.2:9601"),
        ("_PORT_9601_TCP_PROTO", "tcp"),
        ("_PORT_9601_TCP_PORT", "9601"),
        ("_PORT_9601_TCP_ADDR", "10.0.0.2"),
        ("_PORT_53_UDP", "udp://10.0.0.2:53"),
        ("_PORT_53_UDP_ADDR", "10.0.0.2"),
    ];
    endings.map(|(ending, value)| (format!("{name}{ending}"), value.to_owned())).into()
}

#[tokio::test]
async fn f20_kubernetes_service_variables_are_ignored() {
    let services =
        ["SEALCAST", "SEALCAST_METRICS", "SEALCAST_LISTEN", "SEALCAST_APP", "SEALCAST_MASTER_KEY"];
    let mut launch = Launch::serve(&config_of("log = \"debug\"", &[(APP, "")]))
        .env("SEALCAST_ACTIVITY_TIMEOUT_SECONDS", "44");
    for (name, value) in services.into_iter().flat_map(service) {
        launch = launch.env(&name, value);
    }
    let server = launch.start().await;
    let mut client = Client::dial(&server, APP, &server.socket_path(), &[]).await;
    // A setting among them is read.
    assert_eq!(client.handshake().await["activity_timeout"], 44);
    drop(client);
    let output = server.stop().await;
    let line = output.stderr.lines().find(|line| line.contains("are no settings")).expect("a line");
    for service in services {
        assert!(line.contains(&format!("{service}_PORT_9601_TCP_ADDR")), "{service}: {line}");
    }
    assert!(line.contains("DEBUG"), "{line}");
}

#[tokio::test]
async fn f20_similar_variable_that_is_a_setting_is_read() {
    for (name, value, expected) in [
        ("SEALCAST_METRICS_PORT", "9601", "unknown setting \"metrics_port\""),
        ("SEALCAST_HOST", "0.0.0.0", "did you mean SEALCAST_LISTEN?"),
        ("SEALCAST_LISTEN_SERVICE_HOST", "ws.example.com", "unknown setting"),
    ] {
        let launch = Launch::new(&["config", "check"]).config(&config("")).env(name, value);
        let output = launch.output("").await;
        assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
        assert!(output.stderr.contains(expected), "{name}: {output:?}");
        assert!(output.stderr.contains(name), "{name}: {output:?}");
    }
}

#[tokio::test]
async fn f20_empty_variables_are_unset() {
    let names = [
        "SEALCAST_LISTEN",
        "SEALCAST_API_LISTEN",
        "SEALCAST_WORKERS",
        "SEALCAST_STRICT_PROTOCOL",
        "SEALCAST_STATE_DIR",
        "SEALCAST_ADMIN_TOKEN",
        "SEALCAST_APP_ID",
        "SEALCAST_APP_SECRET",
        "SEALCAST_MASTER_KEY",
        "SEALCAST_APP_ORIGINS",
        "SEALCAST_APP_LIMITS__EVENT_BYTES",
        "SEALCAST_PORT",
    ];
    let mut launch = Launch::serve_plain(&config(""));
    for name in names {
        launch = launch.env(name, "");
    }
    let server = launch.start().await;
    drop(server.connect().await);
    let listen = server.addr.to_string();
    // Variables that are no settings.
    let healthcheck = Launch::new(&["healthcheck", "--listen", &listen]);
    let healthcheck = healthcheck.env("SEALCAST_URL", "").env("SEALCAST_CONFIG", "");
    let output = healthcheck.output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    server.stop().await;
    // An empty flag is a mistake.
    let output = Launch::new(&["config", "check", "--config", ""]).output("").await;
    assert_ne!(output.status.code(), Some(0), "{output:?}");
}

#[tokio::test]
async fn f20_port_variable_causes_a_warning_that_names_the_setting() {
    let check = || Launch::new(&["config", "check"]).config(&config(""));
    let output = check().env("SEALCAST_PORT", "7000").output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.contains("SEALCAST_LISTEN=0.0.0.0:7000"), "{output:?}");
    let output = check().env("SEALCAST_PORT", "tcp://10.0.0.2:7000").output("").await;
    assert!(!output.stderr.contains("SEALCAST_PORT"), "{output:?}");
}

#[tokio::test]
async fn f20_common_spellings_of_booleans_are_accepted() {
    for (text, expected) in [("yes", "true"), ("ON", "true"), ("1", "true"), ("off", "false")] {
        let show = Launch::new(&["config", "show"]).config(&config(""));
        let show = show.env("SEALCAST_STRICT_PROTOCOL", text).env("SEALCAST_APP_WATCHLIST", text);
        let output = show.output("").await;
        for name in ["strict_protocol", "apps.it.watchlist"] {
            let line = format!("{name} = {expected} ");
            assert!(output.stdout.contains(&line), "{text}: {line}: {output:?}");
        }
    }
    let check = Launch::new(&["config", "check"]).config(&config(""));
    let output = check.env("SEALCAST_STRICT_PROTOCOL", "maybe").output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    for word in ["strict_protocol must be true or false", "1 or 0", "yes or no", "on or off"] {
        assert!(output.stderr.contains(word), "{word}: {output:?}");
    }
    // Text in place of a boolean in the file is an error.
    let file = config_of("strict_protocol = \"yes\"", &[(APP, "")]);
    let output = Launch::new(&["config", "check"]).config(&file).output("").await;
    assert!(output.stderr.contains("strict_protocol must be true or false\n"), "{output:?}");
}

#[tokio::test]
async fn f20_suggestions_are_plausible() {
    for name in ["flux_capacitor", "wheels", "x"] {
        let text = config_of(&format!("{name} = 1"), &[(APP, "")]);
        let output = Launch::new(&["config", "check"]).config(&text).output("").await;
        assert!(output.stderr.contains(&format!("unknown setting \"{name}\"")), "{output:?}");
        assert!(!output.stderr.contains("did you mean"), "{output:?}");
    }
}

/// Values pasted with stray characters: the setting, and the expected words of the warning.
#[tokio::test]
async fn f27_stray_characters_around_a_value_are_named_without_the_value() {
    let key = base64(&master_key("pasted"));
    let warned = async |launch: Launch, name: &str, says: &str, value: &str| {
        let output = launch.output("").await;
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        let line = output.stderr.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("{name}: {output:?}"));
        assert!(line.contains(says), "{name}: {line}");
        assert!(!format!("{output:?}").contains(value), "{name}: {output:?}");
    };
    let check = |text: &str| Launch::new(&["config", "check"]).config(text);
    let app = |lines: &str| format!("[apps.1001]\n{lines}\n");
    // Values in the file.
    for (lines, name, says, value) in [
        ("key = 'k-8a61 '\nsecret = 's'", "apps.1001.key", "ends with a blank", "k-8a61"),
        (
            "key = 'k'\nsecret = \"s-8a61\\n\"",
            "apps.1001.secret",
            "ends with a line break",
            "s-8a61",
        ),
        ("key = 'k'\nsecret = '\"s-8a61\"'", "apps.1001.secret", "a quotation mark", "s-8a61"),
        (
            "key = 'k'\nsecret = 's'\nauthorizer = 'jwt'\njwt_secret = ' j-8a61'",
            "apps.1001.jwt_secret",
            "begins with a blank",
            "j-8a61",
        ),
        (
            "key = 'k'\nsecret = 's'\nwebhooks = [{ url = 'http://127.0.0.1:1/', headers = { A = 'w-8a61 ' } }]",
            "apps.1001.webhooks.0.headers.A",
            "ends with a blank",
            "w-8a61",
        ),
    ] {
        warned(check(&app(lines)), name, says, value).await;
    }
    let with_key = app(&format!("key = 'k'\nsecret = 's'\nmaster_key = '{key} '"));
    warned(check(&with_key), "apps.1001.master_key", "blank, which is left out", &key).await;
    // Values in the environment, as a file with Windows line ends provides them.
    let launch = Launch::new(&["config", "check"])
        .env("SEALCAST_APP_ID", "1001")
        .env("SEALCAST_APP_KEY", "k")
        .env("SEALCAST_APP_SECRET", "e-8a61\r")
        .env("SEALCAST_WORKERS", "2\r");
    warned(launch, "apps.1001.secret", "ends with a line break", "e-8a61").await;
    // A line break at the end of a secret file is not part of the value.
    let launch = Launch::new(&["config", "check"]);
    launch.dir().write("good", "f-8a61\r\n");
    let path = launch.dir().write("bad", "\"f-8a61\"\n");
    let text = app(&format!("key = 'k'\nsecret_file = '{}'", path.display()));
    warned(
        launch.config(&text),
        "apps.1001.secret",
        "begins and ends with a quotation mark",
        "f-8a61",
    )
    .await;
    let launch = Launch::new(&["config", "check"]);
    let path = launch.dir().write("good", "f-8a61\r\n");
    let text = app(&format!("key = 'k'\nsecret_file = '{}'", path.display()));
    let output = launch.config(&text).output("").await;
    assert!(!output.stderr.contains("apps.1001.secret"), "{output:?}");
    // Where such a value is invalid, the error names the stray character.
    for (text, says) in [
        ("[apps.'1001 ']\nkey = 'k'\nsecret = 's'\n".to_owned(), "it ends with a blank"),
        (
            format!("admin_token = \"0123456789abcdef\\n\"\n{}", app("key = 'k'\nsecret = 's'")),
            "it ends with a line break",
        ),
        (
            app(&format!("key = 'k'\nsecret = 's'\nmaster_key = '\"{key}\"'")),
            "it begins and ends with a quotation mark",
        ),
    ] {
        let output = check(&text).output("").await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stderr.contains(says), "{says}: {output:?}");
        assert!(!output.stderr.contains(&key), "{output:?}");
    }
}

#[tokio::test]
async fn f29_development_server_is_local_unless_allowed() {
    for (name, args) in
        [("listen", &["--listen", "0.0.0.0:0"][..]), ("api_listen", &["--api-listen", "0.0.0.0:0"])]
    {
        let mut launch = Launch::new(&["serve", "--dev", "--state-dir", "state"]);
        for arg in args {
            launch = launch.arg(arg);
        }
        let output = launch.output("").await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stderr.contains(&format!("{name} is 0.0.0.0:0")), "{output:?}");
        assert!(output.stderr.contains("--dev-public"), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
    // The address of the container image comes from the environment. It is only checked: no test
    // listens for other machines.
    let check = || {
        let args = ["config", "check", "--dev", "--state-dir", "state"];
        Launch::new(&args).env("SEALCAST_LISTEN", "0.0.0.0:6001")
    };
    assert_eq!(check().output("").await.status.code(), Some(1));
    assert_eq!(check().arg("--dev-public").output("").await.status.code(), Some(0));
    let output = Launch::new(&["serve", "--dev-public"]).output("").await;
    assert_eq!(output.status.code(), Some(2), "only beside --dev: {output:?}");
}

#[tokio::test]
async fn f29_config_check_notes_ids_unsuitable_for_an_sdk() {
    let output = Launch::new(&["config", "check"]).config(&config("")).output("").await;
    assert!(output.stderr.contains("note: ") && output.stderr.contains("Python"), "{output:?}");
    let digits = App { id: "1001", ..APP };
    let text = config_of("", &[(digits, "")]);
    let output = Launch::new(&["config", "check"]).config(&text).output("").await;
    assert!(!output.stderr.contains("Python"), "{output:?}");
    // A start does not print the notes.
    let output = Launch::serve(&config("")).start().await.stop().await;
    assert!(!output.stderr.contains("Python"), "{output:?}");
}

#[tokio::test]
async fn f29_snippet_contains_the_configured_values() {
    let digits = App { id: "1001", ..APP };
    let text = config_of("listen = \"127.0.0.1:7001\"", &[(digits, ""), (OTHER, "")]);
    let snippet = |args: &[&str]| {
        let mut launch = Launch::new(&["snippet"]);
        for arg in args {
            launch = launch.arg(arg);
        }
        launch.config(&text)
    };
    let output = snippet(&["python", "--app", "1001"]).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for value in ["\"1001\"", APP.key, APP.secret, "port=7001"] {
        assert!(output.stdout.contains(value), "{value}: {output:?}");
    }
    assert!(!output.stdout.contains(OTHER.secret), "{output:?}");
    let output = snippet(&["python"]).output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        output.stderr.contains("--app: 1001, ") || output.stderr.contains(", 1001"),
        "{output:?}"
    );
    // The help and the error list the names.
    for launch in [Launch::new(&["snippet", "--help"]), Launch::new(&["snippet", "cobol"])] {
        let output = launch.output("").await;
        let said = format!("{}{}", output.stdout, output.stderr);
        for name in ["pusher-js", "node", "next", "laravel", "python", "ruby", "go", "java", "php"]
        {
            assert!(said.contains(name), "{name}: {said}");
        }
    }
}

#[tokio::test]
async fn f29_development_banner_fits_a_terminal_and_refers_to_the_rest() {
    let args = ["serve", "--dev", "--listen", "127.0.0.1:0", "--state-dir", "state"];
    let server = Launch::new(&args).ops().start().await;
    let address = server.addr.to_string();
    let output = server.stop().await;
    let longest = output.stdout.lines().max_by_key(|line| line.chars().count()).unwrap_or_default();
    assert!(longest.chars().count() <= 100, "{longest}");
    for part in [
        "app id      1001".to_owned(),
        "appId: \"1001\", key: \"app-key\", secret: \"app-secret\"".into(),
        "REVERB_APP_ID=1001".into(),
        format!("SEALCAST_URL=http://{address} npm start"),
        format!("sealcast snippet NAME --dev --listen {address}"),
        "pusher-js, next, python, ruby, go, java, php, jetsocket".into(),
    ] {
        assert!(output.stdout.contains(&part), "{part}\n{}", output.stdout);
    }
}

/// Runs the printed block in a shell, word for word.
#[tokio::test]
async fn f29_curl_snippet_publishes() {
    let args = ["serve", "--dev", "--listen", "127.0.0.1:0", "--state-dir", "state"];
    let server = Launch::new(&args).ops().start().await;
    let dev = App { id: "1001", key: "app-key", secret: "app-secret" };
    let mut client = server.connect_as(dev).await;
    client.subscribe("private-encrypted-demo").await;
    client.expect_event("pusher_internal:subscription_count").await;
    let printed = until("the whole block", async || {
        let printed = server.printed();
        printed.contains("── More").then_some(printed)
    })
    .await;
    let (_, rest) = printed.split_once("── curl").expect("a block for curl");
    let block: String = rest
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('─'))
        .map(|l| format!("{l}\n"))
        .collect();
    let ran = tokio::task::spawn_blocking(move || {
        std::process::Command::new("bash").args(["-ec", &block]).output()
    });
    let ran = within("curl", ran).await.expect("a thread").expect("bash");
    assert!(ran.status.success() && ran.stdout == b"{}", "{ran:?}");
    let frame = client.next().await;
    assert_eq!(frame["event"], "hello", "{frame}");
    server.stop().await;
}
