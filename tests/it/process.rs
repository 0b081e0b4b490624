//! encryption.md 5.5: what the system reveals about a running server.

use std::io::ErrorKind;

use serde_json::json;

use crate::support::*;

fn proc(pid: u32, name: &str) -> std::io::Result<String> {
    std::fs::read(format!("/proc/{pid}/{name}")).map(|b| String::from_utf8_lossy(&b).into_owned())
}

/// The environment as others see it; `None` without the right to read it.
fn environment(server: &TestServer) -> Option<String> {
    match proc(server.pid(), "environ") {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
        Err(error) => panic!("{error}"),
    }
}

/// A sealed event reaches a client authorized by the server itself.
async fn seals_and_authorizes(server: &TestServer, master: &[u8; 32]) {
    let channel = "private-encrypted-x";
    let mut client = server.connect().await;
    let form = format!("socket_id={}&channel_name={channel}", client.socket_id);
    let answer = server.send(Request::new("POST", "/pusher/auth").form(&form)).await;
    let answer = answer.expect(200, "auth");
    let subscription = json!({"channel": channel, "auth": answer["auth"]});
    client.send(&json!({"event": "pusher:subscribe", "data": subscription})).await;
    client.expect_subscribed(channel).await;
    server.publish(channel, "e", "sealed").await;
    let frame = client.next().await;
    let secret = shared_secret(master, channel);
    assert_eq!(answer["shared_secret"], base64(&secret));
    assert_eq!(open(&secret, frame["data"].as_str().unwrap_or_default()), "sealed");
}

#[tokio::test]
async fn e5_settings_are_removed_from_the_environment() {
    let master = master_key("environment of a process");
    let by_name = [
        ("SEALCAST_MASTER_KEY", "env:KEY_OF_THE_APP".to_owned()),
        ("KEY_OF_THE_APP", base64(&master)),
    ];
    for keys in [vec![("SEALCAST_MASTER_KEY", base64(&master))], by_name.to_vec()] {
        let mut launch = Launch::new(&["serve", "--listen", "127.0.0.1:0"]).ops();
        for (name, value) in &keys {
            launch = launch.env(name, value);
        }
        let server = launch
            .env("SEALCAST_APP_ID", APP.id)
            .env("SEALCAST_APP_KEY", APP.key)
            .env("SEALCAST_APP_SECRET", APP.secret)
            .env("SEALCAST_APP_AUTHORIZER", "open")
            .env("SEALCAST_APP_JWT_SECRET", "jwt secret")
            .env("SEALCAST_PORT", "tcp://10.0.0.1:80")
            .env("LANG", "of-the-operator")
            .start()
            .await;
        if let Some(text) = environment(&server) {
            let secrets = [
                &base64(&master),
                APP.secret,
                "jwt secret",
                "SEALCAST_APP",
                "MASTER_KEY",
                "KEY_OF",
            ];
            for secret in secrets {
                assert!(!text.contains(secret), "{secret} in {text:?}");
            }
            for kept in ["LANG=of-the-operator\0", "SEALCAST_PORT=tcp://10.0.0.1:80\0"] {
                assert!(text.contains(kept), "{kept:?} not in {text:?}");
            }
        }
        // The file is readable, so it must be clean in any case.
        let command = proc(server.pid(), "cmdline").expect("a command line");
        assert!(
            command.ends_with(
                "sealcast\0serve\0--listen\x00127.0.0.1:0\0--ops-listen\x00127.0.0.1:0\0"
            ),
            "{command:?}"
        );
        let name = proc(server.pid(), "comm").expect("a name");
        assert_eq!(name, "sealcast\n");
        // The variable for the handover is removed, too.
        if let Ok(left) = std::fs::read(format!("/proc/{}/fd/0", server.pid())) {
            assert_eq!(left, b"");
        }
        seals_and_authorizes(&server, &master).await;
        // The process id is unchanged: supervisors need no other.
        server.stop().await;
    }
}

#[tokio::test]
async fn e5_server_without_environment_settings_is_not_reexecuted() {
    let master = master_key("a file");
    let keys = format!("authorizer = \"open\"\nmaster_key = \"{}\"", base64(&master));
    // Inherited from a parent server: this one must not wait for a handover.
    let launch = Launch::serve_plain(&config(&keys));
    let server = launch.env("SEALCAST_HANDED_OVER", "1").start().await;
    let text = environment(&server);
    assert!(text.is_none_or(|text| text.contains("SEALCAST_HANDED_OVER=1\0")));
    seals_and_authorizes(&server, &master).await;
    server.stop().await;
}

#[tokio::test]
async fn e5_no_core_dump_and_no_access_to_memory() {
    for launch in [
        Launch::serve(&config("")),
        Launch::serve(&config("")).env("SEALCAST_ACTIVITY_TIMEOUT_SECONDS", "50"),
    ] {
        let server = launch.start().await;
        let limits = proc(server.pid(), "limits").expect("limits");
        let core = limits.lines().find(|line| line.starts_with("Max core file size"));
        let core: Vec<_> = core.expect("the limit of core dumps").split_whitespace().collect();
        assert_eq!(core[4..6], ["0", "0"], "{limits}");
        // The files of an undumpable process belong to root, whatever its user.
        use std::os::unix::fs::MetadataExt as _;
        let owner = std::fs::metadata(format!("/proc/{}/environ", server.pid()));
        assert_eq!(owner.expect("a file of the process").uid(), 0);
        server.stop().await;
    }
}

/// More than a pipe would hold, with bytes special to a shell.
#[tokio::test]
async fn e5_settings_of_any_size_are_handed_over() {
    let origins: Vec<String> = (0..3000).map(|n| format!("https://{n}.a.example:4430")).collect();
    let origins = json!(origins).to_string();
    assert!(origins.len() > 70_000);
    let secret = "a\nsecret = 'with\" everything$(in) it é\\";
    let app = App { secret, ..APP };
    let server = Launch::new(&["serve", "--listen", "127.0.0.1:0"])
        .ops()
        .env("SEALCAST_APP_ID", APP.id)
        .env("SEALCAST_APP_KEY", APP.key)
        .env("SEALCAST_APP_SECRET", secret)
        .env("SEALCAST_APP_ORIGINS", &origins)
        .start()
        .await;
    let body = json!({"name": "e", "channel": "x", "data": "1"});
    server.post_as(app, "/events", &body).await.expect(200, "a signed request");
    server.stop().await;
}
