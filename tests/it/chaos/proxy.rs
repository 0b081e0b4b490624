//! A TCP proxy between one node and Redis, or between a replica and its master. It stalls, loses
//! replies, cuts, and leads elsewhere. Of a node it tells the two connections apart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    Open,
    /// Nothing passes, and nothing is lost.
    Stalled,
    /// Redis gets everything, and its replies are lost.
    RepliesLost,
    /// Connections end, and new ones end at once.
    Severed,
}

/// A node has two connections, and names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    Both,
    Talking,
    Listening,
}

#[derive(Clone, Copy)]
struct Flows {
    flow: Flow,
    line: Line,
    /// Where new connections lead.
    target: SocketAddr,
    /// Earlier connections on the line are cut.
    cut: [(Line, usize); 2],
}

pub struct Proxy {
    pub addr: SocketAddr,
    flows: watch::Sender<Flows>,
    /// Connections so far.
    pub accepted: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Runs in a thread of its own, so that a test that is busy delays nothing.
    pub fn start(target: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket option");
        let addr = listener.local_addr().expect("an address");
        let cut = [(Line::Talking, 0), (Line::Listening, 0)];
        let flows = watch::Sender::new(Flows { flow: Flow::Open, line: Line::Both, target, cut });
        let accepted = Arc::<AtomicUsize>::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let (watched, counted) = (flows.subscribe(), accepted.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, watched, counted) => {}
                }
            });
        });
        Self { addr, flows, accepted, stop: Some(stop), thread: Some(thread) }
    }

    pub fn set(&self, flow: Flow, line: Line) {
        self.flows.send_modify(|flows| (flows.flow, flows.line) = (flow, line));
    }

    /// Concerns new connections alone.
    pub fn lead_to(&self, target: SocketAddr) {
        self.flows.send_modify(|flows| flows.target = target);
    }

    /// Ends the present connections. New ones are not concerned.
    pub fn cut(&self, line: Line) {
        let accepted = self.accepted.load(Ordering::Relaxed);
        self.flows.send_modify(|flows| {
            for (of, first) in &mut flows.cut {
                if line == Line::Both || line == *of {
                    *first = accepted;
                }
            }
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, flows: watch::Receiver<Flows>, accepted: Arc<AtomicUsize>) {
    while let Ok((client, _)) = listener.accept().await {
        let connection = Connection {
            number: accepted.fetch_add(1, Ordering::Relaxed),
            line: AtomicU8::new(UNKNOWN),
            flows: flows.clone(),
        };
        let target = flows.borrow().target;
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(target).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            // The end of one direction ends both.
            tokio::select! {
                () = connection.pump(from_client, to_server, false) => {}
                () = connection.pump(from_server, to_client, true) => {}
            }
        });
    }
}

const UNKNOWN: u8 = 0;
const TALKING: u8 = 1;
const LISTENING: u8 = 2;

struct Connection {
    number: usize,
    line: AtomicU8,
    flows: watch::Receiver<Flows>,
}

impl Connection {
    async fn pump(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, replies: bool) {
        let mut flows = self.flows.clone();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let flow = self.flow(*flows.borrow_and_update());
            let reads = matches!(flow, Flow::Open | Flow::RepliesLost);
            if flow == Flow::Severed {
                return;
            }
            let read = tokio::select! {
                biased;
                changed = flows.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                read = from.read(&mut buffer), if reads => read,
            };
            let Ok(count @ 1..) = read else { return };
            if !replies {
                self.learn(&buffer[..count]);
            }
            let is_lost = replies && flow == Flow::RepliesLost;
            if !is_lost && !self.write(&mut to, &buffer[..count]).await {
                return;
            }
        }
    }

    /// False at the end of the connection. A node that stands still takes nothing.
    async fn write(&self, to: &mut OwnedWriteHalf, bytes: &[u8]) -> bool {
        let mut flows = self.flows.clone();
        let writing = to.write_all(bytes);
        tokio::pin!(writing);
        loop {
            tokio::select! {
                written = &mut writing => return written.is_ok(),
                changed = flows.changed() => {
                    if changed.is_err() || self.flow(*flows.borrow()) == Flow::Severed {
                        return false;
                    }
                }
            }
        }
    }

    /// The first commands name the connection.
    fn learn(&self, bytes: &[u8]) {
        if self.line.load(Ordering::Relaxed) != UNKNOWN {
            return;
        }
        for (name, line) in [("sealcast-talking", TALKING), ("sealcast-listening", LISTENING)] {
            if memchr::memmem::find(bytes, name.as_bytes()).is_some() {
                self.line.store(line, Ordering::Relaxed);
            }
        }
    }

    fn flow(&self, flows: Flows) -> Flow {
        let line = match self.line.load(Ordering::Relaxed) {
            TALKING => Line::Talking,
            LISTENING => Line::Listening,
            _ => Line::Both,
        };
        let is_cut = flows
            .cut
            .iter()
            .any(|(of, first)| (line == *of || line == Line::Both) && self.number < *first);
        if is_cut {
            return Flow::Severed;
        }
        let is_meant = flows.line == Line::Both || flows.line == line;
        if is_meant { flows.flow } else { Flow::Open }
    }
}
