//! The directory of what outlives the server. One server at a time has it: two would overwrite each
//! other's keys.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::{
        fs::{DirBuilderExt, OpenOptionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use crate::unix_socket::{self, BindError, SocketFile};

pub struct StateDir {
    path: PathBuf,
    /// Of the directory itself; the system lets go of it however the server ends.
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
}

impl StateDir {
    pub fn claim(path: &Path) -> Result<Self, ClaimError> {
        let unusable = |reason| ClaimError::Unusable { path: path.to_owned(), reason };
        make(path).map_err(unusable)?;
        let lock = File::open(path).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(ClaimError::InUse(path.to_owned())),
            Err(TryLockError::Error(reason)) => Err(unusable(reason)),
        }
    }

    /// Listens on `admin.sock`, for the server's own user alone. A socket that is there is a dead
    /// server's, since a living one would have the directory.
    pub fn admin_socket(&self) -> Result<(UnixListener, SocketFile), BindError> {
        unix_socket::bind(&admin_socket_path(&self.path), 0o600, BACKLOG)
    }
}

/// Commands wait for each other if need be.
const BACKLOG: i32 = 128;

pub fn admin_socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("admin.sock")
}

/// For its owner alone, where it is not there yet.
pub fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file for its owner alone, whole or not at all: beside the old one, then in its place.
pub fn write_whole(path: &Path, text: &[u8]) -> io::Result<()> {
    stage(path, text)?.publish()
}

/// A file that is written beside the one that it is to replace. Removed if it does not.
#[must_use]
pub struct Staged {
    beside: PathBuf,
    path: PathBuf,
}

pub fn stage(path: &Path, text: &[u8]) -> io::Result<Staged> {
    make(directory_of(path))?;
    let beside = path.with_extension("json.tmp");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    Ok(Staged { beside, path: path.to_owned() })
}

fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

impl Staged {
    pub fn publish(self) -> io::Result<()> {
        std::fs::rename(&self.beside, &self.path)?;
        File::open(directory_of(&self.path))?.sync_all()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Nothing is there any more if it was published.
        let _ = std::fs::remove_file(&self.beside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::{fs::PermissionsExt, net::UnixStream};

    #[test]
    fn one_server_has_it_and_a_dead_ones_socket_is_replaced() {
        let path = std::env::temp_dir().join(format!("sealcast-state-{}", std::process::id()));
        let mine = StateDir::claim(&path).unwrap();
        let (_listener, file) = mine.admin_socket().unwrap();
        let mode = std::fs::metadata(path.join("admin.sock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = StateDir::claim(&path).err().unwrap();
        assert!(matches!(second, ClaimError::InUse(_)), "{second}");
        // As after a kill: nothing was cleaned up.
        std::mem::forget(file);
        drop((mine, _listener));
        let next = StateDir::claim(&path).unwrap();
        let (_listener, file) = next.admin_socket().unwrap();
        assert!(UnixStream::connect(path.join("admin.sock")).is_ok());
        drop(file);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
        std::fs::remove_dir(&path).unwrap();
    }
}
