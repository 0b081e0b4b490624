//! A row for each command.

pub struct Row {
    pub command: &'static str,
    /// Arguments without which the command does not run at all.
    pub required: &'static str,
    pub needs: Needs,
    /// True with `--json`.
    pub json: bool,
    /// Arguments and standard input, one after the other. `{CONFIG}`, `{AUDIT}`, `{STOPPED}`,
    /// `{TOKEN}` and `{KEY}` are files and values of the test.
    pub runs: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    Nothing,
    /// A running server, found by its state directory or its address.
    Server,
    /// It is the server.
    Itself,
}

const fn local(
    command: &'static str,
    required: &'static str,
    json: bool,
    runs: &'static [(&'static str, &'static str)],
) -> Row {
    Row { command, required, needs: Needs::Nothing, json, runs }
}

const fn remote(
    command: &'static str,
    required: &'static str,
    runs: &'static [(&'static str, &'static str)],
) -> Row {
    Row { command, required, needs: Needs::Server, json: true, runs }
}

/// In the order in which they run against one server.
pub const TABLE: &[Row] = &[
    Row {
        command: "serve",
        required: "",
        needs: Needs::Itself,
        json: false,
        runs: &[("--config no-such-file.toml", "")],
    },
    local(
        "config check",
        "",
        true,
        &[
            ("--offline --config {CONFIG}", ""),
            ("--offline --config {CONFIG} --json", ""),
            ("--config no-such-file.toml", ""),
            ("--config no-such-file.toml --json", ""),
        ],
    ),
    local("config show", "", true, &[("--config no-such-file.toml", "")]),
    // Other tests hold what they print equal to committed files.
    local("config schema", "", false, &[]),
    local("config doc", "", false, &[]),
    local("config default", "", false, &[]),
    local(
        "healthcheck",
        "",
        true,
        &[
            ("--url {URL}", ""),
            ("--url {URL} --ready --json", ""),
            ("--url http://127.0.0.1:1 --json", ""),
        ],
    ),
    local("selftest", "", true, &[("", ""), ("--json", "")]),
    remote("tail", "", &[("--type no_such_type --json", "")]),
    remote(
        "history",
        "log-a",
        &[("", ""), ("--data", ""), ("--json --data", ""), ("--json --limit 1", "")],
    ),
    local(
        "audit verify",
        "{AUDIT}",
        true,
        &[("", ""), ("--json", ""), ("--expect 00", ""), ("--expect 00 --json", "")],
    ),
    remote(
        "webhooks test",
        "",
        &[("", ""), ("--json", ""), ("--endpoint http://127.0.0.1:1/", "")],
    ),
    remote("webhooks list", "", &[("", ""), ("--json", "")]),
    remote("webhooks log", "", &[("", ""), ("--json --limit 1", "")]),
    remote("webhooks replay", "", &[("", ""), ("--json", ""), ("--id 99 --json", "")]),
    remote("webhooks discard", "--all", &[("", ""), ("--json", "")]),
    local("snippet", "curl", false, &[("--dev", "")]),
    local("keys generate", "", true, &[("", ""), ("--bare", ""), ("--json", "")]),
    local(
        "keys inspect",
        "-",
        true,
        &[("", "{KEY}"), ("--bare", "{KEY}"), ("--json", "{KEY}"), ("--json", ""), ("", "short")],
    ),
    remote("keys list", "", &[("", ""), ("--json", ""), ("--app nobody --json", "")]),
    remote(
        "keys rotate",
        "",
        &[("", ""), ("--json", ""), ("--in 3600 --json", ""), ("--json", "")],
    ),
    remote("keys revoke", "0123456789ab --now", &[("", ""), ("--json", "")]),
    local(
        "keys history list",
        "",
        true,
        &[("--state-dir {STOPPED}", ""), ("--state-dir {STOPPED} --json", ""), ("", "")],
    ),
    local(
        "keys history rotate",
        "",
        true,
        &[("--state-dir {STOPPED}", ""), ("--state-dir {STOPPED} --json", "")],
    ),
    local(
        "keys history keep",
        "-",
        true,
        &[("--state-dir {STOPPED} --json", "{KEY}"), ("--state-dir {STOPPED}", "")],
    ),
    local(
        "keys history backup",
        "",
        true,
        &[("--state-dir {STOPPED}", ""), ("--state-dir {STOPPED} --json", "")],
    ),
    local("keys vector", "", false, &[("--channel public", "")]),
    local(
        "auth explain",
        "it-key-51c0a7:00 --socket-id 1.2 --channel private-a",
        true,
        &[("--config {CONFIG}", ""), ("--config {CONFIG} --json", "")],
    ),
    local(
        "auth test",
        "- private-a",
        true,
        &[
            ("--config {CONFIG}", "{TOKEN}"),
            ("--config {CONFIG} --json", "{TOKEN}"),
            ("--config {CONFIG} --json", "no-token"),
        ],
    ),
    local(
        "token",
        "--user u --channel private-a",
        true,
        &[
            ("--config {CONFIG}", ""),
            ("--config {CONFIG} --json", ""),
            ("--config {CONFIG} --ttl 0 --json", ""),
        ],
    ),
    local(
        "signed-id",
        "private-list- 42",
        true,
        &[("--config {CONFIG}", ""), ("--config {CONFIG} --json", "")],
    ),
    // The figures of a run differ from those of the next.
    remote("stats", "--top", &[("--app nobody --json", "")]),
    remote(
        "channels",
        "",
        &[("", ""), ("--json", ""), ("log-a --detail", ""), ("log-a --detail --json", "")],
    ),
    remote("connections", "", &[("", ""), ("--json", ""), ("1.2 --json", "")]),
    local(
        "console",
        "--no-open",
        true,
        &[
            ("--state-dir {STATE}", ""),
            ("--state-dir {STATE} --json", ""),
            ("--state-dir no-such-directory --json", ""),
        ],
    ),
    local(
        "trigger",
        "news e",
        true,
        &[
            ("--config {CONFIG} --url {URL} --socket-id x --json", ""),
            ("--config {CONFIG} --url http://127.0.0.1:1 --json", ""),
        ],
    ),
    local(
        "listen",
        "private-sealed-x",
        true,
        &[
            ("--config {CONFIG} --url http://127.0.0.1:1", ""),
            ("--config {CONFIG} --url http://127.0.0.1:1 --json", ""),
        ],
    ),
    local("init", "", true, &[("--dir /proc/none --json", "")]),
    local("doctor", "http://127.0.0.1:1", true, &[("--config {CONFIG} --json", "")]),
    local(
        "import soketi",
        "-",
        true,
        &[
            ("", "SOKETI_PORT=6001\nSOKETI_MODE=worker\n"),
            ("--json", "SOKETI_PORT=6001\nSOKETI_MODE=worker\n"),
            ("--overwrite", "SOKETI_PORT=6001\n"),
        ],
    ),
    local(
        "import reverb",
        "-",
        true,
        &[
            ("", "REVERB_APP_ID=1\nREVERB_APP_KEY=k\n"),
            ("--json --force", "REVERB_APP_ID=1\nREVERB_APP_KEY=k\n"),
        ],
    ),
    local(
        "import pusher",
        "-",
        true,
        &[
            ("", "PUSHER_APP_ID=1\nPUSHER_APP_KEY=k\n"),
            ("--json", "PUSHER_APP_ID=1\nPUSHER_APP_KEY=k\n"),
        ],
    ),
    local(
        "import laravel-websockets",
        "-",
        true,
        &[
            ("", "PUSHER_APP_ID=1\nPUSHER_APP_KEY=k\n"),
            ("--json", "PUSHER_APP_ID=1\nPUSHER_APP_KEY=k\n"),
        ],
    ),
    local(
        "import sockudo",
        "-",
        true,
        &[("", "PORT=6001\n"), ("--json", "PORT=6001\n"), ("--json", "")],
    ),
    local("completions", "bash", false, &[]),
    local("man", "", false, &[]),
];
