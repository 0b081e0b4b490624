//! A round-robin balancer in front of several servers: raw TCP, each connection to the next one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::process::lock;

pub struct Door {
    pub addr: SocketAddr,
    nodes: Arc<Mutex<Vec<SocketAddr>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Door {
    /// Runs in a thread of its own: a test may block its thread while a client waits at the door.
    pub fn start(nodes: Vec<SocketAddr>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket option");
        let addr = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let nodes = Arc::new(Mutex::new(nodes));
        let shared = Arc::clone(&nodes);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listener, shared) => {}
                }
            });
        });
        Self { addr, nodes, stop: Some(stop), thread: Some(thread) }
    }

    /// Sends further connections to these servers. Open ones stay.
    pub fn lead_to(&self, nodes: Vec<SocketAddr>) {
        *lock(&self.nodes) = nodes;
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, nodes: Arc<Mutex<Vec<SocketAddr>>>) {
    for turn in 0.. {
        let Ok((client, _)) = listener.accept().await else { return };
        let mut order = lock(&nodes).clone();
        let first = turn % order.len().max(1);
        order.rotate_left(first);
        tokio::spawn(relay(client, order));
    }
}

/// A node that accepts no connection is passed over, as a balancer does.
async fn relay(mut client: TcpStream, order: Vec<SocketAddr>) {
    for node in order {
        let Ok(mut server) = TcpStream::connect(node).await else { continue };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        return;
    }
}
