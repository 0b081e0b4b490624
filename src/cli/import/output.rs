//! Where the result goes.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{
    super::{CliResult, CommandError},
    toml::{RenderedConfig, SecretFile},
};

/// The beginning of the names of files beside `out`, whole: a server may run in another directory.
pub fn beside(out: &Path) -> CliResult<PathBuf> {
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let parent = parent.canonicalize().map_err(|e| {
        CommandError::failed(format_args!("cannot write into {}: {e}", parent.display()))
    })?;
    let stem = out.file_stem().ok_or_else(|| CommandError::usage("--out names no file"))?;
    Ok(parent.join(stem))
}

/// What was written, and what was left as it is.
#[derive(Default)]
pub struct WrittenFiles {
    pub files: Vec<PathBuf>,
    /// Files of generated secrets that were there.
    pub kept: Vec<PathBuf>,
}

/// All files or none: nothing is written if one of them is there. A generated secret that is there
/// stays in any case, since other nodes have the same.
pub fn write(out: &Path, rendered: &RenderedConfig, overwrite: bool) -> CliResult<WrittenFiles> {
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let (kept, new): (Vec<&SecretFile>, Vec<&SecretFile>) =
        rendered.files.iter().partition(|file| file.is_generated && is_there(&file.path));
    let mut files: Vec<(PathBuf, &str)> =
        new.into_iter().map(|file| (file.path.clone(), file.text.as_str())).collect();
    files.push((out.to_owned(), &rendered.text));
    if let Some((path, _)) = files.iter().find(|(path, _)| !overwrite && is_there(path)) {
        return Err(CommandError::failed(format_args!(
            "{} is there already, and nothing was written: choose another name, or add --overwrite to replace it",
            path.display()
        )));
    }
    for (path, text) in &files {
        replace(path, text.as_bytes()).map_err(|e| {
            CommandError::failed(format_args!("cannot write {}: {e}", path.display()))
        })?;
    }
    Ok(WrittenFiles {
        files: files.into_iter().rev().map(|(path, _)| path).collect(),
        kept: kept.into_iter().map(|file| file.path.clone()).collect(),
    })
}

/// The name gets the whole content at once.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let staged = PathBuf::from(name);
    let written = create(&staged, content).and_then(|()| fs::rename(&staged, path));
    if written.is_err() {
        let _ = fs::remove_file(&staged);
    }
    written
}

fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // Whatever the umask is.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()
}
