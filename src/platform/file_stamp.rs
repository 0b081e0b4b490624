//! Detects changed content of a file without reading it.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileStamp {
    size: u64,
    modified: (i64, i64),
    /// Device and inode: another file of the same age and size may have been moved here.
    file: (u64, u64),
}

impl FileStamp {
    /// `None` for a missing file. Follows symbolic links, since mounted secrets are replaced by
    /// changing a link.
    pub fn of(path: &Path) -> Option<Self> {
        let data = fs::metadata(path).ok()?;
        Some(Self {
            size: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            file: (data.dev(), data.ino()),
        })
    }
}
