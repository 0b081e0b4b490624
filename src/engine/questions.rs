//! Effect of a refused auth request on an existing subscription.

use super::{Engine, Tenant};
use crate::{hub::mailbox::Post, ids::SocketId};

impl Engine {
    /// Called after the auth endpoint has refused the client. Clients left without a valid secret
    /// are closed, if this server made them ask.
    pub fn note_refused_question(&self, tenant: &Tenant, socket: SocketId, channel: &str) {
        let record = tenant.directory.find(channel);
        let sealed = record.filter(|record| tenant.ring(record.channel()).is_some());
        if let Some(record) = sealed {
            let topic = record.topic();
            self.hub.post_to(socket, Post::QuestionRefused { socket, topic });
        }
    }
}
