use super::*;
use crate::config::{Environment, Source};

const APP: &str = "[apps.1001]\nkey = 'app-key'\nsecret = 'app-secret'\nauthorizer = 'open'\nmaster_key_file = '/nowhere'\n";

fn described(text: &str, flags: &[&str]) -> SnippetContext {
    #[derive(clap::Parser)]
    struct Parsed {
        #[command(flatten)]
        flags: Flags,
    }
    let path = std::env::temp_dir().join(format!(
        "sealcast-snippet-{}-{:?}.toml",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&path, text).unwrap();
    let args =
        ["sealcast", "--config", path.to_str().unwrap()].into_iter().chain(flags.iter().copied());
    let Parsed { flags } = clap::Parser::parse_from(args);
    let source = Source::new(&flags, Environment::default());
    std::fs::remove_file(&path).unwrap();
    SnippetContext::of(&source, None, None).unwrap()
}

fn text(name: SnippetName, app: &SnippetContext) -> String {
    render(name, app).unwrap_or_else(|e| panic!("{name:?}: {e}"))
}

#[test]
fn snippets_follow_the_quick_starts_of_their_frameworks() {
    let app = described(&format!("listen = '127.0.0.1:6001'\n{APP}"), &[]);
    for (name, lines) in [
        (
            SnippetName::PusherJs,
            &[
                "import Pusher from \"pusher-js/with-encryption\";",
                "  cluster: \"\", wsHost: \"127.0.0.1\", wsPort: 6001,",
                "  forceTLS: false, enabledTransports: [\"ws\"],",
                "    endpoint: \"http://127.0.0.1:6001/apps/1001/auth/channel\",",
                "  userAuthentication: { endpoint: \"http://127.0.0.1:6001/apps/1001/auth/user\" },",
                "pusher.subscribe(\"private-encrypted-demo\").bind(\"hello\", (data) => console.log(data));",
            ][..],
        ),
        (
            SnippetName::Node,
            &[
                "import PusherServer from \"pusher\";",
                "import Pusher from \"pusher-js\";  // in a page: \"pusher-js/with-encryption\"",
                "  appId: \"1001\", key: \"app-key\", secret: \"app-secret\",",
                "  host: \"127.0.0.1\", port: \"6001\", useTLS: false,",
                "  server.trigger(\"private-sealed-demo\", \"hello\", { text: \"from Node\" }));",
            ],
        ),
        (
            SnippetName::Next,
            &[
                "\"use client\";",
                "import Pusher from \"pusher-js/cjs/with-encryption\";",
                "    return () => pusher.disconnect();",
            ],
        ),
        (
            SnippetName::Laravel,
            &[
                "BROADCAST_CONNECTION=reverb",
                "REVERB_APP_ID=1001",
                "REVERB_APP_KEY=app-key",
                "REVERB_APP_SECRET=app-secret",
                "REVERB_HOST=127.0.0.1",
                "REVERB_PORT=6001",
                "REVERB_SCHEME=http",
                "VITE_REVERB_APP_KEY=\"${REVERB_APP_KEY}\"",
                "VITE_REVERB_HOST=\"${REVERB_HOST}\"",
                "VITE_REVERB_PORT=\"${REVERB_PORT}\"",
                "VITE_REVERB_SCHEME=\"${REVERB_SCHEME}\"",
                "# Laravel 10 has no reverb connection: BROADCAST_DRIVER=pusher, and these values",
                "# Broadcast on new PrivateChannel('sealed-demo'), which is sealed for",
                "# private-encrypted-demo.",
                "#   authEndpoint: \"http://127.0.0.1:6001/apps/1001/auth/channel\"",
                "#   resolve: { alias: [{ find: /^pusher-js$/,",
            ],
        ),
        (
            SnippetName::Python,
            &[
                "client = pusher.Pusher(app_id=\"1001\", key=\"app-key\", secret=\"app-secret\",",
                "                       host=\"127.0.0.1\", port=6001, ssl=False)",
                "client.trigger(\"private-sealed-demo\", \"hello\", {\"text\": \"from Python\"})",
            ],
        ),
        (
            SnippetName::Ruby,
            &[
                "client = Pusher::Client.new(app_id: '1001', key: 'app-key', secret: 'app-secret',",
                "                            host: '127.0.0.1', port: 6001, use_tls: false)",
            ],
        ),
        (
            SnippetName::Go,
            &[
                "client := pusher.Client{AppID: \"1001\", Key: \"app-key\", Secret: \"app-secret\",",
                "\tHost: \"127.0.0.1:6001\", Secure: false}",
            ],
        ),
        (
            SnippetName::Java,
            &[
                "Pusher pusher = new Pusher(\"1001\", \"app-key\", \"app-secret\");",
                "pusher.setHost(\"127.0.0.1:6001\");",
                "pusher.setEncrypted(false);",
            ],
        ),
        (
            SnippetName::Php,
            &[
                "$pusher = new Pusher\\Pusher('app-key', 'app-secret', '1001',",
                "    ['host' => '127.0.0.1', 'port' => 6001, 'scheme' => 'http']);",
            ],
        ),
        (SnippetName::Jetsocket, &["const jetsocket = new Jetsocket(\"app-key\", {"]),
        (
            SnippetName::Curl,
            &[
                "data='{\\\"text\\\":\\\"from curl\\\"}'",
                "body='{\"name\":\"hello\",\"channels\":[\"private-sealed-demo\"],\"data\":\"'$data'\"}'",
            ],
        ),
    ] {
        let text = text(name, &app);
        for line in lines {
            assert!(text.lines().any(|l| l == *line), "{name:?}: {line}\n{text}");
        }
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(100), "{name:?}: {longest:?}\n{text}");
    }
}

#[test]
fn snippets_use_the_public_url() {
    let top = "public_url = 'https://ws.example.com'\npath_prefix = '/live'\nlisten = 'unix:/run/a.sock'\n";
    let app = described(&format!("{top}{APP}"), &[]);
    let page = text(SnippetName::PusherJs, &app);
    for line in [
        "wsHost: \"ws.example.com\", wssPort: 443,\n  forceTLS: true, enabledTransports: [\"ws\", \"wss\"],",
        "wsPath: \"/live\"",
        "\"https://ws.example.com/live/apps/1001/auth/channel\"",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    assert!(text(SnippetName::Go, &app).contains("Host: \"ws.example.com\", Secure: true"));
    let env = text(SnippetName::Laravel, &app);
    assert!(env.contains("REVERB_PORT=443\nREVERB_SCHEME=https\n"), "{env}");
    let curl = text(SnippetName::Curl, &app);
    assert!(
        curl.contains("path=/live/apps/1001/events\n")
            && curl.contains("\"https://ws.example.com$path?")
    );
    // With a separate API listener, pages still get the address of the public listener.
    let app =
        described(&format!("listen = '0.0.0.0:6001'\napi_listen = '127.0.0.1:7001'\n{APP}"), &[]);
    let env = text(SnippetName::Laravel, &app);
    assert!(env.contains("REVERB_PORT=7001\n") && env.contains("VITE_REVERB_PORT=6001\n"), "{env}");
    assert!(text(SnippetName::PusherJs, &app).contains("wsHost: \"127.0.0.1\", wsPort: 6001"));
}

#[test]
fn f29_laravel_snippet_names_the_auth_endpoint_and_alternatives() {
    let of = |authorizer: &str| {
        let config = format!("listen = '127.0.0.1:1'\n{APP}").replace("'open'", authorizer);
        text(SnippetName::Laravel, &described(&config, &[]))
    };
    let key = "encryption_master_key_base64";
    let (open, jwt, deny) = (of("'open'"), of("'jwt'"), of("'deny'"));
    for text in [&open, &jwt] {
        assert!(text.contains("#   authEndpoint: ") && text.contains(key), "{text}");
        assert!(text.contains("PUSHER_HOST"), "{text}");
    }
    assert!(jwt.contains("bearerToken") && !open.contains("bearerToken"), "{jwt}");
    assert!(!deny.contains("authEndpoint") && deny.contains(key), "{deny}");
    // Where nothing is sealed, nothing is said of it.
    let blind = format!("listen = '127.0.0.1:1'\n{APP}")
        .replace("master_key_file = '/nowhere'", "mode = 'blind'");
    assert!(!text(SnippetName::Laravel, &described(&blind, &[])).contains(key));
}

#[test]
fn the_authorizer_decides_the_auth_endpoint() {
    let of = |authorizer: &str| {
        let text = format!("listen = '127.0.0.1:1'\n{APP}").replace("'open'", authorizer);
        text_of(&described(&text, &[]))
    };
    fn text_of(app: &SnippetContext) -> String {
        text(SnippetName::PusherJs, app)
    }
    assert!(of("'deny'").contains("endpoint: \"/pusher/auth\" }"));
    assert!(of("'jwt'").contains("auth/channel\", headersProvider: bearer,"));
    assert!(!of("'open'").contains("bearer"));
}

#[test]
fn the_banner_command_reaches_the_same_server() {
    let flags = Flags { dev: true, ..Flags::default() };
    let at = |text: &str| command(&flags, &text.parse().unwrap());
    assert_eq!(at("127.0.0.1:6001"), "sealcast snippet NAME --dev");
    assert_eq!(at("127.0.0.1:7"), "sealcast snippet NAME --dev --listen 127.0.0.1:7");
}

#[test]
fn blind_apps_get_a_private_channel() {
    for without in ["mode = 'blind'", "sealing_alias = ''\nmaster_key_file = '/nowhere'"] {
        let text_of = |name| {
            let app = APP.replace("master_key_file = '/nowhere'", without);
            text(name, &described(&format!("listen = '127.0.0.1:1'\n{app}"), &[]))
        };
        for name in [SnippetName::Node, SnippetName::Python, SnippetName::Curl] {
            let text = text_of(name);
            assert!(text.contains("private-demo") && !text.contains("seal"), "{name:?}\n{text}");
        }
        assert!(text_of(SnippetName::PusherJs).contains("subscribe(\"private-demo\")"));
    }
}
