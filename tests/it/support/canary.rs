//! Planted secrets, and the search for them in all output.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::{base64, hex, percent};

#[derive(Default)]
pub struct Canaries(Vec<(String, Vec<u8>)>);

impl Canaries {
    pub fn plant(&mut self, name: impl Into<String>, secret: impl AsRef<[u8]>) {
        let secret = secret.as_ref().to_vec();
        assert!(secret.len() >= 8, "what is that short may be found by chance");
        self.0.push((name.into(), secret));
    }

    #[track_caller]
    pub fn search(&self, what: &str, text: &str) {
        for (name, secret) in &self.0 {
            for spelling in spellings(secret) {
                if let Some(at) = text.find(&spelling) {
                    let start = text[..at].rfind('\n').map_or(0, |line| line + 1);
                    let line = text[start..].lines().next().unwrap_or_default();
                    panic!("{what} contains the {name}: {line}");
                }
            }
        }
    }

    /// Searches all names in the directory and all files except key files.
    #[track_caller]
    pub fn search_directory(&self, directory: &Path) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            self.search("a file's name", &name);
            let is_for_keys = name.contains("keys.json");
            if path.is_file() && !is_for_keys {
                let bytes = std::fs::read(&path).expect("a file of the server");
                self.search(&format!("the file {name}"), &String::from_utf8_lossy(&bytes));
            }
        }
    }
}

/// A secret in all encodings in which it might be printed.
fn spellings(secret: &[u8]) -> Vec<String> {
    let mut list = vec![
        hex(secret),
        hex(secret).to_uppercase(),
        base64(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        percent(&base64(secret)),
        format!("{secret:?}"),
    ];
    if let Ok(text) = std::str::from_utf8(secret) {
        let json = serde_json::to_string(text).expect("a string");
        let debug = format!("{text:?}");
        list.extend([text.to_owned(), percent(text)]);
        list.extend([&json, &debug].map(|quoted| quoted[1..quoted.len() - 1].to_owned()));
    }
    list
}
