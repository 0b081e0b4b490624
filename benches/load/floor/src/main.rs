//! The least a Pusher-like server can do, as a floor to measure others against:
//! raw epoll, one thread per core, one pre-encoded frame per published event and
//! one write(2) per subscriber. It checks no signature, parses no JSON (it scans
//! for what the load generator is known to send) and enforces no limit.
//!
//! With `coalesce`, the frames published to a channel within one turn of the
//! event loop go out in one write per subscriber, after the publishers have been
//! answered: the lever that lets a server under load go below one write per
//! delivery.
//!
//! With `close`, every HTTP answer ends its connection.
//!
//! Usage: floor PORT [THREADS] [coalesce|close]
//!
//! It listens on 127.0.0.1 and says so; port 0 takes a free one.
//!
//! `worker` is the loop with its sockets, `http` and `ws` parse the input of
//! one, `channels` holds subscriptions, `sys` the system calls.

mod channels;
mod http;
mod scan;
mod sys;
mod worker;
mod ws;

use std::{io, sync::Arc};

use crate::{channels::Mailbox, worker::Worker};

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let mut port = args
        .next()
        .and_then(|a| a.parse().ok())
        .expect("usage: floor PORT [THREADS] [coalesce|close]");
    let threads: usize = args.next().and_then(|a| a.parse().ok()).unwrap_or(1);
    let mode = args.next().unwrap_or_default();
    sys::raise_open_files()?;
    let mailboxes: Arc<[Mailbox]> =
        (0..threads).map(|_| Mailbox::new()).collect::<io::Result<_>>()?;
    let mut handles = Vec::new();
    for me in 0..threads {
        let listener = sys::listen(port)?;
        // The other workers share the port chosen for 0.
        port = sys::bound_port(listener)?;
        let worker = Worker::new(listener, mailboxes.clone(), me, &mode)?;
        handles.push(std::thread::spawn(move || worker.run()));
    }
    println!("listening on http://127.0.0.1:{port}");
    for handle in handles {
        handle.join().expect("worker panicked")?;
    }
    Ok(())
}
