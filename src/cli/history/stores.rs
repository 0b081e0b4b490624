//! The stores of logs, opened at the start of the server.

use std::path::Path;

use crate::{
    app::App,
    cli::ServerResult,
    config::HistoryConfig,
    engine::history::HistoryStores,
    history::{
        at_rest::AtRestKeys,
        disk::DiskHistory,
        journal::{Journal, JournalContents, JournalLog},
    },
    hub::log_numbers::LogNumbers,
    platform::{clock::unix_now, state_dir},
};

/// The state directory, if this server has claimed it.
pub type ClaimedDirectory<'a> = Option<&'a Path>;

/// True if a channel of these apps has a log on disk.
pub fn needs_disk(apps: &[App]) -> bool {
    apps.iter().any(|app| app.channel_settings.has_disk_store())
}

/// Without a log on disk nothing is opened, unless there is a file of an earlier run: its positions
/// must not outlive a time in which events went unlogged. The logs are those of earlier runs.
pub fn open(
    apps: &[App],
    config: HistoryConfig,
    directory: ClaimedDirectory<'_>,
    numbers: &LogNumbers,
) -> ServerResult<(HistoryStores, Vec<JournalLog>)> {
    let has_file = directory.is_some_and(|directory| directory.join(state_dir::HISTORY).exists());
    if !needs_disk(apps) && !has_file {
        return Ok((HistoryStores::in_memory(), Vec::new()));
    }
    let directory = directory.ok_or(
        "a channel has a history with store = \"disk\", and the state directory cannot be used: name one that this server may write (state_dir), or use store = \"memory\"",
    )?;
    let opened = DiskHistory::open(directory, config.key, unix_now())?;
    let DiskHistory { keys, journal, contents } = opened;
    let at_rest = AtRestKeys::new(keys.newest(), keys.newest_first().skip(1));
    let JournalContents { epochs, floor, logs, .. } = contents;
    numbers.raise(floor);
    Ok((HistoryStores::with_journal(Journal::Disk(journal), epochs, at_rest), logs))
}
