//! Pages of occupied channels.

use std::{collections::BinaryHeap, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::{
    cluster::node::queries::QueryError,
    domain::channel::Channel,
    engine::{
        AppRuntime, Engine,
        queries::{Attributes, ChannelInfo},
    },
};

/// The channels of a page.
#[derive(Clone, Default, Debug)]
pub struct ChannelsQuery {
    pub prefix: String,
    /// One of `ChannelKind::label`.
    pub kind: Option<String>,
    /// The last name of the page before.
    pub after: Option<String>,
    pub limit: usize,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, utoipa::ToSchema)]
pub struct ChannelPage {
    /// Ordered by name.
    pub channels: Vec<ChannelRow>,
    /// The value of `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, utoipa::ToSchema)]
pub struct ChannelRow {
    pub name: Arc<str>,
    pub kind: String,
    pub subscription_count: u32,
    /// On presence channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_count: Option<usize>,
}

const ASKED: Attributes =
    Attributes { user_count: true, subscription_count: true, cache: false, key: false };

impl ChannelsQuery {
    fn matches(&self, channel: &Channel) -> bool {
        let kind = channel.kind();
        kind.is_listed()
            && channel.name().starts_with(&*self.prefix)
            && self.kind.as_deref().is_none_or(|wanted| wanted == kind.label())
            && self.after.as_deref().is_none_or(|after| **channel.name() > *after)
    }
}

impl Engine {
    /// In a cluster, the channels of all nodes.
    pub async fn channel_page(
        &self,
        runtime: &Arc<AppRuntime>,
        query: ChannelsQuery,
    ) -> Result<ChannelPage, QueryError> {
        if self.cluster.node().is_some() {
            let all = self.channels(runtime, &query.prefix, ASKED).await?;
            return Ok(page(all.into_iter().filter(|(channel, _)| query.matches(channel)), &query));
        }
        let (runtime, limit) = (runtime.clone(), query.limit);
        // It walks all records.
        let walk = spawn_blocking(move || {
            let channels = runtime.lowest_channels(&query, limit + 1);
            let with_info = channels.into_iter().map(|channel| {
                let info = runtime.attributes(&channel, ASKED);
                (channel, info)
            });
            page(with_info, &query)
        });
        // It fails only if the server is ending.
        Ok(walk.await.unwrap_or(ChannelPage { channels: Vec::new(), next: None }))
    }
}

impl AppRuntime {
    /// Up to `most` of the occupied channels, the lowest names.
    fn lowest_channels(&self, query: &ChannelsQuery, most: usize) -> Vec<Channel> {
        let mut lowest = BinaryHeap::<ByName>::with_capacity(most + 1);
        for record in self.directory.records() {
            let channel = record.channel();
            let is_above = |lowest: &BinaryHeap<ByName>| {
                lowest.len() == most
                    && lowest.peek().is_some_and(|top| channel.name() >= top.0.name())
            };
            // The record's lock comes last: most channels need none.
            if !query.matches(channel) || is_above(&lowest) || record.subscription_count() == 0 {
                continue;
            }
            lowest.push(ByName(channel.clone()));
            if lowest.len() > most {
                lowest.pop();
            }
        }
        lowest.into_sorted_vec().into_iter().map(|ByName(channel)| channel).collect()
    }
}

struct ByName(Channel);

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl Eq for ByName {}

impl PartialOrd for ByName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.name().cmp(other.0.name())
    }
}

/// One page of matching channels.
fn page(
    channels: impl Iterator<Item = (Channel, ChannelInfo)>,
    query: &ChannelsQuery,
) -> ChannelPage {
    let mut rows: Vec<ChannelRow> = channels.map(|(channel, info)| row(&channel, info)).collect();
    rows.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let has_more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let next = rows.last().filter(|_| has_more).map(|row| row.name.to_string());
    ChannelPage { channels: rows, next }
}

fn row(channel: &Channel, info: ChannelInfo) -> ChannelRow {
    ChannelRow {
        name: channel.name().clone(),
        kind: channel.kind().label().to_owned(),
        subscription_count: info.subscription_count.unwrap_or(0),
        user_count: info.user_count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::App, test_node::TestNode};

    fn names(node: &TestNode, query: ChannelsQuery) -> (Vec<String>, Option<String>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let page = runtime.block_on(node.engine.channel_page(&node.runtime, query));
        let page = page.expect("one node");
        (page.channels.iter().map(|row| row.name.to_string()).collect(), page.next)
    }

    #[test]
    fn pages_are_ordered_filtered_and_complete() {
        let node = TestNode::new(App::for_tests("a"));
        let mut client = node.connect();
        for n in 0..7 {
            client.subscribe(&format!("room-{n}"));
        }
        client.subscribe("other");
        client.subscribe("gone");
        client.unsubscribe("gone");
        let rooms = ChannelsQuery { prefix: "room-".into(), limit: 3, ..Default::default() };
        let mut found = Vec::new();
        let mut after = None;
        for pages in [3, 3, 1] {
            let (names, next) = names(&node, ChannelsQuery { after, ..rooms.clone() });
            assert_eq!(names.len(), pages);
            found.extend(names);
            after = next;
        }
        assert_eq!(after, None);
        assert_eq!(found, (0..7).map(|n| format!("room-{n}")).collect::<Vec<_>>());
        let private =
            ChannelsQuery { kind: Some("private".into()), limit: 9, ..Default::default() };
        assert_eq!(names(&node, private), (vec![], None));
        let all = ChannelsQuery { limit: 8, ..Default::default() };
        let (names, next) = names(&node, all);
        assert_eq!(
            (names.len(), names.first().map(String::as_str), next),
            (8, Some("other"), None)
        );
    }
}
