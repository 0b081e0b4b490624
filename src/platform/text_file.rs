//! Text files, as saved by editors of all systems.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// For the whole content of a pipe.
const PIPE_TIMEOUT: Duration = Duration::from_secs(2);
const PIPE_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// More than any configuration, key or certificate has. A device may have no end.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Opens a file that the operator has named. A pipe without a writer does not block.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Reads UTF-8, without the byte order mark that some editors write. Wiped, since the file may
/// hold secrets.
pub fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    read_open(open(path)?)
}

/// The same from an open file, whose access rights have been checked.
pub fn read_open(file: File) -> io::Result<Zeroizing<String>> {
    decode(read_bytes_open(file)?)
}

/// The content as it is.
pub fn read_bytes(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    read_bytes_open(open(path)?)
}

fn read_bytes_open(mut file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    if file.metadata()?.is_file() {
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    } else {
        read_pipe(&mut file, &mut bytes, Instant::now() + PIPE_TIMEOUT)?;
    }
    match bytes.len() as u64 {
        0..=MAX_BYTES => Ok(bytes),
        _ => Err(too_large(MAX_BYTES)),
    }
}

/// Waits for a writer, and for the end of what it writes, until `deadline`.
fn read_pipe(pipe: &mut File, bytes: &mut Vec<u8>, deadline: Instant) -> io::Result<()> {
    loop {
        let room = MAX_BYTES + 1 - bytes.len() as u64;
        match pipe.take(room).read_to_end(bytes) {
            Ok(_) if !bytes.is_empty() => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            // Nobody has written yet, or the writer pauses.
            Ok(_) | Err(_) if Instant::now() < deadline => thread::sleep(PIPE_POLL_INTERVAL),
            Ok(_) | Err(_) => {
                let message = format!("it is a pipe that gave nothing whole in {PIPE_TIMEOUT:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
        }
    }
}

/// The same for a stream. More than `limit` bytes are refused, and not cut off.
pub fn read_from(stream: impl Read, limit: u64) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::new());
    stream.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(limit));
    }
    decode(bytes)
}

fn too_large(limit: u64) -> io::Error {
    wrong(match limit {
        limit if limit % (1024 * 1024) == 0 => format!("it is larger than {} MiB", limit >> 20),
        limit if limit % 1024 == 0 => format!("it is larger than {} KiB", limit >> 10),
        limit => format!("it is larger than {limit} bytes"),
    })
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
    fn files_without_an_end_are_refused() {
        let error = super::read(Path::new("/dev/zero")).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 16 MiB");
    }

    #[test]
    fn streams_are_read_whole_or_refused() {
        for (limit, says) in [(5, "5 bytes"), (1024, "1 KiB"), (1024 * 1024, "1 MiB")] {
            let text = "a".repeat(limit);
            let whole = read_from(text.as_bytes(), limit as u64).unwrap();
            assert_eq!(whole.len(), limit);
            let error = read_from((text + "a").as_bytes(), limit as u64).unwrap_err();
            assert_eq!(error.to_string(), format!("it is larger than {says}"));
        }
    }

    #[test]
    fn f10_pipe_without_a_writer_is_an_error_and_one_with_a_writer_is_read() {
        let path = std::env::temp_dir().join(format!("sealcast-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.is_ok_and(|status| status.success()));
        let error = super::read(&path).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        let written = path.clone();
        let writer = thread::spawn(move || std::fs::write(written, "a = 1"));
        assert_eq!(*super::read(&path).unwrap(), "a = 1");
        writer.join().unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn utf16_is_refused_and_the_utf8_mark_is_dropped() {
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
