//! Why a history file is not used, and what to do.

use std::{fmt, io, path::PathBuf};

use super::{file::FileError, meta::MetaError, sealing::Unopened};
use crate::platform::state_dir::FileRefusal;

#[derive(Debug)]
pub struct HistoryFileError {
    pub(super) path: PathBuf,
    pub(super) fault: FileFault,
}

#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    #[error(transparent)]
    Meta(#[from] MetaError),
    #[error("it is damaged")]
    Unreadable,
    #[error("its thread cannot be started: {0}")]
    Thread(io::Error),
}

impl From<FileError> for FileFault {
    fn from(error: FileError) -> Self {
        Self::Meta(error.into())
    }
}

impl From<getrandom::Error> for FileFault {
    fn from(error: getrandom::Error) -> Self {
        Self::Meta(error.into())
    }
}

impl FileFault {
    fn fix(&self) -> Fix {
        match self {
            Self::Meta(MetaError::File(error)) => match error {
                FileError::InUse => Fix::OwnDirectory,
                FileError::Foreign => Fix::MoveAway,
                FileError::Version(_) => Fix::OtherVersion,
                FileError::Damaged(_) => Fix::Restore,
                FileError::Io(error) => fix_of(error),
            },
            Self::Meta(MetaError::Unopened(Unopened::MissingKey(_))) => Fix::Key,
            Self::Meta(MetaError::Unopened(Unopened::Altered)) | Self::Unreadable => Fix::Restore,
            Self::Meta(MetaError::Random(_)) | Self::Thread(_) => Fix::System,
        }
    }
}

fn fix_of(error: &io::Error) -> Fix {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Fix::Room
        }
        // A file cut short inside a page.
        io::ErrorKind::UnexpectedEof => Fix::Restore,
        // It has its own way out.
        _ if error.get_ref().is_some_and(|inner| inner.is::<FileRefusal>()) => Fix::Said,
        _ => Fix::Access,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fix {
    OwnDirectory,
    MoveAway,
    OtherVersion,
    Restore,
    Key,
    Room,
    Access,
    Said,
    System,
}

impl fmt::Display for HistoryFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, fault } = self;
        let path = path.display();
        write!(f, "the history file {path} cannot be used: {fault}")?;
        let begin = format_args!("to begin a new history, `mv {path} {path}.old`");
        match fault.fix() {
            Fix::OwnDirectory => write!(f, ". Give each server a state directory of its own"),
            Fix::MoveAway => write!(f, ". Look what it is; {begin}"),
            Fix::OtherVersion => write!(f, ". Run the version that wrote it; {begin}"),
            Fix::Restore => write!(f, ". Restore it from a backup; {begin}"),
            Fix::Key => write!(
                f,
                ". Configure that key (history.key), or restore history-keys.json from a backup; {begin}"
            ),
            Fix::Room => write!(f, ". Make room on the disk"),
            Fix::Access => write!(f, ". Let the server's user read and write it and its directory"),
            Fix::Said => Ok(()),
            Fix::System => write!(f, ". This is no fault of the file"),
        }
    }
}

impl std::error::Error for HistoryFileError {}
