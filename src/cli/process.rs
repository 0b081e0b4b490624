//! Hardens the process of `serve` before it reads a secret (Linux): no core dumps, no access for
//! debuggers, and no settings in `/proc/PID/environ`.
//!
//! The kernel put the environment into the memory of the process, and no safe function clears it;
//! it goes with the program. So the process executes its program again, in place, without these
//! variables, and passes them on standard input: an anonymous file, emptied once it is read. The
//! process id stays the same, so a supervisor notices nothing.

use std::{
    convert::Infallible,
    ffi::{CString, OsStr},
    fs::File,
    io::{self, Read, Seek, Write},
    os::{fd::AsFd, unix::ffi::OsStringExt},
};

use nix::unistd::execve;

use rustix::{
    fs::{MemfdFlags, memfd_create},
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit},
    stdio::dup2_stdin,
};
use zeroize::Zeroizing;

use super::{ServerResult, signals::Signals};
use crate::config::{Environment, Flags, Source};

/// Keeps the keys from core dumps and from debuggers of the same user. `exec` undoes half of it, so
/// each program does this first.
pub fn forbid_dumps() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// The variables of this process. Does not return if there are settings among them: the program
/// executed instead comes here again.
pub fn environment(flags: &Flags, signals: &mut Signals) -> ServerResult<Environment> {
    let mut environment = Environment::of_process();
    if is_handed_over(&environment) {
        take_over(&mut environment)
            .map_err(|e| format!("cannot read the settings that were handed over: {e}"))?;
        return Ok(environment);
    }
    let source = Source::new(flags, environment);
    // A configuration that cannot be read ends the start a little later, with all its faults.
    let Ok(secret) = source.variables() else { return Ok(source.into_environment()) };
    if !secret.is_empty() {
        let Err(error) = hand_over(&secret, source.environment(), signals);
        return Err(format!(
            "cannot start again without the secrets in the environment: {error}. Put them into files (SEALCAST_APP_SECRET_FILE, SEALCAST_MASTER_KEY_FILE) or into the configuration"
        )
        .into());
    }
    Ok(source.into_environment())
}

/// An inherited variable names another process.
fn is_handed_over(environment: &Environment) -> bool {
    environment.get(Environment::HANDED_OVER) == Some(&std::process::id().to_string())
}

fn hand_over(
    names: &[String],
    environment: &Environment,
    signals: &mut Signals,
) -> io::Result<Infallible> {
    let mut file = File::from(memfd_create("settings", MemfdFlags::CLOEXEC)?);
    for name in names {
        let value = environment.get(name).unwrap_or_default();
        // Neither name nor value can contain the terminating byte.
        for part in [name.as_bytes(), b"=", value.as_bytes(), b"\0"] {
            file.write_all(part)?;
        }
    }
    file.rewind()?;
    dup2_stdin(&file)?;
    start_again(names, signals)
}

/// Not with `std::process::Command`, which unblocks signals: a signal in between would meet a
/// program without handlers.
fn start_again(names: &[String], signals: &mut Signals) -> io::Result<Infallible> {
    let program = CString::new(std::env::current_exe()?.into_os_string().into_vec())?;
    let arguments = std::env::args_os()
        .map(|argument| Ok(CString::new(argument.into_vec())?))
        .collect::<io::Result<Vec<_>>>()?;
    let marked = format!("{}={}", Environment::HANDED_OVER, std::process::id());
    let is_left = |name: &OsStr| {
        name != Environment::HANDED_OVER && !names.iter().any(|handed| name == handed.as_str())
    };
    let mut variables = std::env::vars_os()
        .filter(|(name, _)| is_left(name))
        .map(|(name, value)| {
            let variable = [name.into_vec(), value.into_vec()].join(&b'=');
            Ok(CString::new(variable)?)
        })
        .collect::<io::Result<Vec<_>>>()?;
    variables.push(CString::new(marked)?);
    signals.suspend();
    Ok(execve(&program, &arguments, &variables)?)
}

/// Reads the variables handed over, and leaves standard input empty.
fn take_over(environment: &mut Environment) -> io::Result<()> {
    // Not through `io::stdin`: its buffer would keep a copy.
    let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    // Allocated at full size, so that no copy is left behind by a reallocation.
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.read_exact(&mut bytes)?;
    file.set_len(0)?;
    for variable in bytes.split(|byte| *byte == 0) {
        if let Some((name, value)) =
            std::str::from_utf8(variable).ok().and_then(|v| v.split_once('='))
        {
            environment.insert(name.to_owned(), Zeroizing::new(value.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_dumps_are_forbidden() {
        forbid_dumps().unwrap();
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let core = rustix::process::getrlimit(Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
    }

    #[test]
    fn inherited_handover_marks_are_ignored() {
        let marked = |text: &str| {
            let variable = (Environment::HANDED_OVER.to_owned(), text.to_owned());
            is_handed_over(&[variable].into_iter().collect())
        };
        assert!(marked(&std::process::id().to_string()));
        assert!(!marked("1") && !marked("") && !is_handed_over(&Environment::default()));
    }
}
