//! Effect of a refused auth request on an existing subscription.

use super::{AppRuntime, Engine};
use crate::{domain::ids::SocketId, hub::mailbox::WorkerCommand};

impl Engine {
    /// Called after the auth endpoint has refused the client. Clients left without a valid secret
    /// are closed, if this server made them ask.
    pub fn note_reauth_refused(&self, runtime: &AppRuntime, socket: SocketId, channel: &str) {
        let record = runtime.directory.find(channel);
        let sealed = record.filter(|record| runtime.ring(record.channel()).is_some());
        if let Some(record) = sealed {
            let topic = record.topic();
            self.hub.post_to(socket, WorkerCommand::AuthRefused { socket, topic });
        }
    }
}
