//! Entry point of the fuzz target `position`.

use super::*;

/// A text is read only if it is exactly what is written, whether it comes from outside or would
/// have been sealed here.
pub fn position(bytes: &[u8]) {
    let key = PositionKey::derive(b"a secret of the backend", "app");
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(position) = key.decode(text)
    {
        assert_eq!(key.seal(position.to_bytes()), text, "another text of one position");
    }
    let text = key.seal(bytes.to_vec());
    let Some(position) = key.decode(&text) else { return };
    assert_eq!(position.to_bytes(), bytes, "another plaintext of one position");
    assert!(position.entries.len() <= MAX_CHANNELS && text.len() <= MAX_TEXT);
    let epoch = Epoch::from_bytes([1; 5]);
    let epochs = Epochs { memory: epoch, disk_behind: epoch, disk_before: epoch, redis: epoch };
    match position.of(&key, "a", HistoryStore::Memory, &epochs) {
        PositionLookup::Named(number) => assert!(number.0 <= position.newest()),
        PositionLookup::Restarted | PositionLookup::Ambiguous | PositionLookup::NotNamed => {}
    }
}
