//! `sealcast connections`: the connections to a running server, one of them, and its end.

use serde_json::{Value, json};

use super::{
    CliResult, CommandError,
    amounts::{age_of, bytes, count, span},
    client::{
        AppClient,
        runtime::{block_on, naming},
    },
    options::AppArgs,
    output::{OutputArgs, print, print_json},
    paging::{PAGE, query},
    print_error,
    table::{Column, TextTable},
    terminal::harmless,
    usage::number,
};
use crate::{
    engine::inspection::connections::{
        ConnectionRow, ConnectionRows, ConnectionView, SubscriptionRow,
    },
    protocol::disconnect::DisconnectCode,
};

#[derive(clap::Args)]
pub struct ConnectionsArgs {
    /// Show this one connection, with its channels and their keys
    #[arg(value_name = "ID", conflicts_with_all = ["user", "channel"])]
    id: Option<String>,
    /// Connections signed in as this user only
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Subscribers of this channel only
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// Close the connection: 4200, the client reconnects; 4009, it gives up; 4100, it waits first
    #[arg(long, value_name = "CODE", requires = "id", value_parser = close_code)]
    close: Option<u16>,
    /// Connections to show at most [default: 200]
    #[arg(long, value_name = "N", conflicts_with = "id", value_parser = number::<usize>)]
    limit: Option<usize>,
    #[command(flatten)]
    target: AppArgs,
    #[command(flatten)]
    output: OutputArgs,
}

const DEFAULT_LIMIT: usize = 200;

fn close_code(text: &str) -> Result<u16, String> {
    let code = number::<u16>(text).map_err(str::to_owned)?;
    DisconnectCode::new(code).map(DisconnectCode::number).map_err(|error| error.to_string())
}

pub fn run(command: &ConnectionsArgs) -> CliResult<()> {
    block_on(async {
        if command.limit == Some(0) {
            return Err(CommandError::usage("--limit is at least 1"));
        }
        let server = command.target.client().await?;
        match (&command.id, command.close) {
            (Some(id), Some(code)) => command.close(&server, id, code).await,
            (Some(id), None) => {
                let view: ConnectionView = server.get(&path(id, "")).await?;
                command.output.show(&view, text)
            }
            (None, _) => command.list(&server).await,
        }
    })
}

fn path(id: &str, rest: &str) -> String {
    let id = percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC);
    format!("/connections/{id}{rest}")
}

impl ConnectionsArgs {
    async fn close(&self, server: &AppClient, id: &str, code: u16) -> CliResult<()> {
        let (path, body) = (path(id, "/disconnect"), json!({ "code": code }));
        let sentence = format!(
            "the server may have closed the connection: `sealcast connections {} --app {}` shows it",
            harmless(id),
            server.app
        );
        let answer: Value = naming(sentence, server.post(&path, &body)).await?;
        self.output.show(&answer, |_| format!("closed {} with {code}\n", harmless(id)))
    }

    async fn list(&self, server: &AppClient) -> CliResult<()> {
        let most = self.limit.unwrap_or(DEFAULT_LIMIT);
        let (mut rows, mut next) = (Vec::new(), None::<String>);
        loop {
            let limit = PAGE.min(most - rows.len()).to_string();
            let query = query([
                ("limit", Some(&*limit)),
                ("user", self.user.as_deref()),
                ("channel", self.channel.as_deref()),
                ("after", next.as_deref()),
            ]);
            let page: ConnectionRows = server.get(&format!("/connections?{query}")).await?;
            rows.extend(page.connections);
            next = page.next;
            if next.is_none() || rows.len() >= most {
                break;
            }
        }
        if self.output.json {
            rows.iter().try_for_each(print_json)?;
        } else {
            print(&list(&rows))?;
        }
        if next.is_some() {
            print_error(format_args!("there may be more: --limit shows more than {most}"));
        }
        Ok(())
    }
}

fn list(rows: &[ConnectionRow]) -> String {
    if rows.is_empty() {
        return "no connections\n".into();
    }
    let mut table = TextTable::new([
        Column::text("CONNECTION"),
        Column::shrinking("USER", 6),
        Column::shrinking("CLIENT", 6),
        Column::number("SINCE"),
        Column::number("SILENT"),
        Column::number("WAITING"),
    ]);
    for row in rows {
        table.row([
            row.socket_id.clone(),
            row.user_id.as_deref().unwrap_or("-").to_owned(),
            client(row),
            span(age_of(row.since)),
            row.silent_seconds.map_or_else(|| "-".into(), span),
            bytes(row.waiting_bytes as u64),
        ]);
    }
    table.render()
}

fn client(row: &ConnectionRow) -> String {
    match (&row.client, &row.version) {
        (Some(client), Some(version)) => format!("{client} {version}"),
        (Some(client), None) => client.clone(),
        (None, _) if row.transport == "event_stream" => "event stream".into(),
        (None, _) => "-".into(),
    }
}

fn text(view: &ConnectionView) -> String {
    let ConnectionView { row, channels, channel_count } = view;
    let mut lines = vec![("connection", row.socket_id.clone()), ("client", client(row))];
    lines.extend(row.protocol.map(|number| ("protocol", number.to_string())));
    lines.extend(row.user_id.as_ref().map(|user| ("user", user.to_string())));
    lines.push(("since", span(age_of(row.since))));
    lines.extend(row.silent_seconds.map(|seconds| ("silent", span(seconds))));
    lines.push(("waiting", bytes(row.waiting_bytes as u64)));
    lines.push(("channels", count(*channel_count as u64)));
    let mut text = String::new();
    for (name, value) in lines {
        text += &format!("{name:10} {}\n", harmless(&value));
    }
    if !channels.is_empty() {
        text += &format!("\n{}", channels_table(channels));
    }
    text
}

fn channels_table(channels: &[SubscriptionRow]) -> String {
    let mut table = TextTable::new([
        Column::shrinking("CHANNEL", 20),
        Column::shrinking("MEMBER", 6),
        Column::text("KEY"),
        Column::text("EPOCH"),
    ]);
    for it in channels {
        let key = match (&it.key, it.opening) {
            (Some(key), _) => key.to_string(),
            (None, true) => "opening".into(),
            (None, false) => "-".into(),
        };
        table.row([
            it.name.to_string(),
            it.user_id.as_deref().unwrap_or("-").to_owned(),
            key,
            it.epoch.map_or_else(|| "-".into(), |epoch| epoch.to_string()),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> ConnectionRow {
        serde_json::from_value(json!({
            "socket_id": "123.456", "transport": "websocket", "client": "js", "version": "8.4.0",
            "protocol": 7, "user_id": "alice", "since": u64::MAX, "silent_seconds": 3,
            "waiting_bytes": 2048,
        }))
        .expect("a row")
    }

    #[test]
    fn connections_are_rows_and_one_has_its_channels() {
        assert_eq!(
            list(&[row()]),
            "CONNECTION  USER   CLIENT    SINCE  SILENT  WAITING\n\
             123.456     alice  js 8.4.0    0 s     3 s  2.0 KiB\n"
        );
        let channel = json!({"name": "private-encrypted-x", "key": "310d0c348ad5", "epoch": 0});
        let channels = vec![serde_json::from_value(channel).expect("a row")];
        let view = ConnectionView { row: row(), channels, channel_count: 1 };
        let shown = text(&view);
        assert!(shown.starts_with("connection 123.456\nclient     js 8.4.0\nprotocol   7\n"));
        assert!(
            shown.ends_with(
                "CHANNEL              MEMBER  KEY           EPOCH\n\
                 private-encrypted-x  -       310d0c348ad5  0\n"
            ),
            "{shown}"
        );
    }

    #[test]
    fn close_codes_are_those_with_a_meaning() {
        assert_eq!(close_code("4009"), Ok(4009));
        for wrong in ["", "x", "1000", "4000", "4300", "70000"] {
            assert!(close_code(wrong).is_err(), "{wrong}");
        }
    }
}
