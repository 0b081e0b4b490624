//! `sealcast init`: a configuration for a new project, with its secrets in files of their own.

mod template;

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    CliResult, CommandError, output::OutputArgs, print_error, snippet::shell, terminal::harmless,
};
use crate::{
    crypto::{encoding::hex, key::MasterKey},
    domain::ids::is_app_id,
};
use template::Project;

#[derive(clap::Args)]
pub struct InitArgs {
    /// Directory for the files; it is made if it does not exist
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// App id; every SDK takes digits
    #[arg(long, value_name = "ID", default_value = "1001", value_parser = app_id)]
    app_id: String,
    #[command(flatten)]
    output: OutputArgs,
}

const CONFIG: &str = "sealcast.toml";
const SECRETS: &str = "secrets";

/// A file to be written.
struct NewFile {
    path: PathBuf,
    text: Zeroizing<String>,
}

#[derive(Serialize)]
struct Created<'a> {
    app: CreatedApp<'a>,
    files: Vec<&'a Path>,
}

#[derive(Serialize)]
struct CreatedApp<'a> {
    id: &'a str,
    key: &'a str,
}

fn app_id(text: &str) -> Result<String, &'static str> {
    match is_app_id(text) {
        true => Ok(text.to_owned()),
        false => Err("an app id has letters, digits and - _ . only"),
    }
}

pub fn run(command: &InitArgs) -> CliResult<()> {
    if !command.app_id.bytes().all(|byte| byte.is_ascii_digit()) {
        print_error("warning: the official SDK for Python takes ids of digits only");
    }
    let key = random_hex::<10>()?;
    let files = command.files(&key)?;
    // Nothing is written if one of them exists.
    if let Some(file) = files.iter().find(|file| file.path.symlink_metadata().is_ok()) {
        return Err(CommandError::failed(format_args!(
            "{} exists already, and init overwrites nothing: name another directory with --dir, or move it away",
            file.path.display()
        )));
    }
    make_directory(&command.dir.join(SECRETS), 0o700)?;
    files.iter().try_for_each(NewFile::write)?;
    let created = Created {
        app: CreatedApp { id: &command.app_id, key: &key },
        files: files.iter().map(|file| &*file.path).collect(),
    };
    command.output.show(&created, |created| command.text(created))
}

impl InitArgs {
    fn files(&self, key: &str) -> CliResult<Vec<NewFile>> {
        make_directory(&self.dir, 0o755)?;
        // Absolute, so that the server finds them from wherever it is started.
        let place = self.dir.canonicalize().map_err(|error| cannot("use", &self.dir, &error))?;
        let secrets = place.join(SECRETS);
        let secret = |name: &str, text: Zeroizing<String>| NewFile {
            path: secrets.join(name),
            text: Zeroizing::new(format!("{}\n", *text)),
        };
        let (app_secret, master_key) = (
            secret("app_secret", random_hex::<32>()?),
            secret("master_key", MasterKey::generate()?.to_text()),
        );
        let project = Project {
            app: &self.app_id,
            key,
            app_secret: &app_secret.path,
            master_key: &master_key.path,
            state_dir: &place.join("state"),
        };
        let config = NewFile { path: place.join(CONFIG), text: Zeroizing::new(project.config()?) };
        // Keeps the secrets out of version control.
        let ignored =
            NewFile { path: secrets.join(".gitignore"), text: Zeroizing::new("*\n".into()) };
        Ok(vec![config, app_secret, master_key, ignored])
    }

    fn text(&self, created: &Created<'_>) -> String {
        let mut text = String::new();
        for file in &created.files {
            text += &format!("wrote {}\n", harmless(&file.display().to_string()));
        }
        let config = self.dir.join(CONFIG);
        let config = config.strip_prefix(".").unwrap_or(&config);
        let config = shell(&config.display().to_string());
        let commands = ["config check", "serve", "listen private-encrypted-demo --decrypt"]
            .map(|words| format!("  sealcast {words} --config {config}"));
        text + "\nNext:\n" + &commands.map(|line| harmless(&line) + "\n").concat()
    }
}

impl NewFile {
    fn write(&self) -> CliResult<()> {
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(&self.path);
        let written = opened.and_then(|mut file| {
            file.write_all(self.text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| cannot("write", &self.path, &error))
    }
}

fn make_directory(path: &Path, mode: u32) -> CliResult<()> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.and_then(|()| fs::metadata(path)).map_err(|error| cannot("make", path, &error))?;
    Ok(())
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> CommandError {
    CommandError::failed(format_args!("cannot {verb} {}: {error}", path.display()))
}

fn random_hex<const BYTES: usize>() -> CliResult<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    getrandom::fill(&mut *bytes)?;
    Ok(Zeroizing::new(hex(&*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_ids_are_those_of_the_configuration() {
        assert_eq!(app_id("1001"), Ok("1001".into()));
        assert_eq!(app_id("shop.eu"), Ok("shop.eu".into()));
        for wrong in ["", "a b", "a/b", "é"] {
            assert!(app_id(wrong).is_err(), "{wrong}");
        }
    }
}
