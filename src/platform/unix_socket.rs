//! Listening on a Unix socket: access, leftovers of earlier servers, and removal at the end.

use std::{
    fs::Permissions,
    io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, MetadataExt, PermissionsExt},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};

/// Removes the socket's file when the server ends.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    made: SocketStamp,
}

/// Tells our file from another server's in its place: inode numbers are reused.
#[derive(Debug, PartialEq, Eq)]
struct SocketStamp {
    file: (u64, u64),
    modified: (i64, i64),
}

impl SocketStamp {
    fn of(path: &Path) -> io::Result<Self> {
        let data = path.symlink_metadata()?;
        let modified = (data.mtime(), data.mtime_nsec());
        Ok(Self { file: (data.dev(), data.ino()), modified })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{} is there and is no socket: choose another path, or move it away", .0.display())]
    NotASocket(PathBuf),
    #[error("another server listens on {}: stop it, or choose another path", .0.display())]
    InUse(PathBuf),
    #[error(
        "cannot listen on {}: the directory is missing; make it for the user that the server runs as",
        .0.display()
    )]
    NoDirectory(PathBuf),
    #[error("cannot listen on {}: {reason}", path.display())]
    Other { path: PathBuf, reason: io::Error },
}

/// Listens at `path`. Replaces the socket of a dead server, and fails on a living one's. `mode`
/// decides who may connect.
pub fn bind(path: &Path, mode: u32, backlog: i32) -> Result<(UnixListener, SocketFile), BindError> {
    remove_stale(path)?;
    open(path, mode, backlog).map_err(|reason| match reason.kind() {
        io::ErrorKind::NotFound => BindError::NoDirectory(path.to_owned()),
        _ => BindError::Other { path: path.to_owned(), reason },
    })
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    // Links are not followed: their targets are not ours to remove.
    let Ok(there) = path.symlink_metadata() else { return Ok(()) };
    if !there.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    let failed = |reason| BindError::Other { path: path.to_owned(), reason };
    match probe(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A server that refuses us, or has a full queue, is alive.
        _ => Err(BindError::InUse(path.to_owned())),
    }
}

/// Non-blocking: a server that accepts no connection would block us forever.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

fn open(path: &Path, mode: u32, backlog: i32) -> io::Result<(UnixListener, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // The file is created with the mode of the umask. Connections are possible only after `listen`,
    // when the mode is set.
    std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    let file = SocketFile { path: path.to_owned(), made: SocketStamp::of(path)? };
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok((UnixListener::from(OwnedFd::from(socket)), file))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if SocketStamp::of(&self.path).is_ok_and(|there| there == self.made) {
            // A missing file needs no removal.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("sealcast-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn only_stale_sockets_are_replaced() {
        let directory = directory("socket-file");
        let path = directory.join("a.sock");
        let (first, file) = bind(&path, 0o660, 16).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let living = bind(&path, 0o660, 16).unwrap_err();
        assert!(matches!(living, BindError::InUse(_)), "{living}");
        // The state after a kill, without a cleanup.
        drop(first);
        std::thread::sleep(std::time::Duration::from_millis(20));
        let (_second, next) = bind(&path, 0o600, 16).unwrap();
        drop(file);
        assert!(UnixStream::connect(&path).is_ok(), "the first one's end leaves the second alone");
        drop(next);
        assert!(!path.exists());
        std::fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn a_full_backlog_counts_as_alive_without_blocking() {
        let directory = directory("full-socket");
        let path = directory.join("a.sock");
        let (_listener, file) = bind(&path, 0o660, 0).unwrap();
        let waiting = (0..3).take_while(|_| probe(&path).is_ok()).count();
        assert!(waiting < 3, "its queue is full");
        assert!(matches!(bind(&path, 0o660, 0), Err(BindError::InUse(_))));
        drop(file);
        std::fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn other_files_are_not_removed() {
        let directory = directory("no-socket");
        let path = directory.join("notes");
        std::fs::write(&path, "mine").unwrap();
        let error = bind(&path, 0o660, 16).unwrap_err();
        assert!(matches!(error, BindError::NotASocket(_)), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let error = bind(&directory.join("missing/a.sock"), 0o660, 16).unwrap_err();
        assert!(matches!(error, BindError::NoDirectory(_)), "{error}");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
