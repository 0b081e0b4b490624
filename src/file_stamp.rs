//! By what another content of a file is told without reading it.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileStamp {
    size: u64,
    modified: (i64, i64),
    /// Another file may have been moved here that is as old and as long.
    file: (u64, u64),
}

impl FileStamp {
    /// `None` if there is none. Follows symbolic links, since mounted secrets are replaced by
    /// pointing those elsewhere.
    pub fn of(path: &Path) -> Option<Self> {
        let data = fs::metadata(path).ok()?;
        Some(Self {
            size: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            file: (data.dev(), data.ino()),
        })
    }
}
