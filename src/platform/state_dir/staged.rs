//! Files written completely or not at all: beside the old file, then in its place.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::platform::system;

/// A file written beside its target. Removed if it is not published.
#[must_use]
pub struct Staged {
    beside: PathBuf,
    path: PathBuf,
}

/// Replaces the file by a new one of mode 0600.
pub fn write_whole(path: &Path, text: &[u8]) -> io::Result<()> {
    stage(path, text)?.publish()
}

/// Leaves a file that is there as it is.
pub fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let (mut file, staged) = Staged::begin(path)?;
    file.write_all(text)?;
    staged.publish_first().map(drop)
}

pub fn stage(path: &Path, text: &[u8]) -> io::Result<Staged> {
    let (mut file, staged) = Staged::begin(path)?;
    file.write_all(text)?;
    file.sync_all()?;
    Ok(staged)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

impl Staged {
    /// Creates an empty file of mode 0600 under a random name, so that neither a leftover that is
    /// open to others nor a planted link is written to. The caller syncs it. Does not make the
    /// directory: one that is gone was removed together with its lock.
    pub fn begin(path: &Path) -> io::Result<(File, Self)> {
        let random = getrandom::u64().map_err(io::Error::other)?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut beside = name.to_owned();
        beside.push(format!(".{random:016x}.tmp"));
        let beside = path.with_file_name(beside);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        let staged = Self { beside, path: path.to_owned() };
        // The umask may have taken bits away.
        file.set_permissions(Permissions::from_mode(0o600))?;
        Ok((file, staged))
    }

    /// Replaces a link itself, and not its target.
    pub fn publish(self) -> io::Result<()> {
        std::fs::rename(&self.beside, &self.path)?;
        self.sync_directory()
    }

    /// `false` if the file exists already; it stays then.
    pub fn publish_first(self) -> io::Result<bool> {
        match system::rename_noreplace(&self.beside, &self.path) {
            Ok(()) => self.sync_directory().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(directory_of(&self.path))?.sync_all()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // A published file is not there any more.
        let _ = std::fs::remove_file(&self.beside);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::make, *};
    use std::{fs, os::unix::fs::symlink};

    fn directory(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("sealcast-staged-{name}-{}", std::process::id()))
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn f6_planted_files_are_not_written_to() {
        let dir = directory("waits");
        make(&dir).unwrap();
        let (path, victim, old) = (dir.join("a.keys.json"), dir.join("victim"), dir.join("old"));
        for file in [&victim, &old] {
            fs::write(file, "theirs").unwrap();
        }
        // The name of earlier versions.
        symlink(&victim, dir.join("a.keys.json.tmp")).unwrap();
        symlink(&old, &path).unwrap();
        write_whole(&path, b"ours").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"ours".to_vec(), 0o600));
        for file in [&victim, &old] {
            assert_eq!(fs::read(file).unwrap(), b"theirs");
        }
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn f6_unpublished_files_are_removed() {
        let dir = directory("nothing");
        make(&dir).unwrap();
        let path = dir.join("a.keys.json");
        drop(stage(&path, b"one").unwrap());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        assert!(stage(&path, b"one").unwrap().publish_first().unwrap());
        assert!(!stage(&path, b"two").unwrap().publish_first().unwrap());
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"one".to_vec(), 0o600));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        fs::remove_dir_all(&dir).unwrap();
    }
}
