//! The access rights of a state file, checked on the open file: it belongs to us or to root, has
//! one name, and only its owner can use it.

use std::{
    fmt,
    fs::{File, OpenOptions, Permissions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, OFlags},
    io::Errno,
    process::geteuid,
};
use zeroize::Zeroizing;

/// Reasons to refuse a file or the directory as it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileRefusal {
    #[error("it is a symbolic link; move the file itself there")]
    Link,
    #[error("it is not a regular file; move it away")]
    NotAFile,
    #[error(
        "it has {0} names (hard links), and a change under one name changes all; put a copy in its place"
    )]
    SeveralNames(u64),
    #[error(
        "it belongs to the user {owner}, and the server runs as {us}; if its content can be trusted, `chown {us} {}`",
        path.display()
    )]
    ForeignOwner { owner: u32, us: u32, path: PathBuf },
    #[error(
        "others have access to it (mode {mode:04o}); make sure that its content is unchanged and was not read, then `chmod {right:o} {}`",
        path.display()
    )]
    OpenToOthers { mode: u32, right: u32, path: PathBuf },
}

impl From<FileRefusal> for io::Error {
    fn from(refused: FileRefusal) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, refused)
    }
}

/// A file that was open to its group until now.
#[derive(Debug, PartialEq, Eq)]
pub struct ClosedToGroup {
    path: PathBuf,
    mode: u32,
}

impl fmt::Display for ClosedToGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, mode } = self;
        write!(
            f,
            "{} was open to its group (mode {mode:04o}) and is now closed to it",
            path.display()
        )
    }
}

impl ClosedToGroup {
    fn log(&self) {
        tracing::warn!(
            state.file = %self.path.display(),
            state.mode = format_args!("{:04o}", self.mode),
            "a state file was open to its group and is now closed to it"
        );
    }
}

const ONLY_OWNER: u32 = 0o600;

/// `None` if there is no file, or if a parent is not a directory.
pub fn open_to_read(path: &Path) -> io::Result<Option<File>> {
    let Some((file, closed)) = found(open(path, OpenOptions::new().read(true)))? else {
        return Ok(None);
    };
    closed.iter().for_each(ClosedToGroup::log);
    Ok(Some(file))
}

/// Creates a missing file. Reads from the beginning, writes at the end.
pub fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let (file, closed) = open(path, options.read(true).append(true).create(true).mode(ONLY_OWNER))?;
    closed.iter().for_each(ClosedToGroup::log);
    Ok(file)
}

/// Creates a missing file. Reads and writes anywhere in it.
pub fn open_to_change(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let (file, closed) = open(path, options.read(true).write(true).create(true).mode(ONLY_OWNER))?;
    closed.iter().for_each(ClosedToGroup::log);
    Ok(file)
}

/// The content, which may be a secret; `None` if there is no file.
pub fn read(path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    read_reporting(path, |closed| closed.log())
}

/// `read` for callers that run before the log exists.
pub fn read_reporting(
    path: &Path,
    tell: impl FnOnce(&ClosedToGroup),
) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let Some((file, closed)) = found(open(path, OpenOptions::new().read(true)))? else {
        return Ok(None);
    };
    if let Some(closed) = &closed {
        tell(closed);
    }
    content(file).map(Some)
}

/// `read` for commands that change nothing: the permissions stay as they are.
pub fn look(path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    look_at(path)?.map(content).transpose()
}

/// `open_to_read` for commands that change nothing.
pub fn look_at(path: &Path) -> io::Result<Option<File>> {
    let Some(file) = found(open_as_it_is(path, OpenOptions::new().read(true)))? else {
        return Ok(None);
    };
    judge(&file, path)?;
    Ok(Some(file))
}

/// An error if files cannot be created in this directory.
pub fn writable(directory: &Path) -> io::Result<()> {
    let directory = match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    };
    if !directory.metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}

fn content(mut file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    // With room for all, so that no copy stays behind where it was moved from.
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    let mut content = Zeroizing::new(Vec::with_capacity(length + 1));
    file.read_to_end(&mut content)?;
    Ok(content)
}

fn found<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<(File, Option<ClosedToGroup>)> {
    let file = open_as_it_is(path, options)?;
    let closed = close(&file, path)?;
    Ok((file, closed))
}

fn open_as_it_is(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Not blocking: a pipe in its place would keep us here.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = options.custom_flags(flags.bits().cast_signed()).open(path);
    opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::LOOP.raw_os_error() => FileRefusal::Link.into(),
        _ => error,
    })
}

/// For a file named by the operator; it may be reached through a link.
pub fn check(file: &File, path: &Path) -> io::Result<()> {
    close(file, path)?.iter().for_each(ClosedToGroup::log);
    Ok(())
}

fn close(file: &File, path: &Path) -> io::Result<Option<ClosedToGroup>> {
    let mode = judge(file, path)?;
    if mode & 0o070 == 0 {
        return Ok(None);
    }
    file.set_permissions(Permissions::from_mode(mode & 0o700))?;
    Ok(Some(ClosedToGroup { path: path.to_owned(), mode }))
}

/// Refuses it or returns its mode, in which its group may still have access.
pub fn judge(file: &File, path: &Path) -> io::Result<u32> {
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(FileRefusal::NotAFile.into());
    }
    if data.nlink() > 1 {
        return Err(FileRefusal::SeveralNames(data.nlink()).into());
    }
    refuse_foreign(data.uid(), path)?;
    let mode = data.mode() & 0o777;
    if mode & 0o007 != 0 {
        let refused = FileRefusal::OpenToOthers { mode, right: ONLY_OWNER, path: path.to_owned() };
        return Err(refused.into());
    }
    Ok(mode)
}

/// Files of root are accepted: root could do anything in any case.
fn refuse_foreign(owner: u32, path: &Path) -> Result<(), FileRefusal> {
    let us = geteuid().as_raw();
    if owner == us || owner == 0 {
        Ok(())
    } else {
        Err(FileRefusal::ForeignOwner { owner, us, path: path.to_owned() })
    }
}

/// The directory keeps its mode, since it may hold other things: its files are closed one by one.
/// Write access is refused, because it allows to replace the files.
pub fn check_directory(directory: &File, path: &Path) -> io::Result<Result<(), FileRefusal>> {
    let data = directory.metadata()?;
    let mode = data.mode() & 0o777;
    if let Err(refused) = refuse_foreign(data.uid(), path) {
        return Ok(Err(refused));
    }
    if mode & 0o002 != 0 {
        return Ok(Err(FileRefusal::OpenToOthers { mode, right: 0o700, path: path.to_owned() }));
    }
    // In root's directory, the group's access comes from an orchestrator.
    if mode & 0o020 != 0 && data.uid() == geteuid().as_raw() {
        tracing::warn!(
            state.file = %path.display(),
            state.mode = format_args!("{mode:04o}"),
            "the group of the state directory can write to it; `chmod 700` closes it"
        );
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests;
