//! Detects changed files by polling: file events do not cover every kind of mount.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::file_stamp::FileStamp;

/// The stamps of the watched files; `None` for a missing file.
pub type Stamps = BTreeMap<PathBuf, Option<FileStamp>>;

pub struct Watch {
    /// File stamps at the last check.
    seen: Stamps,
    /// File stamps at the last reading. A refused file is reported once.
    read: Stamps,
    /// Checks since the last change.
    quiet: u32,
}

/// Checks without a change before a file is read: it may still be written.
const QUIET: u32 = 1;
/// Checks before a file that disappeared is taken as removed: it may be about to be replaced.
const MISSING: u32 = 5;

impl Watch {
    pub fn new(read: Stamps) -> Self {
        Self { seen: read.clone(), read, quiet: 0 }
    }

    /// Call this once a second. Returns true if the files are due to be read.
    pub fn look(&mut self) -> bool {
        let now = stamps(self.read.keys());
        self.quiet = if now == self.seen { self.quiet + 1 } else { 0 };
        self.seen = now;
        if self.seen == self.read {
            return false;
        }
        let lost = |(path, stamp): (&PathBuf, &Option<FileStamp>)| {
            stamp.is_none() && self.read.get(path).is_some_and(Option::is_some)
        };
        self.quiet >= if self.seen.iter().any(lost) { MISSING } else { QUIET }
    }

    /// Notes the stamps of the files just read.
    pub fn has_read(&mut self, files: Stamps) {
        self.read = files;
    }
}

pub fn stamps<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Stamps {
    let stamp = |path: P| (path.as_ref().to_owned(), FileStamp::of(path.as_ref()));
    files.into_iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    struct Bed {
        dir: PathBuf,
        watch: Watch,
    }

    impl Bed {
        fn new(name: &str) -> Self {
            let dir =
                std::env::temp_dir().join(format!("sealcast-watch-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("a"), "1").unwrap();
            let watch = Watch::new(stamps([dir.join("a"), dir.join("b")]));
            Self { dir, watch }
        }

        fn looks(&mut self, times: u32) -> Vec<bool> {
            (0..times).map(|_| self.watch.look()).collect()
        }

        fn read(&mut self) {
            let files = stamps(self.watch.read.keys());
            self.watch.has_read(files);
        }

        fn replace(&self, name: &str, text: &str) {
            let beside = self.dir.join("beside");
            fs::write(&beside, text).unwrap();
            fs::rename(&beside, self.dir.join(name)).unwrap();
        }
    }

    impl Drop for Bed {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }

    #[test]
    fn what_has_changed_is_read_when_it_is_quiet_and_once() {
        let mut bed = Bed::new("quiet");
        assert_eq!(bed.looks(3), [false; 3]);
        bed.replace("a", "22");
        assert_eq!(bed.looks(1), [false]);
        bed.replace("a", "333");
        assert_eq!(bed.looks(2), [false, true]);
        bed.read();
        assert_eq!(bed.looks(3), [false; 3]);
        // A file that appears is a change, too.
        bed.replace("b", "1");
        assert_eq!(bed.looks(2), [false, true]);
    }

    #[test]
    fn one_that_is_missing_for_a_moment_is_not_missed() {
        let mut bed = Bed::new("missing");
        let file = bed.dir.join("a");
        fs::remove_file(&file).unwrap();
        assert_eq!(bed.looks(4), [false; 4]);
        bed.replace("a", "1");
        assert_eq!(bed.looks(2), [false, true]);
        bed.read();
        fs::remove_file(&file).unwrap();
        assert_eq!(bed.looks(6), [false, false, false, false, false, true]);
        bed.read();
        assert_eq!(bed.looks(9), [false; 9]);
    }

    #[test]
    fn a_link_that_points_elsewhere_is_another_file() {
        let mut bed = Bed::new("link");
        let (link, dir) = (bed.dir.join("b"), bed.dir.clone());
        let point = |to: &str| {
            let beside = dir.join("link");
            std::os::unix::fs::symlink(Path::new(to), &beside).unwrap();
            fs::rename(&beside, &link).unwrap();
        };
        fs::write(bed.dir.join("v1"), "same").unwrap();
        fs::write(bed.dir.join("v2"), "same").unwrap();
        point("v1");
        bed.read();
        point("v2");
        assert_eq!(bed.looks(2), [false, true]);
    }

    #[test]
    fn files_that_are_named_anew_are_watched_and_others_no_longer() {
        let mut bed = Bed::new("anew");
        bed.watch.has_read(stamps([bed.dir.join("b"), bed.dir.join("c")]));
        assert_eq!(bed.looks(2), [false; 2]);
        bed.replace("a", "22");
        assert_eq!(bed.looks(2), [false; 2]);
        bed.replace("c", "1");
        assert_eq!(bed.looks(2), [false, true]);
    }
}
