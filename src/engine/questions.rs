//! What a client's question means for a subscription that it has already.

use super::{Engine, Tenant};
use crate::{hub::mailbox::Post, ids::SocketId};

impl Engine {
    /// The auth endpoint has refused it. Clients that have no secret from there on are closed, if it
    /// was this server that made them ask.
    pub fn note_refused_question(&self, tenant: &Tenant, socket: SocketId, channel: &str) {
        let record = tenant.directory.find(channel);
        let sealed = record.filter(|record| tenant.ring(record.channel()).is_some());
        if let Some(record) = sealed {
            let topic = record.topic();
            self.hub.post_to(socket, Post::QuestionRefused { socket, topic });
        }
    }
}
