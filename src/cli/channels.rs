//! `sealcast channels`: the channels of a running server, or one of them.

use super::{
    CliResult, CommandError,
    amounts::{bytes, count, plural, span},
    client::{AppClient, runtime::block_on},
    options::AppArgs,
    output::{OutputArgs, print, print_json},
    paging::{PAGE, query},
    print_error,
    table::{Column, TextTable},
    terminal::harmless,
    usage::number,
};
use crate::engine::inspection::{
    channel::{ChannelDetail, EncryptionDetail, MemberRow},
    channels::{ChannelPage, ChannelRow},
};

#[derive(clap::Args)]
pub struct ChannelsArgs {
    /// Beginning of the names to list; with --detail the whole name
    #[arg(value_name = "PREFIX", required_if_eq("detail", "true"))]
    prefix: Option<String>,
    /// Show this one channel: members, key, cached event, history
    #[arg(long)]
    detail: bool,
    /// Channels of this kind only: public, private, encrypted or presence
    #[arg(long, value_name = "KIND", conflicts_with = "detail")]
    kind: Option<String>,
    /// Channels or members to show at most
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = number::<usize>)]
    limit: usize,
    #[command(flatten)]
    target: AppArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(command: &ChannelsArgs) -> CliResult<()> {
    block_on(async {
        if command.limit == 0 {
            return Err(CommandError::usage("--limit is at least 1"));
        }
        let server = command.target.client().await?;
        match (&command.prefix, command.detail) {
            (Some(name), true) => command.show(&server, name).await,
            (prefix, _) => command.list(&server, prefix.as_deref().unwrap_or_default()).await,
        }
    })
}

impl ChannelsArgs {
    async fn list(&self, server: &AppClient, prefix: &str) -> CliResult<()> {
        let (mut rows, mut next) = (Vec::new(), None::<String>);
        loop {
            let limit = PAGE.min(self.limit - rows.len()).to_string();
            let query = query([
                ("prefix", Some(prefix)),
                ("limit", Some(&limit)),
                ("kind", self.kind.as_deref()),
                ("after", next.as_deref()),
            ]);
            let page: ChannelPage = server.get(&format!("/channels?{query}")).await?;
            rows.extend(page.channels);
            next = page.next;
            if next.is_none() || rows.len() >= self.limit {
                break;
            }
        }
        if self.output.json {
            rows.iter().try_for_each(print_json)?;
        } else {
            print(&list(&rows))?;
        }
        if next.is_some() {
            print_error(format_args!("there are more: --limit shows more than {}", self.limit));
        }
        Ok(())
    }

    async fn show(&self, server: &AppClient, name: &str) -> CliResult<()> {
        let path = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        let (mut members, mut after) = (Vec::new(), None::<String>);
        let mut detail: ChannelDetail = loop {
            let limit = PAGE.min(self.limit - members.len()).to_string();
            let query = query([("limit", Some(&*limit)), ("after", after.as_deref())]);
            let mut page: ChannelDetail = server.get(&format!("/channels/{path}?{query}")).await?;
            members.extend(page.members.take().unwrap_or_default());
            after = page.next.clone();
            if after.is_none() || members.len() >= self.limit {
                break page;
            }
        };
        detail.members = detail.user_count.is_some().then_some(members);
        self.output.show(&detail, text)
    }
}

fn list(rows: &[ChannelRow]) -> String {
    if rows.is_empty() {
        return "no channels with subscribers\n".into();
    }
    let mut table = TextTable::new([
        Column::shrinking("CHANNEL", 20),
        Column::text("KIND"),
        Column::number("SUBSCRIBERS"),
        Column::number("MEMBERS"),
    ]);
    for row in rows {
        let members = row.user_count.map_or_else(|| "-".into(), |users| count(users as u64));
        let subscribers = count(row.subscription_count.into());
        table.row([row.name.to_string(), row.kind.clone(), subscribers, members]);
    }
    table.render()
}

fn text(detail: &ChannelDetail) -> String {
    let mut lines = vec![
        ("channel", detail.name.to_string()),
        ("kind", detail.kind.clone()),
        ("subscribers", count(detail.subscription_count.into())),
    ];
    lines.extend(detail.encryption.as_ref().map(|it| ("encryption", encryption(it))));
    lines.extend(detail.cache.as_ref().map(|it| {
        let (size, age, left) = (bytes(it.bytes as u64), span(it.age_seconds), span(it.ttl));
        ("cached event", format!("{size}, {age} old, dropped in {left}"))
    }));
    lines.extend(detail.history.as_ref().map(|it| {
        let events = format!("{} of {}", count(it.events as u64), count(it.max_events.into()));
        let size = format!("{} of {}", bytes(it.bytes as u64), bytes(it.max_bytes as u64));
        ("history", format!("{events} events, {size}"))
    }));
    lines.extend(detail.user_count.map(|users| ("members", count(users as u64))));
    let mut text = String::new();
    for (name, value) in lines {
        text += &format!("{name:13} {}\n", harmless(&value));
    }
    if let Some(members) = detail.members.as_ref().filter(|members| !members.is_empty()) {
        text += &format!("\n{}", members_table(members));
    }
    text
}

fn encryption(detail: &EncryptionDetail) -> String {
    let Some(key) = &detail.key else { return "blind: this server has no key".into() };
    let epoch = detail.epoch.unwrap_or(0);
    let behind: u64 = detail.behind.iter().map(|it| u64::from(it.subscriptions)).sum();
    let behind = match behind {
        0 => String::new(),
        behind => format!("; {} still to move to it", plural(behind, "subscription")),
    };
    format!("sealed with key {key}, epoch {epoch}{behind}")
}

fn members_table(members: &[MemberRow]) -> String {
    let mut table =
        TextTable::new([Column::shrinking("MEMBER", 20), Column::number("CONNECTIONS")]);
    for member in members {
        let connections =
            member.connections.map_or_else(|| "-".into(), |number| count(number.into()));
        table.row([member.id.clone(), connections]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_is_shown_with_all_that_is_known() {
        let detail: ChannelDetail = serde_json::from_value(serde_json::json!({
            "name": "private-encrypted-cache-x", "kind": "encrypted", "subscription_count": 4211,
            "encryption": {"mode": "sealed", "key": "310d0c348ad5", "epoch": 2,
                "behind": [{"key": "aa", "epoch": 1, "subscriptions": 1}]},
            "cache": {"bytes": 120, "age_seconds": 65, "ttl": 1735},
            "history": {"events": 12, "bytes": 3174, "max_events": 200, "max_bytes": 262144},
        }))
        .expect("a detail");
        assert_eq!(
            text(&detail),
            "channel       private-encrypted-cache-x\n\
             kind          encrypted\n\
             subscribers   4,211\n\
             encryption    sealed with key 310d0c348ad5, epoch 2; 1 subscription still to move to it\n\
             cached event  120 B, 1 min old, dropped in 28 min\n\
             history       12 of 200 events, 3.1 KiB of 256.0 KiB\n"
        );
        let detail: ChannelDetail = serde_json::from_value(serde_json::json!({
            "name": "presence-x", "kind": "presence", "subscription_count": 3, "user_count": 2,
            "members": [{"id": "alice", "connections": 2}, {"id": "bob"}],
        }))
        .expect("a detail");
        assert!(
            text(&detail).ends_with(
                "members       2\n\nMEMBER  CONNECTIONS\nalice             2\nbob               -\n"
            ),
            "{}",
            text(&detail)
        );
    }
}
