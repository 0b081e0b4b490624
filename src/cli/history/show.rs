//! `sealcast history`: the logged events of one channel of a running server.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::cli::{
    CliResult,
    client::{AppClient, runtime::block_on},
    options::AppArgs,
    output::OutputArgs,
    print,
    terminal::harmless,
    usage::number,
};

#[derive(clap::Args)]
pub struct HistoryArgs {
    /// Channel with a history
    channel: String,
    #[command(flatten)]
    target: AppArgs,
    /// Events to show, the newest last; at most 1000
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = number::<usize>)]
    limit: usize,
    /// Show the data as well; on an encrypted channel it is ciphertext
    #[arg(long)]
    data: bool,
    /// Wait for further events
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// The pause before a follower asks again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct LoggedEvents {
    events: Vec<ShownEvent>,
    more: bool,
    gap: Option<String>,
    position: String,
}

#[derive(Serialize, Deserialize)]
struct ShownEvent {
    name: String,
    /// `None` in what is printed without `--data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    position: String,
    /// Milliseconds since 1970.
    time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    /// Of the data.
    #[serde(default)]
    bytes: usize,
}

#[derive(Serialize)]
struct GapLine<'a> {
    gap: &'a str,
}

pub fn run(command: &HistoryArgs) -> CliResult<()> {
    block_on(run_async(command))
}

async fn run_async(command: &HistoryArgs) -> CliResult<()> {
    let server = command.target.client().await?;
    let limit = command.limit.to_string();
    let mut page = read(&server, command, &[("order", "newest"), ("limit", &limit)]).await?;
    page.events.reverse();
    if page.events.is_empty() && !command.follow && !command.output.json {
        print("no events\n")?;
    }
    show(command, page.events)?;
    if command.follow { follow(&server, command, page.position).await } else { Ok(()) }
}

/// Until the command is interrupted, or the server ends.
async fn follow(server: &AppClient, command: &HistoryArgs, mut position: String) -> CliResult<()> {
    loop {
        sleep(PAUSE).await;
        let page = read(server, command, &[("after", &position), ("limit", "1000")]).await?;
        if let Some(reason) = page.gap {
            command.output.show(&GapLine { gap: &reason }, |GapLine { gap }| {
                format!("-- events are missing here: {gap}\n")
            })?;
        }
        // A full page ends before the log does.
        let last = page.events.last().map(|event| event.position.clone());
        show(command, page.events)?;
        position = last.filter(|_| page.more).unwrap_or(page.position);
    }
}

async fn read(
    server: &AppClient,
    command: &HistoryArgs,
    parameters: &[(&str, &str)],
) -> CliResult<LoggedEvents> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("channel", &command.channel).extend_pairs(parameters);
    server.get(&format!("/history?{}", query.finish())).await
}

fn show(command: &HistoryArgs, events: Vec<ShownEvent>) -> CliResult<()> {
    events.into_iter().try_for_each(|mut event| {
        event.bytes = event.data.as_ref().map_or(0, String::len);
        event.data = event.data.filter(|_| command.data);
        command.output.show(&event, line)
    })
}

fn line(event: &ShownEvent) -> String {
    let ShownEvent { name, data, time, user_id, bytes, .. } = event;
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(*time);
    let time = humantime::format_rfc3339_millis(time);
    let user = user_id.as_ref().map_or_else(String::new, |user| format!("  by {user}"));
    let what = data.clone().unwrap_or_else(|| format!("{bytes} bytes"));
    format!("{time}  {}  {}{}\n", harmless(name), harmless(&what), harmless(&user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_shows_data_only_when_asked() {
        let event = ShownEvent {
            name: "order\u{1b}[2J".into(),
            data: None,
            time: 1_700_000_000_123,
            user_id: Some("u1".into()),
            position: String::new(),
            bytes: 7,
        };
        let plain = line(&event);
        assert!(plain.starts_with("2023-11-14T22:13:20.123Z  order"), "{plain}");
        assert!(plain.ends_with("  7 bytes  by u1\n") && !plain.contains('\u{1b}'), "{plain}");
        let with_data = ShownEvent { data: Some("{\"a\":1}".into()), ..event };
        assert!(line(&with_data).contains("{\"a\":1}"));
    }
}
