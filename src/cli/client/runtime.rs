//! One runtime on the command's own thread.

use std::future::Future;

use tokio::{runtime::Builder, signal::ctrl_c};

use crate::cli::exit::{CliResult, CommandError};

/// Runs a command to its end, or until it is interrupted.
pub fn block_on<T>(command: impl Future<Output = CliResult<T>>) -> CliResult<T> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(unless_interrupted(None, command));
    // Does not wait for a resolver that does not answer.
    runtime.shutdown_background();
    result
}

/// A part of a command whose work in the server does not end with it. An interruption names that work
/// with the sentence.
pub async fn naming<T>(
    sentence: impl Into<String>,
    work: impl Future<Output = CliResult<T>>,
) -> CliResult<T> {
    unless_interrupted(Some(sentence.into()), work).await
}

/// The work comes first: what it names is more than what the command around it can tell.
async fn unless_interrupted<T>(
    sentence: Option<String>,
    work: impl Future<Output = CliResult<T>>,
) -> CliResult<T> {
    tokio::select! {
        biased;
        result = work => result,
        interrupted = ctrl_c() => {
            interrupted?;
            Err(CommandError::Interrupted(sentence))
        }
    }
}
