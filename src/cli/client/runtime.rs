//! One runtime on the command's own thread.

use std::{cell::RefCell, future::Future};

use tokio::{runtime::Builder, signal::ctrl_c};

use crate::cli::exit::{CliResult, CommandError};

/// Work that goes on in the server if the command is interrupted, as a sentence.
#[derive(Default)]
pub struct OngoingWork(RefCell<Option<String>>);

impl OngoingWork {
    pub fn begin(&self, sentence: impl Into<String>) {
        *self.0.borrow_mut() = Some(sentence.into());
    }

    pub fn end(&self) {
        *self.0.borrow_mut() = None;
    }
}

/// Runs a command to its end, or until it is interrupted.
pub fn block_on<T>(command: impl Future<Output = CliResult<T>>) -> CliResult<T> {
    block_on_naming(&OngoingWork::default(), command)
}

/// The same for a command that begins work which does not end with it.
pub fn block_on_naming<T>(
    ongoing: &OngoingWork,
    command: impl Future<Output = CliResult<T>>,
) -> CliResult<T> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        tokio::select! {
            biased;
            result = command => result,
            interrupted = ctrl_c() => {
                interrupted?;
                Err(CommandError::Interrupted(ongoing.0.borrow().clone()))
            }
        }
    });
    // Does not wait for a resolver that does not answer.
    runtime.shutdown_background();
    result
}
