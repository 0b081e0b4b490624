//! Leftovers of interrupted writes.

use std::{fs, path::Path};

use super::{DEAD_LETTERS, DEV_KEY, HISTORY_KEYS, KEYS, REVOKED_TOKENS};

/// Call this with the directory claimed, so that none of the files is being written. They may hold
/// master keys, and a file with a predictable name may have been planted.
pub fn remove(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_str().is_some_and(is_leftover) {
            continue;
        }
        let path = entry.path();
        match fs::remove_file(&path) {
            Ok(()) => tracing::info!(
                state.file = %path.display(),
                "the leftover of an interrupted write was removed"
            ),
            Err(error) => tracing::warn!(
                state.file = %path.display(),
                %error,
                "the leftover of an interrupted write cannot be removed"
            ),
        }
    }
}

/// `NAME.RANDOM.tmp`, or `NAME.tmp` of earlier versions.
fn is_leftover(name: &str) -> bool {
    let Some(name) = name.strip_suffix(".tmp") else { return false };
    let is_random = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let whole = match name.rsplit_once('.') {
        Some((whole, random)) if is_random(random) => whole,
        _ => name,
    };
    [DEV_KEY, HISTORY_KEYS].contains(&whole)
        || [KEYS, REVOKED_TOKENS, DEAD_LETTERS].iter().any(|end| whole.ends_with(end))
}
