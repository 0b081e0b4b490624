//! What the file says of itself.

use super::{
    file::{FileChanges, FileError, HistoryRead},
    sealing::{FileKeys, NameKey, Unopened},
};
use crate::{channels::log::LogNumber, history::position::Epoch};

pub const FORMAT: &str = "format";
/// The key for names, sealed.
pub const NAMES: &str = "names";
/// Epochs of the stores behind and before.
pub const EPOCHS: &str = "epochs";
/// There while no server has the file, if the last one wrote all that it had acknowledged.
pub const CLEAN: &str = "clean";
pub const FLOOR: &str = "floor";
pub const INODE: &str = "inode";

const CURRENT: u32 = 1;

/// The two epochs of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiskEpochs {
    pub behind: Epoch,
    pub before: Epoch,
}

/// The state of a file at its opening.
pub struct Meta {
    pub names: NameKey,
    pub epochs: DiskEpochs,
    pub floor: LogNumber,
}

#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Unopened(Unopened),
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl Meta {
    /// Reads it or makes it, and notes all that the life of this server changes.
    pub fn begin(
        read: &HistoryRead,
        inode: u64,
        keys: &FileKeys,
        changes: &mut FileChanges,
    ) -> Result<Self, MetaError> {
        match read.meta(FORMAT)? {
            None => changes.meta.push((FORMAT, Some(CURRENT.to_be_bytes().to_vec()))),
            Some(format) if format == CURRENT.to_be_bytes() => {}
            Some(other) => {
                let number = other.try_into().map(u32::from_be_bytes).unwrap_or(u32::MAX);
                return Err(FileError::Version(number.to_string()).into());
            }
        }
        let names = names(read.meta(NAMES)?, keys, changes)?;
        let epochs = epochs(read, inode)?;
        let floor = read.meta(FLOOR)?.and_then(|bytes| bytes.try_into().ok());
        let floor = LogNumber(floor.map_or(0, u64::from_be_bytes));
        let text = [epochs.behind.to_bytes(), epochs.before.to_bytes()].concat();
        changes.meta.push((EPOCHS, Some(text)));
        changes.meta.push((INODE, Some(inode.to_be_bytes().to_vec())));
        // On disk before the first event is acknowledged.
        changes.meta.push((CLEAN, None));
        Ok(Self { names, epochs, floor })
    }
}

/// Sealed again if the history key has changed, so that the old one can go with its records.
fn names(
    sealed: Option<Vec<u8>>,
    keys: &FileKeys,
    changes: &mut FileChanges,
) -> Result<NameKey, MetaError> {
    let secret = match &sealed {
        Some(sealed) => keys.open(NAMES.as_bytes(), sealed).map_err(MetaError::Unopened)?.to_vec(),
        None => {
            let mut fresh = vec![0; 32];
            getrandom::fill(&mut fresh)?;
            fresh
        }
    };
    let names = NameKey::new(&secret);
    if sealed.is_none_or(|sealed| !keys.is_newest(&sealed)) {
        changes.meta.push((NAMES, Some(keys.seal(NAMES.as_bytes(), secret)?)));
    }
    Ok(names)
}

/// A file under another inode is a copy. It may be older than what was acknowledged since, and no
/// number in it tells.
fn epochs(read: &HistoryRead, inode: u64) -> Result<DiskEpochs, MetaError> {
    let is_copy = read.meta(INODE)?.is_none_or(|known| known != inode.to_be_bytes());
    let known = read.meta(EPOCHS)?.filter(|_| !is_copy).and_then(|bytes| parse(&bytes));
    let is_clean = read.meta(CLEAN)?.is_some();
    Ok(match known {
        Some(epochs) if is_clean => epochs,
        Some(epochs) => DiskEpochs { behind: Epoch::random()?, ..epochs },
        None => DiskEpochs { behind: Epoch::random()?, before: Epoch::random()? },
    })
}

fn parse(bytes: &[u8]) -> Option<DiskEpochs> {
    let (behind, before) = bytes.split_first_chunk::<5>()?;
    let before = before.try_into().ok()?;
    Some(DiskEpochs { behind: Epoch::from_bytes(*behind), before: Epoch::from_bytes(before) })
}
