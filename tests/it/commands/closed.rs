//! Closed streams: standard input that is not there, standard output that nobody reads.

use super::table::{Needs, TABLE};
use super::{launch, sentence};
use crate::support::*;

#[tokio::test]
async fn c_pipe_that_ends_is_no_error() {
    let server = Launch::serve_plain(&config("")).start().await;
    let url = format!("http://{}", server.addr);
    for row in TABLE.iter().filter(|row| row.needs != Needs::Itself) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut launch = launch(row).stdout(writer);
        match (row.needs, row.command) {
            (Needs::Server, _) => launch = launch.arg("--state-dir").arg(state_dir(&server)),
            (_, "healthcheck") => launch = launch.arg("--url").arg(&url).arg("--json"),
            (_, "config check" | "config show" | "snippet") => launch = launch.arg("--dev"),
            _ => {}
        }
        let output = launch.output("").await;
        assert!(!output.stderr.contains("panicked"), "{}: {output:?}", row.command);
        // Without its input or its server a command has another reason to fail.
        if output.status.code() != Some(0) {
            sentence(&output);
        }
        let printed = ["selftest", "completions", "man", "keys generate", "snippet", "config show"];
        if printed.contains(&row.command) {
            assert_eq!((output.status.code(), &*output.stderr), (Some(0), ""), "{}", row.command);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn c_closed_standard_input_is_an_empty_one() {
    let file = TempDir::new();
    let config = file.write("sealcast.toml", &config("authorizer = \"jwt\""));
    for row in TABLE.iter().filter(|row| row.required.split(' ').any(|word| word == "-")) {
        let mut launch = launch(row);
        if row.command == "auth test" {
            launch = launch.arg("--config").arg(&config);
        }
        let output = launch.without_stdin().output("").await;
        assert_eq!(output.status.code(), Some(1), "{}: {output:?}", row.command);
        assert!(!sentence(&output).contains("os error"), "{}: {output:?}", row.command);
    }
}
