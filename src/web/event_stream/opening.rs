//! In a cluster, the channels of a stream open before the stream begins: its handshake tells the
//! state of all of them.

use std::{rc::Rc, sync::Arc};

use tokio::time::Instant;

use crate::{
    domain::{channel::Channel, ids::SocketId},
    engine::{AppRuntime, cluster::SessionArrival, subscribe::SubscribeError},
    hub::channel_opener::{OPENING_TIMEOUT, Opened, OpeningAnswer},
    session::streams::{RefusedChannel, StreamChannel},
    web::context::worker::Worker,
};

/// The arrivals of a stream's channels. Those that have not entered at the end are cancelled.
pub struct OpeningChannels {
    worker: Rc<Worker>,
    runtime: Arc<AppRuntime>,
    arrived: Vec<(Channel, SessionArrival)>,
}

impl OpeningChannels {
    /// Ends when all channels are open, or after `OPENING_TIMEOUT`. They arrive with their places in
    /// the list as numbers.
    pub async fn open(
        worker: &Rc<Worker>,
        runtime: &Arc<AppRuntime>,
        socket: SocketId,
        channels: &[StreamChannel],
        position: Option<&str>,
    ) -> Result<Self, RefusedChannel> {
        let mut opening =
            Self { worker: worker.clone(), runtime: runtime.clone(), arrived: Vec::new() };
        if worker.engine.cluster.node().is_none() {
            return Ok(opening);
        }
        let mut answers = worker.shard.await_answers(socket);
        let mut waiting = 0;
        for (attempt, StreamChannel { channel, member, .. }) in (0..).zip(channels) {
            let arrival = SessionArrival { socket, attempt };
            let from = position.and_then(|position| {
                let start = worker.engine.reader_start(runtime, channel, Some(position))?;
                start.number()
            });
            let opened = worker.engine.arrive(runtime, channel, member.as_ref(), arrival, from);
            let opened =
                opened.map_err(|error| RefusedChannel { channel: channel.clone(), error })?;
            opening.arrived.push((channel.clone(), arrival));
            waiting += usize::from(opened == Opened::Later);
        }
        let by = Instant::now() + OPENING_TIMEOUT;
        while waiting > 0 {
            match tokio::time::timeout_at(by, answers.next()).await {
                Ok(OpeningAnswer::Opened) => waiting -= 1,
                Ok(OpeningAnswer::Full { channel }) => return Err(opening.full(&channel)),
                Err(_) => break,
            }
        }
        Ok(opening)
    }

    fn full(&self, name: &str) -> RefusedChannel {
        let limit = self.runtime.app().limits.presence_members;
        let named = self.arrived.iter().find(|(channel, _)| **channel.name() == *name);
        let channel = named.map_or(&self.arrived[0], |named| named).0.clone();
        RefusedChannel {
            error: SubscribeError::ChannelFull { channel: channel.clone(), limit },
            channel,
        }
    }
}

impl Drop for OpeningChannels {
    fn drop(&mut self) {
        for (channel, arrival) in &self.arrived {
            self.worker.engine.cancel_arrival(&self.runtime, channel, *arrival);
        }
    }
}
