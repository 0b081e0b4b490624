//! Revoked access tokens. Each revocation is remembered for the longest lifetime of a token, in
//! `STATE_DIR/APP.revoked.json`, so that it survives a restart.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::access::{MAX_TTL, TokenId};
use crate::{
    domain::time::UnixSeconds,
    platform::{
        clock::ClockReading,
        state_dir::{self, PendingWrite, UntilRestart},
    },
};

pub struct RevokedTokens {
    path: Option<PathBuf>,
    list: RwLock<RevokedList>,
    /// Raised under the list's lock, with each revocation.
    changes: AtomicU64,
    /// The changes that the file has. Held during a write, so that the file ends up with the newest
    /// state.
    written: Mutex<u64>,
    pub pending: PendingWrite,
}

/// Times in seconds since 1970.
#[derive(Clone, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokedList {
    format: u32,
    /// Revoked token ids, with the time.
    tokens: HashMap<String, u64>,
    /// Users whose earlier tokens are revoked, with the time.
    users: HashMap<String, u64>,
}

const FORMAT: u32 = 1;
const MAX_ENTRIES: usize = 100_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRevocation {
    Token(String),
    User(String),
}

#[derive(Debug, thiserror::Error)]
pub enum TokenRevocationError {
    #[error(
        "{MAX_ENTRIES} tokens and users are revoked already: they are forgotten a day after; a new secret of the app ends all its tokens at once"
    )]
    TooMany,
    #[error("it is revoked, and what it was given has ended: {0}")]
    UntilRestart(#[from] UntilRestart),
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the list of revoked tokens {path} cannot be used: {reason}. Restore it, or remove it and change the app's secret: what it revoked would be accepted again"
)]
pub struct RevokedTokensFileError {
    path: String,
    reason: String,
}

impl RevokedTokens {
    pub fn of_app(directory: &Path, app: &str) -> Self {
        let path = directory.join(format!("{app}{}", state_dir::REVOKED_TOKENS));
        Self { path: Some(path), ..Self::in_memory() }
    }

    pub fn in_memory() -> Self {
        let empty = RevokedList { format: FORMAT, ..RevokedList::default() };
        Self {
            path: None,
            list: RwLock::new(empty),
            changes: AtomicU64::new(0),
            written: Mutex::new(0),
            pending: PendingWrite::none(),
        }
    }

    /// Loads the revocations of earlier runs.
    pub fn load(&self) -> Result<(), RevokedTokensFileError> {
        if let Some(list) = self.kept(state_dir::read)? {
            *self.list.write() = list;
        }
        Ok(())
    }

    /// Why `load` would fail, without changing anything.
    pub fn check(&self) -> Result<(), RevokedTokensFileError> {
        self.kept(state_dir::look).map(drop)
    }

    fn kept(
        &self,
        read: impl FnOnce(&Path) -> io::Result<Option<Zeroizing<Vec<u8>>>>,
    ) -> Result<Option<RevokedList>, RevokedTokensFileError> {
        let Some(path) = &self.path else { return Ok(None) };
        let unusable =
            |reason: String| RevokedTokensFileError { path: path.display().to_string(), reason };
        let Some(text) = read(path).map_err(|e| unusable(e.to_string()))? else { return Ok(None) };
        let list: RevokedList = serde_json::from_slice(&text)
            .map_err(|e| unusable(format!("line {} is not what was written", e.line())))?;
        if list.format != FORMAT {
            return Err(unusable(format!("its format {} is of another version", list.format)));
        }
        Ok(Some(list))
    }

    pub fn contains(&self, token: &TokenId) -> bool {
        let list = self.list.read();
        list.tokens.contains_key(&*token.jti)
            || list.users.get(&*token.user).is_some_and(|at| !token.issued.is_after(*at))
    }

    /// Time at which all tokens of the user were last revoked.
    pub fn last_of_user(&self, user: &str) -> Option<UnixSeconds> {
        self.list.read().users.get(user).copied()
    }

    /// Time of the newest revocation.
    pub fn newest(&self) -> Option<UnixSeconds> {
        let list = self.list.read();
        list.tokens.values().chain(list.users.values()).copied().max()
    }

    /// Takes effect at once. The caller must then call `write_down`. False if it was in force
    /// already, at the same time or later, or has nothing to end any more.
    pub fn revoke(
        &self,
        what: &TokenRevocation,
        at: UnixSeconds,
        now: ClockReading,
    ) -> Result<bool, TokenRevocationError> {
        let mut list = self.list.write();
        // Every token of that time is over.
        let has_expired = !holds(at, now.earliest);
        if has_expired || list.at(what).is_some_and(|known| known >= at) {
            return Ok(false);
        }
        list.forget(now.earliest);
        if list.tokens.len() + list.users.len() >= MAX_ENTRIES {
            return Err(TokenRevocationError::TooMany);
        }
        match what {
            TokenRevocation::Token(jti) => list.tokens.insert(jti.clone(), at),
            TokenRevocation::User(user) => list.users.insert(user.clone(), at),
        };
        self.changes.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    /// Those that can still end something, each with its time.
    pub fn all(&self, now: ClockReading) -> Vec<(TokenRevocation, UnixSeconds)> {
        let mut list = self.list.write();
        list.forget(now.earliest);
        let tokens = list.tokens.iter().map(|(jti, at)| (TokenRevocation::Token(jti.clone()), *at));
        let users = list.users.iter().map(|(user, at)| (TokenRevocation::User(user.clone()), *at));
        tokens.chain(users).collect()
    }

    /// The time of a revocation.
    pub fn at(&self, what: &TokenRevocation) -> Option<UnixSeconds> {
        self.list.read().at(what)
    }

    /// Writes the newest list, unless the file has it. Returns true if a pending revocation was
    /// written along.
    pub fn write_down(&self) -> io::Result<bool> {
        let Some(path) = &self.path else { return Ok(false) };
        let mut written = self.written.lock();
        let (newest, changes) = {
            let list = self.list.read();
            let changes = self.changes.load(Ordering::Relaxed);
            if *written == changes {
                return Ok(false);
            }
            (list.clone(), changes)
        };
        state_dir::write_whole(path, &serde_json::to_vec(&newest)?)?;
        *written = changes;
        Ok(self.pending.written())
    }
}

impl RevokedList {
    fn at(&self, what: &TokenRevocation) -> Option<u64> {
        match what {
            TokenRevocation::Token(jti) => self.tokens.get(jti).copied(),
            TokenRevocation::User(user) => self.users.get(user).copied(),
        }
    }

    fn forget(&mut self, now: u64) {
        self.tokens.retain(|_, at| holds(*at, now));
        self.users.retain(|_, at| holds(*at, now));
    }
}

/// True while there may be a token that was issued by `at`.
fn holds(at: UnixSeconds, now: UnixSeconds) -> bool {
    at.saturating_add(MAX_TTL) >= now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::clock::KnownAsOf;

    fn token(jti: &str, user: &str, issued: u64) -> TokenId {
        let issued = KnownAsOf::now(ClockReading::at(issued));
        TokenId { jti: jti.into(), user: user.into(), issued }
    }

    fn revoke(revoked: &RevokedTokens, what: TokenRevocation, at: u64) {
        assert!(revoked.revoke(&what, at, ClockReading::at(at)).unwrap());
    }

    #[test]
    fn revocations_of_several_nodes_unite() {
        let revoked = RevokedTokens::in_memory();
        let user = TokenRevocation::User("u".into());
        for (at, is_new, stands) in
            [(20, true, 20), (10, false, 20), (20, false, 20), (30, true, 30)]
        {
            assert_eq!(revoked.revoke(&user, at, ClockReading::at(20)).unwrap(), is_new, "{at}");
            assert_eq!(revoked.all(ClockReading::at(20)), [(user.clone(), stands)]);
        }
    }

    #[test]
    fn expired_revocations_are_not_told_nor_taken() {
        let revoked = RevokedTokens::in_memory();
        let user = TokenRevocation::User("u".into());
        revoke(&revoked, user.clone(), 20);
        let last = ClockReading::at(20 + MAX_TTL);
        assert_eq!(revoked.all(last), [(user.clone(), 20)]);
        let over = ClockReading::at(21 + MAX_TTL);
        assert_eq!(revoked.all(over), []);
        assert!(!revoked.revoke(&user, 20, over).unwrap() && revoked.at(&user).is_none());
    }

    /// Other nodes repeat what they tell.
    #[test]
    fn list_is_written_once_for_each_change() {
        let dir = std::env::temp_dir().join(format!("sealcast-rewrite-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let revoked = RevokedTokens::of_app(&dir, "shop");
        let file = dir.join("shop.revoked.json");
        let user = TokenRevocation::User("u".into());
        for (at, is_written) in [(10, true), (10, false), (9, false), (11, true)] {
            let _ = revoked.revoke(&user, at, ClockReading::at(20)).unwrap();
            assert!(!revoked.write_down().unwrap());
            assert_eq!(std::fs::remove_file(&file).is_ok(), is_written, "{at}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn revocations_survive_a_restart_and_expire() {
        let dir = std::env::temp_dir().join(format!("sealcast-revoked-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let revoked = RevokedTokens::of_app(&dir, "shop");
        revoked.load().unwrap();
        assert_eq!(revoked.newest(), None);
        for (what, at) in
            [(TokenRevocation::Token("j1".into()), 100), (TokenRevocation::User("u1".into()), 200)]
        {
            revoke(&revoked, what, at);
            assert!(!revoked.write_down().unwrap(), "nothing had waited");
        }
        let again = RevokedTokens::of_app(&dir, "shop");
        again.load().unwrap();
        for list in [&revoked, &again] {
            assert_eq!(list.newest(), Some(200));
            assert!(list.contains(&token("j1", "u2", 100)));
            assert!(list.contains(&token("j2", "u1", 200)));
            assert!(!list.contains(&token("j2", "u1", 201)));
            assert!(!list.contains(&token("j2", "u2", 1)));
        }
        revoke(&again, TokenRevocation::Token("j3".into()), 101 + MAX_TTL);
        assert_eq!(again.list.read().tokens.len(), 1);
        assert_eq!(again.list.read().users.len(), 1);
        std::fs::write(dir.join("shop.revoked.json"), "{").unwrap();
        assert!(again.load().unwrap_err().to_string().contains("shop.revoked.json"));
        std::fs::remove_dir_all(&dir).unwrap();
        std::fs::write(&dir, "").unwrap();
        revoke(&again, TokenRevocation::Token("j4".into()), 5);
        assert!(again.write_down().is_err() && again.contains(&token("j4", "", 9)));
        again.pending.failed(std::time::Instant::now());
        std::fs::remove_file(&dir).unwrap();
        std::fs::create_dir(&dir).unwrap();
        assert!(again.write_down().unwrap(), "it had waited");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
