//! A stepping clock: a file sets the server's time of day (Debian's `faketime`). Its monotonic
//! clock is the real one.

use std::path::{Path, PathBuf};

use super::{Launch, TempDir};

pub struct SteppingClock {
    dir: TempDir,
    file: PathBuf,
}

impl SteppingClock {
    pub fn new() -> Self {
        let dir = TempDir::new();
        let clock = Self { file: dir.path().join("offset"), dir };
        clock.set(0);
        clock
    }

    /// Sets the clock this many seconds ahead.
    pub fn set(&self, seconds: i64) {
        // Atomically: the server must never read a part of it.
        let next = self.dir.write("next", &format!("{seconds:+}\n"));
        std::fs::rename(next, &self.file).expect("a file in its place");
    }

    pub fn of(&self, launch: Launch) -> Launch {
        launch
            .env("LD_PRELOAD", library())
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }
}

impl Launch {
    /// A clock of the day that is wrong by so many seconds all the time.
    pub fn clock_ahead(self, seconds: i64) -> Self {
        if seconds == 0 {
            return self;
        }
        self.env("LD_PRELOAD", library())
            .env("FAKETIME", format!("{seconds:+}"))
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }
}

fn library() -> PathBuf {
    let places = std::fs::read_dir("/usr/lib").expect("/usr/lib");
    let inside = |place: &Path| place.join("faketime/libfaketimeMT.so.1");
    let mut found = places.flatten().map(|place| inside(&place.path()));
    let found = found.find(|path| path.exists());
    found.expect("Debian's package faketime, which tests/run installs")
}
