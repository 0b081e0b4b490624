//! `sealcast history`: the logged events of one channel of a running server.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use serde::Deserialize;

use crate::cli::{
    CliResult, print,
    server::{AppArgs, Server},
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

#[derive(Deserialize)]
struct ShownEvent {
    name: String,
    data: String,
    /// Milliseconds since 1970.
    time: u64,
    user_id: Option<String>,
    position: String,
}

pub fn run(command: &HistoryArgs) -> CliResult<()> {
    let server = command.target.server()?;
    let limit = command.limit.to_string();
    let mut page = read(&server, command, &[("order", "newest"), ("limit", &limit)])?;
    page.events.reverse();
    if page.events.is_empty() && !command.follow {
        print("no events\n")?;
    }
    show(command, &page.events)?;
    if command.follow { follow(&server, command, page.position) } else { Ok(()) }
}

/// Until the command is interrupted, or the server ends.
fn follow(server: &Server, command: &HistoryArgs, mut position: String) -> CliResult<()> {
    loop {
        thread::sleep(PAUSE);
        let page = read(server, command, &[("after", &position), ("limit", "1000")])?;
        if let Some(reason) = page.gap {
            print(&format!("-- events are missing here: {reason}\n"))?;
        }
        show(command, &page.events)?;
        // A full page ends before the log does.
        let last = page.events.last().map(|event| event.position.clone());
        position = last.filter(|_| page.more).unwrap_or(page.position);
    }
}

fn read(
    server: &Server,
    command: &HistoryArgs,
    parameters: &[(&str, &str)],
) -> CliResult<LoggedEvents> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("channel", &command.channel).extend_pairs(parameters);
    server.get(&format!("/history?{}", query.finish()))
}

fn show(command: &HistoryArgs, events: &[ShownEvent]) -> CliResult<()> {
    events.iter().try_for_each(|event| Ok(print(&line(event, command.data))?))
}

fn line(event: &ShownEvent, with_data: bool) -> String {
    let ShownEvent { name, data, time, user_id, .. } = event;
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(*time);
    let time = humantime::format_rfc3339_millis(time);
    let user = user_id.as_ref().map_or_else(String::new, |user| format!("  by {user}"));
    let what = match with_data {
        true => data.clone(),
        false => format!("{} bytes", data.len()),
    };
    format!("{time}  {}  {}{}\n", harmless(name), harmless(&what), harmless(&user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_shows_data_only_when_asked() {
        let event = ShownEvent {
            name: "order\u{1b}[2J".into(),
            data: "{\"a\":1}".into(),
            time: 1_700_000_000_123,
            user_id: Some("u1".into()),
            position: String::new(),
        };
        let plain = line(&event, false);
        assert!(plain.starts_with("2023-11-14T22:13:20.123Z  order"), "{plain}");
        assert!(plain.ends_with("  7 bytes  by u1\n") && !plain.contains('\u{1b}'), "{plain}");
        assert!(line(&event, true).contains("{\"a\":1}"));
    }
}
