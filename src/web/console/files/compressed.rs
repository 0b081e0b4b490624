//! Files as they travel. Compressed at the first request, since few servers have a console open.

use std::{collections::HashMap, io::Write as _};

use actix_web::http::header::{self, HeaderMap};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use parking_lot::Mutex;
use rust_embed::EmbeddedFile;

/// By path. Only files that exist get in.
#[derive(Default)]
pub struct CompressedFiles(Mutex<HashMap<String, CompressedFile>>);

struct CompressedFile {
    /// Of the file before, which changes under a debug build.
    hash: [u8; 32],
    body: Bytes,
}

impl CompressedFiles {
    pub fn get(&self, path: &str, file: &EmbeddedFile) -> std::io::Result<Bytes> {
        let hash = file.metadata.sha256_hash();
        let mut files = self.0.lock();
        if let Some(known) = files.get(path).filter(|known| known.hash == hash) {
            return Ok(known.body.clone());
        }
        let body = gzip(&file.data)?;
        files.insert(path.to_owned(), CompressedFile { hash, body: body.clone() });
        Ok(body)
    }
}

fn gzip(data: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data)?;
    Ok(encoder.finish()?.into())
}

/// True if the header names gzip, and not with the weight 0.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    values.flat_map(|list| list.split(',')).any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        let weight = weight.trim().strip_prefix("q=").map(str::trim);
        name.trim().eq_ignore_ascii_case("gzip")
            && weight.and_then(|weight| weight.parse::<f32>().ok()) != Some(0.0)
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn gzip_is_sent_to_who_accepts_it() {
        for (value, wanted) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("identity", false),
            ("x-gzip", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts_gzip(&headers), wanted, "{value:?}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
