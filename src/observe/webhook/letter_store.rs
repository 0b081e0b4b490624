//! Where undelivered webhooks are kept: in a file of the server, or by a cluster for all its nodes.

use std::io;

use super::dead_letter::{DeadLetters, Discarded, Letter, LetterId, NewLetter, WaitingLetters};

/// All of it may wait, except `count` and `refresh`.
pub trait LetterStore: Send + Sync {
    /// Whether other nodes have the same letters, and what is not delivered here.
    fn is_shared(&self) -> bool;
    fn count(&self) -> u64;
    /// Looks whether others have changed the count.
    fn refresh(&self);
    fn waiting(&self) -> io::Result<WaitingLetters>;
    /// `ErrorKind::TimedOut`: it may work later.
    fn write(&self, time: &str, letters: &[NewLetter<'_>]) -> io::Result<()>;
    /// Marks letters as delivered to the endpoint.
    fn delivered(&self, endpoint: &str, ids: &[LetterId]) -> io::Result<()>;
    /// Releases letters whose replay failed.
    fn release(&self, ids: &[LetterId]) -> io::Result<()>;
    /// Discards the letters selected by `wanted`, except those under way.
    fn discard(&self, wanted: &dyn Fn(&Letter) -> bool) -> io::Result<Discarded>;
    /// Calls `each` for every letter, the oldest first, until it returns `false`.
    fn read(&self, each: &mut dyn FnMut(Letter) -> bool) -> io::Result<()>;
    /// Offers every idle letter to `send`; those it accepts are under way.
    fn replay_each(&self, send: &mut dyn FnMut(&Letter) -> bool) -> io::Result<()>;
    /// Makes sure that letters survive a power loss.
    fn sync(&self) -> io::Result<()>;
}

impl LetterStore for DeadLetters {
    fn is_shared(&self) -> bool {
        false
    }

    fn count(&self) -> u64 {
        self.count()
    }

    fn refresh(&self) {}

    fn waiting(&self) -> io::Result<WaitingLetters> {
        Ok(self.waiting())
    }

    fn write(&self, time: &str, letters: &[NewLetter<'_>]) -> io::Result<()> {
        self.write(time, letters)
    }

    fn delivered(&self, endpoint: &str, ids: &[LetterId]) -> io::Result<()> {
        self.delivered(endpoint, ids)
    }

    fn release(&self, ids: &[LetterId]) -> io::Result<()> {
        self.release(ids);
        Ok(())
    }

    fn discard(&self, wanted: &dyn Fn(&Letter) -> bool) -> io::Result<Discarded> {
        self.discard(wanted)
    }

    fn read(&self, each: &mut dyn FnMut(Letter) -> bool) -> io::Result<()> {
        self.read(each)
    }

    fn replay_each(&self, send: &mut dyn FnMut(&Letter) -> bool) -> io::Result<()> {
        self.replay_each(send)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync()
    }
}
