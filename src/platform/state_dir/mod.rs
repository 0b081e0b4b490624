//! The directory of data that outlives the server. One server at a time holds it: two would
//! overwrite each other's keys.
//!
//! Every file in it is read, appended to and replaced through this module, which enforces one rule
//! of access (`access`, docs/operations.md).

mod access;
mod leftovers;
mod pending;
mod staged;

use std::{
    fs::{DirBuilder, File, TryLockError},
    io,
    os::unix::{fs::DirBuilderExt, net::UnixListener},
    path::{Path, PathBuf},
};

pub use access::{
    ClosedToGroup, FileRefusal, check, judge, look, look_at, open_to_append, open_to_change,
    open_to_read, read, read_reporting, writable,
};
pub use pending::{PendingWrite, UntilRestart};
pub use staged::{Staged, stage, write_new, write_whole};

use crate::platform::unix_socket::{self, BindError, SocketFile};

pub struct StateDir {
    path: PathBuf,
    /// A lock on the directory itself; the system releases it at the end of the process.
    _lock: File,
}

#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error(
        "another server has the state directory {}: give each its own (--state-dir or SEALCAST_STATE_DIR)",
        .0.display()
    )]
    InUse(PathBuf),
    #[error("the state directory {} cannot be used: {reason}", path.display())]
    Unusable { path: PathBuf, reason: io::Error },
    #[error("the state directory {} is refused: {reason}", path.display())]
    Refused { path: PathBuf, reason: FileRefusal },
}

/// Suffixes of state files, after the app's id.
pub const KEYS: &str = ".keys.json";
pub const REVOKED_TOKENS: &str = ".revoked.json";
pub const DEAD_LETTERS: &str = ".webhooks.jsonl";
/// The key file of `--dev`.
pub const DEV_KEY: &str = "dev-master-key";
/// The history of all apps. No app's file has these names: theirs have a dot behind the id.
pub const HISTORY: &str = "history.db";
pub const HISTORY_KEYS: &str = "history-keys.json";

impl StateDir {
    pub fn claim(path: &Path) -> Result<Self, ClaimError> {
        let unusable = |reason| ClaimError::Unusable { path: path.to_owned(), reason };
        make(path).map_err(unusable)?;
        let lock = File::open(path).map_err(unusable)?;
        access::check_directory(&lock, path)
            .map_err(unusable)?
            .map_err(|reason| ClaimError::Refused { path: path.to_owned(), reason })?;
        match lock.try_lock() {
            Ok(()) => {
                // No other server writes here now.
                leftovers::remove(path);
                Ok(Self { path: path.to_owned(), _lock: lock })
            }
            Err(TryLockError::WouldBlock) => Err(ClaimError::InUse(path.to_owned())),
            Err(TryLockError::Error(reason)) => Err(unusable(reason)),
        }
    }

    /// Why `claim` would not give it, as far as that shows without changing anything. Another server
    /// may have it: that is no fault.
    pub fn check(path: &Path) -> Result<(), ClaimError> {
        let unusable = |reason| ClaimError::Unusable { path: path.to_owned(), reason };
        let directory = match File::open(path) {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let there = path.ancestors().find(|path| path.exists());
                return access::writable(there.unwrap_or(Path::new("."))).map_err(unusable);
            }
            Err(error) => return Err(unusable(error)),
        };
        access::check_directory(&directory, path)
            .map_err(unusable)?
            .map_err(|reason| ClaimError::Refused { path: path.to_owned(), reason })?;
        access::writable(path).map_err(unusable)
    }

    /// Listens on `admin.sock`, for the server's own user alone. A socket that is there is a dead
    /// server's, since a living one would have the directory.
    pub fn admin_socket(&self) -> Result<(UnixListener, SocketFile), BindError> {
        unix_socket::bind(&admin_socket_path(&self.path), 0o600, BACKLOG)
    }
}

/// Short: commands are rare and can wait for each other.
const BACKLOG: i32 = 128;

pub fn admin_socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("admin.sock")
}

/// Creates a missing directory, for its owner alone.
pub fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixStream,
    };

    #[test]
    fn one_server_holds_the_directory_and_stale_sockets_are_replaced() {
        let path = std::env::temp_dir().join(format!("sealcast-state-{}", std::process::id()));
        let mine = StateDir::claim(&path).unwrap();
        let (_listener, file) = mine.admin_socket().unwrap();
        let mode = std::fs::metadata(path.join("admin.sock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = StateDir::claim(&path).err().unwrap();
        assert!(matches!(second, ClaimError::InUse(_)), "{second}");
        // The state after a kill, without a cleanup.
        std::mem::forget(file);
        drop((mine, _listener));
        let next = StateDir::claim(&path).unwrap();
        let (_listener, file) = next.admin_socket().unwrap();
        assert!(UnixStream::connect(path.join("admin.sock")).is_ok());
        drop(file);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
        std::fs::remove_dir(&path).unwrap();
    }

    #[test]
    fn f6_directories_writable_by_others_are_refused() {
        let path = std::env::temp_dir().join(format!("sealcast-open-dir-{}", std::process::id()));
        make(&path).unwrap();
        let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        for refused in [0o777, 0o702, 0o1777] {
            mode(refused);
            let error = StateDir::claim(&path).err().unwrap();
            assert!(matches!(error, ClaimError::Refused { .. }), "{error}");
            assert!(error.to_string().contains("chmod 700"), "{error}");
        }
        for taken in [0o700, 0o755, 0o770] {
            mode(taken);
            assert!(StateDir::claim(&path).is_ok(), "{taken:o}");
        }
        std::fs::remove_dir(&path).unwrap();
    }

    #[test]
    fn f6_leftovers_of_interrupted_writes_are_removed() {
        let path = std::env::temp_dir().join(format!("sealcast-leftovers-{}", std::process::id()));
        make(&path).unwrap();
        let ours = [
            "shop.keys.json.tmp",
            "shop.keys.json.0123456789abcdef.tmp",
            "a.b.revoked.json.0123456789abcdef.tmp",
            "shop.webhooks.jsonl.tmp",
            "dev-master-key.0123456789abcdef.tmp",
        ];
        let theirs = ["shop.keys.json", "notes.tmp", "shop.keys.json.backup.tmp", "victim"];
        for name in ours.iter().skip(1).chain(&theirs) {
            std::fs::write(path.join(name), name).unwrap();
        }
        // The target of a link is not ours to remove.
        symlink(path.join("victim"), path.join(ours[0])).unwrap();
        drop(StateDir::claim(&path).unwrap());
        let mut left: Vec<_> = std::fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut theirs = theirs.map(str::to_owned);
        theirs.sort();
        assert_eq!(left, theirs);
        std::fs::remove_dir_all(&path).unwrap();
    }
}
