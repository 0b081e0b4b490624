use super::*;
use std::{
    fs,
    os::unix::fs::{chown, symlink},
};

struct TestDir(PathBuf);

impl TestDir {
    fn new(name: &str) -> Self {
        let name = format!("sealcast-access-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, mode: u32) -> PathBuf {
        let path = self.0.join("a.keys.json");
        let _ = fs::remove_file(&path);
        fs::write(&path, "content").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn refusal(path: &Path) -> FileRefusal {
    for opened in [open_to_read(path).err(), open_to_append(path).err()] {
        assert_eq!(opened.unwrap().kind(), io::ErrorKind::PermissionDenied);
    }
    let error = read(path).unwrap_err().into_inner().unwrap();
    *error.downcast::<FileRefusal>().unwrap()
}

#[test]
fn f6_files_open_to_others_are_refused() {
    let dir = TestDir::new("others");
    for open in [0o604, 0o602, 0o601, 0o666] {
        let path = dir.file(open);
        let FileRefusal::OpenToOthers { mode: said, right: 0o600, .. } = refusal(&path) else {
            panic!("{open:o}")
        };
        assert_eq!((said, mode(&path)), (open, open), "it is left as it is");
    }
    let path = dir.file(0o600);
    assert_eq!(read(&path).unwrap().unwrap().as_slice(), b"content");
    assert_eq!(read(&dir.0.join("none")).unwrap(), None);
    assert_eq!(read(&path.join("none")).unwrap(), None);
}

#[test]
fn f6_files_open_to_the_group_are_closed_and_reported() {
    let dir = TestDir::new("group");
    for (open, closed) in [(0o660, 0o600), (0o640, 0o600), (0o440, 0o400)] {
        let path = dir.file(open);
        let mut reported = None;
        let content = read_reporting(&path, |closed| reported = Some(closed.to_string())).unwrap();
        assert_eq!(content.unwrap().as_slice(), b"content");
        assert!(reported.unwrap().contains(&format!("{open:04o}")));
        assert_eq!(mode(&path), closed);
        read_reporting(&path, |_| panic!("told twice")).unwrap();
    }
    let path = dir.file(0o660);
    open_to_append(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn f6_symlinks_are_not_followed() {
    let dir = TestDir::new("links");
    let (victim, link) = (dir.file(0o600), dir.0.join("link"));
    symlink(&victim, &link).unwrap();
    assert_eq!(refusal(&link), FileRefusal::Link);
    let dangling = dir.0.join("dangling");
    symlink(dir.0.join("made"), &dangling).unwrap();
    assert_eq!(refusal(&dangling), FileRefusal::Link);
    assert!(!dir.0.join("made").exists(), "nothing is made at the end of a link");
    fs::hard_link(&victim, dir.0.join("other")).unwrap();
    assert_eq!(refusal(&victim), FileRefusal::SeveralNames(2));
    assert_eq!(refusal(&dir.0.join("other")), FileRefusal::SeveralNames(2));
}

#[test]
fn f6_special_files_are_refused_without_blocking() {
    let dir = TestDir::new("pipe");
    let pipe = dir.0.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    assert_eq!(refusal(&pipe), FileRefusal::NotAFile);
}

/// Only root can give a file away.
#[test]
fn f6_files_of_other_users_are_refused() {
    let dir = TestDir::new("owner");
    let path = dir.file(0o600);
    if geteuid().is_root() {
        chown(&path, Some(54321), None).unwrap();
        assert!(matches!(refusal(&path), FileRefusal::ForeignOwner { owner: 54321, us: 0, .. }));
    }
    assert!(refuse_foreign(0, &path).is_ok());
    assert!(refuse_foreign(geteuid().as_raw(), &path).is_ok());
    assert!(refuse_foreign(geteuid().as_raw() + 1, &path).is_err());
}
