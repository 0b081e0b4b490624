use super::*;
use std::{
    fs,
    os::unix::fs::{chown, symlink},
};

struct Bed(PathBuf);

impl Bed {
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

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn why_not(path: &Path) -> Refused {
    for opened in [open_to_read(path).err(), open_to_append(path).err()] {
        assert_eq!(opened.unwrap().kind(), io::ErrorKind::PermissionDenied);
    }
    let error = read(path).unwrap_err().into_inner().unwrap();
    *error.downcast::<Refused>().unwrap()
}

#[test]
fn f6_a_file_that_others_can_use_is_refused() {
    let bed = Bed::new("others");
    for open in [0o604, 0o602, 0o601, 0o666] {
        let path = bed.file(open);
        let Refused::OpenToOthers { mode: said, right: 0o600, .. } = why_not(&path) else {
            panic!("{open:o}")
        };
        assert_eq!((said, mode(&path)), (open, open), "it is left as it is");
    }
    let path = bed.file(0o600);
    assert_eq!(read(&path).unwrap().unwrap().as_slice(), b"content");
    assert_eq!(read(&bed.0.join("none")).unwrap(), None);
    assert_eq!(read(&path.join("none")).unwrap(), None);
}

#[test]
fn f6_a_file_that_its_group_can_use_is_closed_to_it_and_told() {
    let bed = Bed::new("group");
    for (open, closed) in [(0o660, 0o600), (0o640, 0o600), (0o440, 0o400)] {
        let path = bed.file(open);
        let mut told = None;
        let content = read_and_tell(&path, |closed| told = Some(closed.to_string())).unwrap();
        assert_eq!(content.unwrap().as_slice(), b"content");
        assert!(told.unwrap().contains(&format!("{open:04o}")));
        assert_eq!(mode(&path), closed);
        read_and_tell(&path, |_| panic!("told twice")).unwrap();
    }
    let path = bed.file(0o660);
    open_to_append(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn f6_links_are_not_followed() {
    let bed = Bed::new("links");
    let (victim, link) = (bed.file(0o600), bed.0.join("link"));
    symlink(&victim, &link).unwrap();
    assert_eq!(why_not(&link), Refused::Link);
    let dangling = bed.0.join("dangling");
    symlink(bed.0.join("made"), &dangling).unwrap();
    assert_eq!(why_not(&dangling), Refused::Link);
    assert!(!bed.0.join("made").exists(), "nothing is made at the end of a link");
    fs::hard_link(&victim, bed.0.join("other")).unwrap();
    assert_eq!(why_not(&victim), Refused::SeveralNames(2));
    assert_eq!(why_not(&bed.0.join("other")), Refused::SeveralNames(2));
}

#[test]
fn f6_what_is_no_file_is_refused_and_not_waited_for() {
    let bed = Bed::new("pipe");
    let pipe = bed.0.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    assert_eq!(why_not(&pipe), Refused::NotAFile);
}

/// Only root can give a file away.
#[test]
fn f6_a_file_of_another_user_is_refused() {
    let bed = Bed::new("owner");
    let path = bed.file(0o600);
    if geteuid().is_root() {
        chown(&path, Some(54321), None).unwrap();
        assert!(matches!(why_not(&path), Refused::ForeignOwner { owner: 54321, us: 0, .. }));
    }
    assert!(refuse_foreign(0, &path).is_ok());
    assert!(refuse_foreign(geteuid().as_raw(), &path).is_ok());
    assert!(refuse_foreign(geteuid().as_raw() + 1, &path).is_err());
}
