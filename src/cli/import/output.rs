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

/// Refuses what names no file, before anything is read.
pub fn check_name(out: Option<&Path>) -> CliResult<()> {
    match out {
        Some(out) if out.as_os_str() == "-" || out.file_name().is_none() => {
            Err(CommandError::usage(
                "--out needs the name of a file: without --out the configuration goes to standard output",
            ))
        }
        Some(out) if out.to_str().is_none() => Err(CommandError::usage(
            "--out needs a name in UTF-8, since the configuration names the files beside it",
        )),
        _ => Ok(()),
    }
}

/// The beginning of the names of files beside `out`, whole: a server may run in another directory.
pub fn beside(out: &Path) -> CliResult<PathBuf> {
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let parent = parent.canonicalize().map_err(|e| {
        CommandError::failed(format_args!("cannot write into {}: {e}", parent.display()))
    })?;
    if parent.to_str().is_none() {
        return Err(CommandError::failed(format_args!(
            "the path of the directory {} is not UTF-8, and the configuration names the files in it: choose another directory",
            parent.display()
        )));
    }
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
    replace_all(&files)?;
    Ok(WrittenFiles {
        files: files.into_iter().rev().map(|(path, _)| path).collect(),
        kept: kept.into_iter().map(|file| file.path.clone()).collect(),
    })
}

/// Puts all files beside their names first, so that a full disk changes nothing.
fn replace_all(files: &[(PathBuf, &str)]) -> CliResult<()> {
    let failed = |path: &Path, e: io::Error| {
        CommandError::failed(format_args!(
            "cannot write {}, and nothing was written: {e}",
            path.display()
        ))
    };
    let mut replacement = Replacement::default();
    for (path, text) in files {
        replacement.stage(path, text.as_bytes()).map_err(|e| failed(path, e))?;
    }
    for (path, _) in files {
        replacement.publish(path).map_err(|e| failed(path, e))?;
    }
    replacement.keep();
    Ok(())
}

/// Files on their way to their names. Dropped before `keep`, everything is as it was.
#[derive(Default)]
struct Replacement {
    staged: Vec<PathBuf>,
    published: Vec<PathBuf>,
    /// Names that had a file, which has this suffix now.
    saved: Vec<PathBuf>,
}

const STAGED: &str = "new";
const SAVED: &str = "old";

impl Replacement {
    fn stage(&mut self, path: &Path, content: &[u8]) -> io::Result<()> {
        let staged = with_suffix(path, STAGED);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
        self.staged.push(staged);
        // Whatever the umask is.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(content)?;
        file.sync_all()
    }

    /// The name gets the whole content at once.
    fn publish(&mut self, path: &Path) -> io::Result<()> {
        match path.symlink_metadata() {
            Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(_) => {
                fs::hard_link(path, with_suffix(path, SAVED))?;
                self.saved.push(path.to_owned());
            }
            Err(_) => {}
        }
        fs::rename(with_suffix(path, STAGED), path)?;
        self.published.push(path.to_owned());
        Ok(())
    }

    fn keep(mut self) {
        for path in self.saved.drain(..) {
            let _ = fs::remove_file(with_suffix(&path, SAVED));
        }
        self.published.clear();
        self.staged.clear();
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        for path in self.published.iter().filter(|path| !self.saved.contains(path)) {
            let _ = fs::remove_file(path);
        }
        for path in &self.saved {
            let saved = with_suffix(path, SAVED);
            // A rename of one file to another name of it does nothing.
            let _ = fs::rename(&saved, path);
            let _ = fs::remove_file(&saved);
        }
        for staged in &self.staged {
            let _ = fs::remove_file(staged);
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.{suffix}", std::process::id()));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn content(dir: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| path.is_file() || path.is_symlink());
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut all: Vec<_> = files
            .map(|path| (name(&path), fs::read_to_string(&path).unwrap_or_default()))
            .collect();
        all.sort();
        all
    }

    /// A directory has the name of the last file, which is found when the others are in place.
    #[test]
    fn failure_after_the_first_name_restores_all() {
        let dir = std::env::temp_dir().join(format!("sealcast-import-{}", std::process::id()));
        fs::create_dir_all(dir.join("c")).unwrap();
        fs::write(dir.join("b"), "before").unwrap();
        symlink("nowhere", dir.join("l")).unwrap();
        let before = content(&dir);
        let files = ["a", "b", "l", "c"].map(|name| (dir.join(name), "after"));
        let error = replace_all(&files).map_err(|e| e.to_string()).unwrap_err();
        assert!(error.contains("/c, and nothing was written: "), "{error}");
        assert_eq!(content(&dir), before);
        assert!(dir.join("l").is_symlink());
        replace_all(&files[..3]).map_err(|e| e.to_string()).unwrap();
        let after = ["a", "b", "l"].map(|name| (name.to_owned(), "after".to_owned()));
        assert_eq!(content(&dir), after);
        assert!(!dir.join("l").is_symlink());
        fs::remove_dir_all(&dir).unwrap();
    }
}
