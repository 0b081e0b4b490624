//! One node: a server behind its own proxy, with a clock of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::proxy::{Flow, Line, Proxy};
use super::trouble::{TroubleKind, Troubles};
use crate::support::*;

/// A node that runs has followed moved slots by then.
const MOVE_SEEN: Duration = Duration::from_secs(2);

pub struct ChaosNode {
    server: Option<TestServer>,
    /// It ends in order.
    draining: Option<JoinHandle<Output>>,
    /// `None`: nothing is between the node and Redis.
    proxy: Option<Proxy>,
    state: TempDir,
    config: String,
    /// Its clock is that many seconds ahead.
    clock_ahead: i64,
    pub addr: SocketAddr,
    pub ops: SocketAddr,
    pub troubles: Troubles,
    /// The present disaster of the node.
    trouble: Option<usize>,
    /// What was lost must not be followed by more on the same connection.
    is_to_be_cut: bool,
    /// Of slots.
    last_move: Option<Instant>,
}

/// What an outage of Redis is for one node.
pub struct RedisTrouble {
    pub node: usize,
    trouble: usize,
    /// The node may go on with a former master.
    astray: Option<usize>,
    has_connected: Box<dyn Fn() -> bool + Send>,
}

impl RedisTrouble {
    pub fn mislead(&mut self, node: &ChaosNode) {
        self.astray = Some(node.troubles.begin(TroubleKind::Astray));
    }
}

impl ChaosNode {
    pub async fn start(
        redis: Option<SocketAddr>,
        section: &ClusterSection,
        apps: &str,
        clock_ahead: i64,
    ) -> Self {
        let proxy = redis.map(Proxy::start);
        let section = match &proxy {
            Some(proxy) => section.clone().url(format!("redis://{}", proxy.addr)),
            None => section.clone(),
        };
        let nowhere = SocketAddr::from(([0; 4], 0));
        let mut node = Self {
            server: None,
            draining: None,
            proxy,
            state: TempDir::new(),
            config: section.config(apps),
            clock_ahead,
            addr: nowhere,
            ops: nowhere,
            troubles: Troubles::default(),
            trouble: None,
            is_to_be_cut: false,
            last_move: None,
        };
        node.revive().await;
        node
    }

    pub async fn revive(&mut self) {
        if let Some(draining) = self.draining.take() {
            draining.await.expect("the node ends in order");
        }
        let launch = Launch::serve_plain(&self.config).arg("--state-dir").arg(self.state.path());
        let server = launch.clock_ahead(self.clock_ahead).start().await;
        (self.addr, self.ops) = (server.addr, server.ops());
        self.server = Some(server);
        let trouble = self.troubles.begin(TroubleKind::Lost);
        self.troubles.end_when_ready(trouble, self.ops, || true);
    }

    pub async fn kill(&mut self) {
        self.signal("KILL");
        if let Some(server) = self.server.take() {
            server.killed().await;
        }
        self.troubles.end_all();
    }

    pub fn drain(&mut self) {
        self.signal("TERM");
        let server = self.server.take().expect("a running node");
        self.draining = Some(tokio::spawn(server.exited()));
        self.troubles.end_all();
    }

    pub fn freeze(&mut self) {
        let has_moved = self.last_move.is_some_and(|at| at.elapsed() < MOVE_SEEN);
        let kind = if has_moved { TroubleKind::Lost } else { TroubleKind::Slow };
        self.trouble = Some(self.troubles.begin(kind));
        self.signal("STOP");
    }

    pub fn thaw(&mut self) {
        self.signal("CONT");
        if let Some(trouble) = self.trouble.take() {
            let thawed = Instant::now();
            let since_move = self.last_move.filter(|_| self.troubles.is_lost(trouble));
            let has_seen_it = move || since_move.is_none() || thawed.elapsed() >= MOVE_SEEN;
            self.troubles.end_when_ready(trouble, self.ops, has_seen_it);
        }
    }

    /// The node has to connect again.
    pub fn cut(&self, line: Line) {
        let trouble = self.troubles.begin(TroubleKind::Lost);
        self.end_connected_again(trouble, line);
    }

    fn end_connected_again(&self, trouble: usize, line: Line) {
        let has_connected = self.connects_again();
        self.proxy().cut(line);
        self.troubles.end_when_ready(trouble, self.ops, has_connected);
    }

    pub fn stall(&mut self, line: Line, is_long: bool) {
        let kind = if is_long { TroubleKind::Lost } else { TroubleKind::Slow };
        self.begin(kind, Flow::Stalled, line);
    }

    pub fn lose_replies(&mut self, line: Line) {
        self.begin(TroubleKind::Lost, Flow::RepliesLost, line);
    }

    pub fn sever(&mut self) {
        self.begin(TroubleKind::Lost, Flow::Severed, Line::Both);
    }

    fn begin(&mut self, kind: TroubleKind, flow: Flow, line: Line) {
        self.is_to_be_cut = matches!(flow, Flow::RepliesLost | Flow::Severed);
        self.trouble = Some(self.troubles.begin(kind));
        self.proxy().set(flow, line);
    }

    pub fn mend(&mut self) {
        let Some(trouble) = self.trouble.take() else { return };
        if self.is_to_be_cut {
            self.end_connected_again(trouble, Line::Both);
        } else {
            self.troubles.silence_is_over(trouble);
            self.troubles.end_when_ready(trouble, self.ops, || true);
        }
        self.proxy().set(Flow::Open, Line::Both);
    }

    /// `is_killed`: the node has to connect again.
    pub fn redis_fails(&self, node: usize, kind: TroubleKind, is_killed: bool) -> RedisTrouble {
        let connects_again = self.connects_again();
        let has_connected = Box::new(move || !is_killed || connects_again());
        if let (TroubleKind::Lost, Some(present)) = (kind, self.trouble) {
            self.troubles.becomes_lost(present);
        }
        RedisTrouble { node, trouble: self.troubles.begin(kind), astray: None, has_connected }
    }

    /// The node finds another master where Redis was, once it looks for it. Until then it may go on
    /// with the former one.
    pub fn master_is_replaced(&self, master: SocketAddr) {
        self.proxy().lead_to(master);
    }

    /// Slots move. A node that stands still meanwhile hears of it too late.
    pub fn slots_move(&mut self) {
        self.last_move = Some(Instant::now());
        if let Some(present) = self.trouble {
            self.troubles.becomes_lost(present);
        }
    }

    pub fn redis_is_back(&self, trouble: RedisTrouble) {
        let RedisTrouble { trouble, astray, has_connected, .. } = trouble;
        self.troubles.silence_is_over(trouble);
        let ended = [Some(trouble), astray].into_iter().flatten().collect();
        self.troubles.end_all_when_ready(ended, self.ops, has_connected);
    }

    /// Whether the node has another connection by then.
    fn connects_again(&self) -> impl Fn() -> bool + Send + 'static {
        let accepted = Arc::clone(&self.proxy().accepted);
        let before = accepted.load(Ordering::Relaxed);
        move || accepted.load(Ordering::Relaxed) > before
    }

    pub fn is_running(&self) -> bool {
        self.server.is_some()
    }

    fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("a proxy between this node and Redis")
    }

    fn signal(&self, name: &str) {
        self.server.as_ref().expect("a running node").signal(name);
    }

    pub async fn stop(mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }
}
