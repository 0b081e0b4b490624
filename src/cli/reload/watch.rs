//! Detects changed files by polling: file events do not cover every kind of mount.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::platform::file_stamp::FileStamp;

/// The stamps of the watched files; `None` for a missing file.
pub type FileStamps = BTreeMap<PathBuf, Option<FileStamp>>;

pub struct ConfigWatcher {
    /// File stamps at the last check.
    seen: FileStamps,
    /// File stamps at the last reading. A refused file is reported once.
    read: FileStamps,
    /// Checks since the last change.
    quiet: u32,
}

/// Checks without a change before a file is read: it may still be written.
const MIN_QUIET_CHECKS: u32 = 1;
/// Checks before a file that disappeared is taken as removed: it may be about to be replaced.
const MIN_MISSING_CHECKS: u32 = 5;

impl ConfigWatcher {
    pub fn new(read: FileStamps) -> Self {
        Self { seen: read.clone(), read, quiet: 0 }
    }

    /// Call this once a second. Returns true if the files are due to be read.
    pub fn check(&mut self) -> bool {
        let now = stamps(self.read.keys());
        self.quiet = if now == self.seen { self.quiet + 1 } else { 0 };
        self.seen = now;
        if self.seen == self.read {
            return false;
        }
        let lost = |(path, stamp): (&PathBuf, &Option<FileStamp>)| {
            stamp.is_none() && self.read.get(path).is_some_and(Option::is_some)
        };
        self.quiet >= if self.seen.iter().any(lost) { MIN_MISSING_CHECKS } else { MIN_QUIET_CHECKS }
    }

    /// Notes the stamps of the files just read.
    pub fn note_read(&mut self, files: FileStamps) {
        self.read = files;
    }
}

pub fn stamps<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> FileStamps {
    let stamp = |path: P| (path.as_ref().to_owned(), FileStamp::of(path.as_ref()));
    files.into_iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    struct WatchedDir {
        dir: PathBuf,
        watch: ConfigWatcher,
    }

    impl WatchedDir {
        fn new(name: &str) -> Self {
            let dir =
                std::env::temp_dir().join(format!("sealcast-watch-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("a"), "1").unwrap();
            let watch = ConfigWatcher::new(stamps([dir.join("a"), dir.join("b")]));
            Self { dir, watch }
        }

        fn looks(&mut self, times: u32) -> Vec<bool> {
            (0..times).map(|_| self.watch.check()).collect()
        }

        fn read(&mut self) {
            let files = stamps(self.watch.read.keys());
            self.watch.note_read(files);
        }

        fn replace(&self, name: &str, text: &str) {
            let beside = self.dir.join("beside");
            fs::write(&beside, text).unwrap();
            fs::rename(&beside, self.dir.join(name)).unwrap();
        }
    }

    impl Drop for WatchedDir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }

    #[test]
    fn a_changed_file_is_read_once_after_it_settles() {
        let mut watched = WatchedDir::new("quiet");
        assert_eq!(watched.looks(3), [false; 3]);
        watched.replace("a", "22");
        assert_eq!(watched.looks(1), [false]);
        watched.replace("a", "333");
        assert_eq!(watched.looks(2), [false, true]);
        watched.read();
        assert_eq!(watched.looks(3), [false; 3]);
        // A file that appears is a change, too.
        watched.replace("b", "1");
        assert_eq!(watched.looks(2), [false, true]);
    }

    #[test]
    fn a_file_missing_for_a_moment_is_no_change() {
        let mut watched = WatchedDir::new("missing");
        let file = watched.dir.join("a");
        fs::remove_file(&file).unwrap();
        assert_eq!(watched.looks(4), [false; 4]);
        watched.replace("a", "1");
        assert_eq!(watched.looks(2), [false, true]);
        watched.read();
        fs::remove_file(&file).unwrap();
        assert_eq!(watched.looks(6), [false, false, false, false, false, true]);
        watched.read();
        assert_eq!(watched.looks(9), [false; 9]);
    }

    #[test]
    fn a_replaced_link_is_a_change() {
        let mut watched = WatchedDir::new("link");
        let (link, dir) = (watched.dir.join("b"), watched.dir.clone());
        let point = |to: &str| {
            let beside = dir.join("link");
            std::os::unix::fs::symlink(Path::new(to), &beside).unwrap();
            fs::rename(&beside, &link).unwrap();
        };
        fs::write(watched.dir.join("v1"), "same").unwrap();
        fs::write(watched.dir.join("v2"), "same").unwrap();
        point("v1");
        watched.read();
        point("v2");
        assert_eq!(watched.looks(2), [false, true]);
    }

    #[test]
    fn the_set_of_watched_files_follows_the_configuration() {
        let mut watched = WatchedDir::new("anew");
        watched.watch.note_read(stamps([watched.dir.join("b"), watched.dir.join("c")]));
        assert_eq!(watched.looks(2), [false; 2]);
        watched.replace("a", "22");
        assert_eq!(watched.looks(2), [false; 2]);
        watched.replace("c", "1");
        assert_eq!(watched.looks(2), [false, true]);
    }
}
