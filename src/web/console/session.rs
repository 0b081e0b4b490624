//! Sessions of the console, and the codes that begin one. The table is pure: callers pass the time.

mod attempts;
mod secret;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use zeroize::Zeroizing;

pub use attempts::Attempts;
use secret::{Digest, random_text};

/// Time in which a code can be used.
pub const CODE_LIFETIME: Duration = Duration::from_secs(5 * 60);
const IDLE: Duration = Duration::from_secs(8 * 3600);
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The next one ends the session that was idle for longest.
const MAX_SESSIONS: usize = 32;
/// The next one takes the place of the oldest.
const MAX_CODES: usize = 16;
/// Of one session.
const MAX_SOCKETS: usize = 8;
const CODE_BYTES: usize = 16;
const COOKIE_BYTES: usize = 32;
const KEY_BYTES: usize = 32;

/// Sessions and unused codes, as hashes.
#[derive(Default)]
pub struct SessionTable {
    codes: Vec<Code>,
    sessions: Vec<SessionEntry>,
    /// Counts the times that all sessions ended.
    generation: u64,
}

struct Code {
    hash: Digest,
    until: Instant,
}

struct SessionEntry {
    /// Of cookie and key.
    hash: Digest,
    number: SessionNumber,
    means: SignInMeans,
    begun: Instant,
    used: Instant,
    /// Tells open sockets of the end.
    end: watch::Sender<Option<SessionEnd>>,
    /// Shared with each permit of an open socket.
    sockets: Arc<()>,
}

/// Six random digits, which name a session in the audit log. They open nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionNumber(u32);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignInMeans {
    Code,
    Token,
}

/// The reason for the end of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionEnd {
    SignedOut,
    Expired,
    /// Another session has taken its place.
    Replaced,
    TokenChanged,
    SwitchedOff,
    /// Who may open the console has changed.
    AccessChanged,
}

/// A session as its requests see it.
#[derive(Clone)]
pub struct SessionView {
    pub number: SessionNumber,
    pub means: SignInMeans,
    /// If it is not used again.
    pub expires_in: Duration,
    pub end: watch::Receiver<Option<SessionEnd>>,
    sockets: Weak<()>,
}

/// One of the few open sockets of a session.
pub struct SocketPermit(#[expect(dead_code, reason = "it is counted")] Arc<()>);

/// A session that has begun.
pub struct NewSession {
    /// The only copies: the table keeps a hash.
    pub cookie: Zeroizing<String>,
    /// Browsers send a cookie to every port of a host. The key stays with pages of this one.
    pub key: Zeroizing<String>,
    pub view: SessionView,
    pub replaced: Option<SessionNumber>,
}

impl SessionTable {
    pub fn new_code(&mut self, now: Instant) -> Result<Zeroizing<String>, getrandom::Error> {
        let code = random_text::<CODE_BYTES>()?;
        self.codes.retain(|code| code.until > now);
        if self.codes.len() >= MAX_CODES {
            self.codes.remove(0);
        }
        self.codes.push(Code { hash: Digest::of(&code), until: now + CODE_LIFETIME });
        Ok(code)
    }

    /// True if the code is valid. It is used up.
    pub fn use_code(&mut self, code: &str, now: Instant) -> bool {
        self.codes.retain(|code| code.until > now);
        let hash = Digest::of(code);
        let found = self.codes.iter().position(|code| code.hash == hash);
        found.map(|at| self.codes.remove(at)).is_some()
    }

    pub fn begin(
        &mut self,
        means: SignInMeans,
        now: Instant,
    ) -> Result<NewSession, getrandom::Error> {
        let cookie = random_text::<COOKIE_BYTES>()?;
        let key = random_text::<KEY_BYTES>()?;
        let number = self.free_number()?;
        let replaced = self.make_room();
        let (end, _) = watch::channel(None);
        let hash = Digest::of_both(&cookie, &key);
        let sockets = Arc::default();
        let session = SessionEntry { hash, number, means, begun: now, used: now, end, sockets };
        let view = session.view(now);
        self.sessions.push(session);
        Ok(NewSession { cookie, key, view, replaced })
    }

    fn free_number(&self) -> Result<SessionNumber, getrandom::Error> {
        loop {
            let number = SessionNumber(getrandom::u32()? % 1_000_000);
            if self.sessions.iter().all(|session| session.number != number) {
                return Ok(number);
            }
        }
    }

    fn make_room(&mut self) -> Option<SessionNumber> {
        if self.sessions.len() < MAX_SESSIONS {
            return None;
        }
        let sessions = self.sessions.iter().enumerate();
        let (longest_idle, _) = sessions.min_by_key(|(_, session)| session.used)?;
        Some(self.sessions.remove(longest_idle).ended(SessionEnd::Replaced))
    }

    /// The session of a cookie and its key, which counts as used.
    pub fn find(&mut self, cookie: &str, key: &str, now: Instant) -> Option<SessionView> {
        let hash = Digest::of_both(cookie, key);
        let session = self.sessions.iter_mut().find(|session| session.hash == hash)?;
        session.expires_at().gt(&now).then(|| {
            session.used = now;
            session.view(now)
        })
    }

    /// Notes a use over an open socket.
    pub fn touch(&mut self, number: SessionNumber, now: Instant) {
        if let Some(session) = self.sessions.iter_mut().find(|session| session.number == number) {
            session.used = now;
        }
    }

    pub fn end(&mut self, number: SessionNumber, end: SessionEnd) -> bool {
        !self.end_where(end, |session| session.number == number).is_empty()
    }

    /// A sign-in that was checked in an earlier generation does not count any more.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// All sessions and all codes.
    pub fn end_all(&mut self, end: SessionEnd) -> Vec<SessionNumber> {
        self.codes.clear();
        self.generation += 1;
        self.end_where(end, |_| true)
    }

    pub fn expire(&mut self, now: Instant) -> Vec<SessionNumber> {
        self.end_where(SessionEnd::Expired, |session| session.expires_at() <= now)
    }

    fn end_where(
        &mut self,
        end: SessionEnd,
        ends: impl Fn(&SessionEntry) -> bool,
    ) -> Vec<SessionNumber> {
        let ended = self.sessions.extract_if(.., |session| ends(session));
        ended.map(|session| session.ended(end)).collect()
    }
}

impl SessionEntry {
    fn expires_at(&self) -> Instant {
        (self.used + IDLE).min(self.begun + LIFETIME)
    }

    fn view(&self, now: Instant) -> SessionView {
        SessionView {
            number: self.number,
            means: self.means,
            expires_in: self.expires_at().saturating_duration_since(now),
            end: self.end.subscribe(),
            sockets: Arc::downgrade(&self.sockets),
        }
    }

    fn ended(self, end: SessionEnd) -> SessionNumber {
        // Without an open socket nobody listens.
        let _ = self.end.send(Some(end));
        self.number
    }
}

impl SocketPermit {
    /// `None`: there are too many, or the session has ended. Two at the same moment may both be let
    /// in.
    pub fn of(session: &SessionView) -> Option<Self> {
        let sockets = session.sockets.upgrade()?;
        // The session's own reference, and this one.
        (Arc::strong_count(&sockets) < MAX_SOCKETS + 2).then_some(Self(sockets))
    }
}

impl SignInMeans {
    pub fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Token => "token",
        }
    }
}

impl SessionEnd {
    pub fn name(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::TokenChanged => "token_changed",
            Self::SwitchedOff => "switched_off",
            Self::AccessChanged => "access_changed",
        }
    }
}

impl fmt::Display for SessionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}
