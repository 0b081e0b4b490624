//! A person's first hour: the commands of docs/start.md, as they stand there.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::*;

const PAGE: &str = include_str!("../../docs/start.md");

/// The commands of the shell blocks below a heading.
fn commands(heading: &str) -> Vec<Vec<String>> {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("no section {heading}"));
    let blocks = section.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    blocks.flat_map(str::lines).map(words).collect()
}

/// As a shell splits this page's commands: single quotes alone.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.last_mut().expect("a word").push_str(part);
            continue;
        }
        for (gap, piece) in part.split(' ').enumerate() {
            if gap > 0 {
                words.push(String::new());
            }
            words.last_mut().expect("a word").push_str(piece);
        }
    }
    words.retain(|word| !word.is_empty());
    assert_eq!(words.remove(0), "sealcast", "{line}");
    words
}

/// The documented port may be taken on this machine.
fn launch(command: &[String], dir: &TempDir, port: u16) -> Launch {
    let config = dir.path().join("sealcast.toml");
    if let Ok(text) = std::fs::read_to_string(&config) {
        let moved = text.replace("127.0.0.1:6001", &format!("127.0.0.1:{port}"));
        std::fs::write(&config, moved).expect("the file of init");
    }
    let args: Vec<&str> = command.iter().map(String::as_str).collect();
    Launch::new(&args).in_dir(dir.path())
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test]
async fn k_first_hour_goes_as_documented() {
    let (dir, port) = (TempDir::new(), free_port());
    let run = |command: &[String]| launch(command, &dir, port);
    let [init] = &*commands("Write a configuration") else { panic!("one command") };
    let output = run(init).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for file in ["sealcast.toml", "secrets/app_secret", "secrets/master_key"] {
        let mode = std::fs::metadata(dir.path().join(file)).expect(file).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
        assert!(output.stdout.contains(file), "{output:?}");
        if let Some(secret) = file.strip_prefix("secrets/") {
            let text = std::fs::read_to_string(dir.path().join(file)).expect(secret);
            assert!(!output.stdout.contains(text.trim()), "{secret} is not printed");
        }
    }
    let again = run(init).output("").await;
    assert!(
        again.status.code() == Some(1) && again.stderr.contains("overwrites nothing"),
        "{again:?}"
    );

    let [check, serve, doctor] = &*commands("Check and start it") else { panic!("three commands") };
    let output = run(check).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!output.stderr.contains("warning"), "a new configuration has none: {output:?}");
    let server = run(serve).spawn().listening().await;
    let doctor: Vec<String> =
        doctor.iter().map(|word| word.replace(":6001", &format!(":{port}"))).collect();
    let output = run(&doctor).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let oks = output.stdout.lines().filter(|line| line.contains(" ok ")).count();
    assert!(oks >= 9 && !output.stdout.contains("FAIL"), "{output:?}");

    let [listen, trigger] = &*commands("Send the first event") else { panic!("two commands") };
    let listener = run(listen).keep_running();
    until("a subscriber", async || listener.stderr().contains("subscribed").then_some(())).await;
    let output = run(trigger).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        output.stdout.contains("sealed ") && output.stdout.contains("1 subscriber"),
        "{output:?}"
    );
    let output = listener.ended().await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let line = output.stdout.trim_end();
    assert!(line.contains("  hello  private-encrypted-demo  sealed "), "{line}");
    assert!(line.ends_with("{\"from\":\"me\"}"), "{line}");

    let stats = run(&words("sealcast stats --config sealcast.toml")).output("").await;
    assert!(stats.status.code() == Some(0) && stats.stdout.contains(" of backends"), "{stats:?}");
    server.stop().await;

    let heading = "Import the settings of another server";
    let shown = console(heading);
    let (name, content, shown) = file(&shown);
    dir.write(name, content);
    let mut printed = String::new();
    for command in commands(heading) {
        let output = run(&command).output("").await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        printed += &format!("$ sealcast {}\n{}{}", command.join(" "), output.stdout, output.stderr);
    }
    assert_eq!(printed, shown, "docs/start.md has another output");
}

/// The console block below a heading.
fn console(heading: &str) -> String {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(heading));
    let block = section.and_then(|section| section.split("```console\n").nth(1));
    block.and_then(|block| block.split("```").next()).expect("a console block").to_owned()
}

/// A file that the block shows first, and the rest of the block.
fn file(shown: &str) -> (&str, &str, &str) {
    let (name, rest) =
        shown.strip_prefix("$ cat ").and_then(|rest| rest.split_once('\n')).expect("a file");
    let end = rest.find("\n$ ").expect("a command") + 1;
    (name, &rest[..end], &rest[end..])
}
