//! The configuration.

use crate::{
    config::{Config, Flags, NamedFiles, Source, check, shown},
    crypto::vectors::example_salt,
};

const SECRET: &str = "correct-horse-battery";

/// A configuration is accepted or refused with a sentence, and neither the sentence nor the shown
/// configuration contains a secret.
pub fn config(bytes: &[u8]) {
    let text = super::text(bytes);
    // A file name could name a file without an end.
    if text.contains("file") || text.contains("/dev") {
        return;
    }
    let path = std::env::temp_dir().join(format!("sealcast-fuzz-{}.toml", std::process::id()));
    // Values of settings other than secrets may be shown.
    let of_secret =
        |line: &str| ["secret = \"", "headers = "].iter().any(|start| line.starts_with(start));
    let public = text.lines().any(|line| line.contains("SECRET") && !of_secret(line));
    let text = text.replace("SECRET", SECRET);
    std::fs::write(&path, &text).expect("a temporary file");
    let flags = Flags { config: Some(path.clone()), ..Flags::default() };
    let source = Source::new(&flags, std::iter::empty().collect());
    if let Ok(shown) = shown(&source, true) {
        assert!(public || !shown.to_string().contains(SECRET), "a secret is shown: {shown}");
    }
    let list = check(&source, NamedFiles::Read).list().to_string();
    assert!(public || !list.contains(SECRET), "a secret is shown: {list}");
    let loaded = Config::load(&source, example_salt()).map_err(|error| error.to_string());
    match loaded {
        Ok(config) => assert!(!config.apps.is_empty(), "a server without an app"),
        Err(error) => assert!(!error.is_empty(), "a refusal without a sentence"),
    }
}
