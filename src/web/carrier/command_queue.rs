//! Commands for a connection's session, until its task takes them.

use std::cell::RefCell;

use crate::{
    hub::{outbox::Outbox, socket::SessionCommand},
    session::Session,
};

#[derive(Default)]
pub struct CommandQueue(RefCell<Vec<SessionCommand>>);

impl CommandQueue {
    pub fn push(&self, command: SessionCommand) {
        self.0.borrow_mut().push(command);
    }

    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Passes the commands to the session. An opened channel waits while the peer has to read
    /// earlier answers; an end never waits. Without a session they are dropped.
    pub fn run(&self, session: Option<&mut Session>, outbox: &Outbox) {
        let mut commands = self.0.take();
        let Some(session) = session else { return };
        commands.retain(|command| {
            let waits = command.has_answer() && outbox.has_many_answers();
            if !waits {
                session.on_command(command);
            }
            waits
        });
        if !commands.is_empty() {
            // In front of newer ones.
            commands.append(&mut self.0.borrow_mut());
            self.0.replace(commands);
        }
    }
}
