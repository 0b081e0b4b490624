//! Entry point of the fuzz target `cluster_content`.

use super::*;

/// Content is read only if it is exactly what is written.
pub fn content(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let written = match kind % 11 {
        0 => EventContent::parse(bytes).map(|content| content.to_bytes()),
        1 => MemberRecord::parse(bytes).map(|content| content.to_bytes()),
        2 => ChannelNameContent::parse(bytes).map(|content| content.to_bytes()),
        3 => BeatContent::parse(bytes).map(|content| content.to_bytes()),
        4 => IdentityContent::parse(bytes).map(|content| content.to_bytes()),
        5 => FactContent::parse(bytes).map(|content| content.to_bytes()),
        6 => NoteContent::parse(bytes).map(|content| content.to_bytes()),
        7 => RequestContent::parse(bytes).map(|content| content.to_bytes()),
        8 => ReplyContent::parse(bytes).map(|content| content.to_bytes()),
        9 => TableContent::parse(bytes).map(|content| content.to_bytes()),
        _ => RevocationContent::parse(bytes).map(|content| content.to_bytes()),
    };
    match written {
        Ok(written) => assert_eq!(written, bytes, "another encoding of one content"),
        Err(rejection) => assert_eq!(rejection, ClusterRejection::Malformed),
    }
}
