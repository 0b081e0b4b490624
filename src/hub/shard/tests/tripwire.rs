//! Plaintext on an encrypted channel, which only a fault of the server could post.

use std::{io, sync::Arc};

use parking_lot::Mutex;

use super::*;

/// Collects what is logged.
#[derive(Clone, Default)]
struct CapturedLog(Arc<Mutex<Vec<u8>>>);

impl io::Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl CapturedLog {
    fn lines(&self) -> usize {
        let text = String::from_utf8_lossy(&self.0.lock()).into_owned();
        text.lines().filter(|line| line.contains("ERROR") && line.contains("plaintext")).count()
    }
}

fn leak(sequence: u64) -> WorkerCommand {
    let channel = Channel::parse("private-encrypted-x", 200).unwrap();
    let message = Message::plaintext(&channel, "e", "secret");
    let WorkerCommand::Deliver(delivery) = delivery(sequence) else { unreachable!() };
    let content = Content::Same(Frame::new(&message));
    WorkerCommand::Deliver(TopicDelivery { content, ..delivery })
}

#[tokio::test]
async fn plaintext_is_dropped_counted_and_logged() {
    let log = CapturedLog::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _logged_here = tracing::subscriber::set_default(subscriber);
    // One frame is written directly, several are queued; a good one among them arrives.
    for (posts, arrive) in [(vec![leak(1)], 0), (vec![leak(1), delivery(2), leak(3)], 1)] {
        let (hub, before) = (Hub::new(1, 1 << 20, 1000), log.lines());
        let shard = Shard::new(hub.clone());
        let sockets = subscribers(&shard, 3);
        let leaks = posts.len() - arrive;
        posts.into_iter().for_each(|post| hub.mailbox(0).put(post));
        LocalSet::new()
            .run_until(async {
                spawn_local(shard.clone().run());
                for _ in 0..3 {
                    yield_now().await;
                }
            })
            .await;
        let WorkerCommand::Deliver(good) = delivery(1) else { unreachable!() };
        for (slot, socket) in &sockets {
            assert_eq!(
                socket.outbox().queued_bytes(),
                arrive * good.content.bytes(),
                "slot {slot}"
            );
        }
        assert_eq!((hub.trip_count(), log.lines() - before), (leaks as u64, leaks));
    }
}
