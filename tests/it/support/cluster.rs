//! Several servers on one Redis.

use std::collections::BTreeSet;
use std::ops::Index;

use super::{
    AdminClient, ClusterSection, DEADLINE, Launch, Output, Redis, StartingServer, TempDir,
    TestServer, ready, until, until_ready, until_within,
};

pub struct Cluster {
    /// `None` after the end of a node.
    nodes: Vec<Option<TestServer>>,
    states: Vec<TempDir>,
    section: ClusterSection,
    apps: String,
}

impl Cluster {
    /// Starts `n` nodes with this configuration on the Redis that all tests share.
    pub async fn start(n: usize, apps: &str) -> Self {
        Self::start_with(n, apps, ClusterSection::on(Redis::shared())).await
    }

    pub async fn start_with(n: usize, apps: &str, section: ClusterSection) -> Self {
        let cluster = Self::start_unready(n, apps, section).await;
        cluster.until_ready().await;
        cluster
    }

    /// The same for nodes that stay red.
    pub async fn start_unready(n: usize, apps: &str, section: ClusterSection) -> Self {
        let states = (0..n).map(|_| TempDir::new()).collect();
        let mut cluster = Self { nodes: Vec::new(), states, section, apps: apps.to_owned() };
        let starting: Vec<_> = (0..n).map(|at| cluster.spawn(at)).collect();
        for node in starting {
            cluster.nodes.push(Some(node.listening().await));
        }
        cluster
    }

    fn spawn(&self, at: usize) -> StartingServer {
        // Without TLS in front, also if the suite runs over TLS: the doors pass bytes.
        let launch = Launch::serve_plain(&self.section.config(&self.apps));
        launch.arg("--state-dir").arg(self.states[at].path()).spawn()
    }

    pub fn section(&self) -> &ClusterSection {
        &self.section
    }

    pub fn running(&self) -> impl Iterator<Item = &TestServer> {
        self.nodes.iter().flatten()
    }

    /// Waits until every running node says that it is ready.
    pub async fn until_ready(&self) {
        for node in self.running() {
            until_ready(node).await;
        }
    }

    /// The admin API of a node.
    pub fn admin(&self, at: usize) -> AdminClient {
        AdminClient::at(self.states[at].path())
    }

    /// Kills a node, which says nothing to Redis nor to its clients.
    pub async fn kill(&mut self, at: usize) {
        self[at].signal("KILL");
        self.take(at).killed().await;
    }

    /// Ends a node in order, with its clients connected.
    pub async fn terminate(&mut self, at: usize) {
        self[at].signal("TERM");
        self.take(at).exited().await;
    }

    /// Waits for the end of a node that was asked to end.
    pub async fn until_ended(&mut self, at: usize) -> Output {
        self.take(at).exited().await
    }

    /// Starts an ended node again, with its state directory.
    pub async fn revive(&mut self, at: usize) {
        assert!(self.nodes[at].is_none(), "node {at} still runs");
        self.nodes[at] = Some(self.spawn(at).listening().await);
        self.until_ready().await;
    }

    /// Ends all nodes in turn, each once its connections are closed and its counters are at zero.
    pub async fn stop(mut self) {
        for node in self.running() {
            node.hang_up_clients();
        }
        for node in std::mem::take(&mut self.nodes).into_iter().flatten() {
            node.stop().await;
        }
    }

    fn take(&mut self, at: usize) -> TestServer {
        self.nodes[at].take().expect("a running node")
    }
}

impl Index<usize> for Cluster {
    type Output = TestServer;

    fn index(&self, at: usize) -> &TestServer {
        self.nodes[at].as_ref().expect("a running node")
    }
}

/// Ids of the members, as the HTTP API of this node lists them.
pub async fn users_of(node: &TestServer, channel: &str) -> BTreeSet<String> {
    let answer = node.get(&format!("/channels/{channel}/users"), &[]).await.expect(200, channel);
    let users = answer["users"].as_array().expect("users");
    users.iter().map(|user| user["id"].as_str().expect("text").to_owned()).collect()
}

/// Waits until a node is not ready, and says this about it.
pub async fn until_red(node: &TestServer, says: &str) {
    let what = format!("/ready is 503 and says {says:?}");
    until_within(DEADLINE * 2, &what, async || {
        let (status, text) = ready(node).await;
        (status == 503 && text.contains(says)).then_some(())
    })
    .await;
}

/// Waits until the signed GET of this path answers this on every running node.
pub async fn until_all_answer(
    cluster: &Cluster,
    path: &str,
    info: &str,
    wanted: &serde_json::Value,
) {
    let params: &[(&str, &str)] = if info.is_empty() { &[] } else { &[("info", info)] };
    for node in cluster.running() {
        until(format!("{path} = {wanted}"), async || {
            let answer = node.get(path, params).await;
            (answer.status == 200 && answer.json() == *wanted).then_some(())
        })
        .await;
    }
}
