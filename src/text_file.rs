//! Text files, as saved by editors of all systems.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use zeroize::Zeroizing;

/// Reads UTF-8 without a byte order mark. Wiped on drop, since the file may hold secrets.
pub fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    read_open(File::open(path)?)
}

/// The same for an open file with verified access rights.
pub fn read_open(mut file: File) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes)?;
    decode(bytes)
}

/// The same for a stream, up to `limit` bytes.
pub fn read_from(stream: impl Read, limit: u64) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::new());
    stream.take(limit).read_to_end(&mut bytes)?;
    decode(bytes)
}

fn decode(mut bytes: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<String>> {
    refuse_utf16(&bytes)?;
    if bytes.starts_with(UTF8_MARK) {
        bytes.drain(..UTF8_MARK.len());
    }
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|error| {
        let at = error.utf8_error().valid_up_to() + 1;
        drop(Zeroizing::new(error.into_bytes()));
        wrong(format!("byte {at} is not UTF-8: save it as UTF-8"))
    })
}

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// UTF-16 text, in which no setting would be found.
pub fn refuse_utf16(bytes: &[u8]) -> io::Result<()> {
    match is_utf16(bytes) {
        true => Err(wrong("it is saved as UTF-16: save it as UTF-8")),
        false => Ok(()),
    }
}

fn wrong(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

/// Detected by its byte order mark, or by zeros in every second byte at its beginning: valid UTF-8,
/// but never meant as such.
fn is_utf16(bytes: &[u8]) -> bool {
    const LOOKED_AT: usize = 32;
    let pairs = &bytes.as_chunks::<2>().0[..(bytes.len() / 2).min(LOOKED_AT)];
    let zero = |index: usize| pairs.len() > 1 && pairs.iter().all(|pair| pair[index] == 0);
    bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || zero(0) || zero(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<String, String> {
        let text = read_from(bytes, 1000);
        text.map(|text| text.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn utf16_is_named_and_the_mark_of_utf8_is_dropped() {
        let utf16 = |mark: &[u16], swap: bool| -> Vec<u8> {
            let units = mark.iter().copied().chain("listen = 1".encode_utf16());
            units.flat_map(|u| if swap { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
        };
        for bytes in
            [utf16(&[0xfeff], false), utf16(&[0xfeff], true), utf16(&[], false), utf16(&[], true)]
        {
            let error = read(&bytes).unwrap_err();
            assert!(error.contains("UTF-16") && error.contains("as UTF-8"), "{error}");
        }
        for (bytes, text) in
            [("\u{feff}a = \"é\"", "a = \"é\""), ("", ""), ("a", "a"), ("\0", "\0")]
        {
            assert_eq!(read(bytes.as_bytes()).as_deref(), Ok(text));
        }
        assert_eq!(read(b"ab\xe9").unwrap_err(), "byte 3 is not UTF-8: save it as UTF-8");
    }
}
