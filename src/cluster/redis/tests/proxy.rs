//! A TCP proxy in front of Redis that cuts, stalls and drops answers, for each of a node's two
//! connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    Open,
    /// Nothing passes, and nothing is lost.
    Stalled,
    /// Redis gets everything, and its answers are lost.
    AnswersLost,
    /// Connections end, and new ones end at once.
    Cut,
}

#[derive(Clone, Copy)]
struct Flows {
    talking: Flow,
    listening: Flow,
    /// Connections with a smaller number are stalled.
    first_alive: usize,
}

pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

struct Shared {
    /// Connections take turns.
    targets: Mutex<Vec<u16>>,
    flows: watch::Sender<Flows>,
    accepted: AtomicUsize,
    /// All that the talking connections sent.
    said: Mutex<Vec<u8>>,
}

/// A connection says what it is in its first commands.
struct Role {
    kind: AtomicU8,
    number: usize,
}

const TALKING: u8 = 1;
const LISTENING: u8 = 2;

impl Proxy {
    pub async fn start(target: u16) -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = acceptor.local_addr().as_ref().map(SocketAddr::port).expect("a port");
        let flows = Flows { talking: Flow::Open, listening: Flow::Open, first_alive: 0 };
        let shared = Arc::new(Shared {
            targets: Mutex::new(vec![target]),
            flows: watch::Sender::new(flows),
            accepted: AtomicUsize::new(0),
            said: Mutex::default(),
        });
        let acceptor = tokio::spawn(accept(acceptor, shared.clone()));
        Self { port, shared, acceptor }
    }

    pub fn set(&self, flow: Flow) {
        self.shared.flows.send_modify(|flows| (flows.talking, flows.listening) = (flow, flow));
    }

    pub fn set_talking(&self, flow: Flow) {
        self.shared.flows.send_modify(|flows| flows.talking = flow);
    }

    pub fn set_listening(&self, flow: Flow) {
        self.shared.flows.send_modify(|flows| flows.listening = flow);
    }

    /// Nothing passes on the present connections any more. New ones are not concerned.
    pub fn stall_present(&self) {
        let accepted = self.shared.accepted.load(Ordering::Relaxed);
        self.shared.flows.send_modify(|flows| flows.first_alive = accepted);
    }

    /// For new connections.
    pub fn set_targets(&self, targets: &[u16]) {
        *self.shared.targets.lock() = targets.to_vec();
    }

    pub fn said(&self) -> Vec<u8> {
        std::mem::take(&mut self.shared.said.lock())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept(acceptor: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = acceptor.accept().await {
        tokio::spawn(serve(client, shared.clone()));
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
    let target = {
        let targets = shared.targets.lock();
        targets[number % targets.len()]
    };
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let role = Role { kind: AtomicU8::new(0), number };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = pump(from_client, to_server, &shared, &role, false);
    let back = pump(from_server, to_client, &shared, &role, true);
    // The end of one direction ends both.
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    role: &Role,
    answers: bool,
) {
    let mut flows = shared.flows.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let flow = role.flow(*flows.borrow_and_update());
        match flow {
            Flow::Cut => return,
            Flow::Stalled => {
                if flows.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Flow::Open | Flow::AnswersLost => {}
        }
        let read = tokio::select! {
            biased;
            changed = flows.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            read = from.read(&mut buffer) => read,
        };
        let Some(bytes) = read.ok().filter(|read| *read > 0).map(|read| &buffer[..read]) else {
            return;
        };
        if !answers {
            role.learn(bytes);
            if role.kind.load(Ordering::Relaxed) == TALKING {
                shared.said.lock().extend_from_slice(bytes);
            }
        }
        let lost = answers && flow == Flow::AnswersLost;
        if !lost && to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

impl Role {
    fn learn(&self, bytes: &[u8]) {
        let has = |name: &[u8]| bytes.windows(name.len()).any(|part| part == name);
        if self.kind.load(Ordering::Relaxed) != 0 {
            return;
        }
        if has(b"sealcast-talking") {
            self.kind.store(TALKING, Ordering::Relaxed);
        } else if has(b"sealcast-listening") {
            self.kind.store(LISTENING, Ordering::Relaxed);
        }
    }

    fn flow(&self, flows: Flows) -> Flow {
        match self.kind.load(Ordering::Relaxed) {
            _ if self.number < flows.first_alive => Flow::Stalled,
            TALKING => flows.talking,
            LISTENING => flows.listening,
            _ if flows.talking == flows.listening => flows.talking,
            _ => Flow::Open,
        }
    }
}
