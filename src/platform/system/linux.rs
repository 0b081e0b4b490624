use std::{
    fs::{metadata, read_dir, read_to_string},
    io,
    path::Path,
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with, statfs},
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// Raises the soft limit to the hard limit, which needs no privilege.
pub fn raise_descriptors() -> io::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// `None` without a limit.
pub fn descriptor_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Newer kernels report the number as the size of the directory; with older ones the entries are
/// counted.
pub fn open_descriptors() -> Option<u64> {
    const PATH: &str = "/proc/self/fd";
    let reported = metadata(PATH).ok()?.len();
    if reported > 0 { Some(reported) } else { Some(read_dir(PATH).ok()?.count() as u64) }
}

pub fn resident_bytes() -> Option<u64> {
    let text = read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Fails with `AlreadyExists` if the target exists.
pub fn rename_noreplace(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system supports it.
        Err(Errno::INVAL | Errno::NOSYS) => super::rename_if_absent(from, to),
        renamed => Ok(renamed?),
    }
}

/// The name of the file system of `path`, if it is lost with the container or the machine. A volume
/// of an orchestrator may be lost as well, unseen from here.
pub fn volatile_filesystem(path: &Path) -> Option<&'static str> {
    // linux/magic.h; the type of the field depends on the architecture, the value fits 32 bits.
    match statfs(path).ok()?.f_type as u32 {
        0x794c_7630 => Some("overlay"),
        0x0102_1994 => Some("tmpfs"),
        0x8584_58f6 => Some("ramfs"),
        _ => None,
    }
}

/// The content of `/etc/hostname`: in a container mostly its id, in Kubernetes the pod's name.
pub fn host_name() -> Option<String> {
    rustix::system::uname().nodename().to_str().ok().map(str::to_owned)
}

/// The lowest limit of this process's control group and its ancestors. `root`: mount point of the
/// control groups.
pub fn cgroup_memory(root: &Path) -> Option<u64> {
    let groups = read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().filter_map(|line| limit_of(root, line)).min()
}

/// `hierarchy:controllers:path`. In a container with its own view, the path does not exist; the
/// limit is at the top then.
fn limit_of(root: &Path, line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':');
    let (hierarchy, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (top, file) = match controllers.split(',').any(|name| name == "memory") {
        true => (root.join("memory"), "memory.limit_in_bytes"),
        false if hierarchy == "0" => (root.to_owned(), "memory.max"),
        false => return None,
    };
    let own = top.join(path.trim_start_matches('/'));
    let groups = own.ancestors().take_while(|group| group.starts_with(&top));
    groups.filter_map(|group| bytes_in(&group.join(file))).min()
}

/// Version 1 of control groups expresses "no limit" as a huge number.
fn bytes_in(file: &Path) -> Option<u64> {
    const NONE: u64 = 1 << 60;
    read_to_string(file).ok()?.trim().parse().ok().filter(|bytes| *bytes < NONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn process_figures_are_read() {
        assert!(resident_bytes().unwrap() > 1 << 20);
        let (open, most) = (open_descriptors().unwrap(), descriptor_limit());
        assert!(open >= 3 && most.is_none_or(|most| open <= most));
    }

    #[test]
    fn volatile_file_systems_are_named() {
        // A container may have it elsewhere, or another one.
        let mounts = read_to_string("/proc/mounts").unwrap();
        if mounts.lines().any(|line| line.contains(" /dev/shm tmpfs ")) {
            assert_eq!(volatile_filesystem(Path::new("/dev/shm")), Some("tmpfs"));
        }
        assert_eq!(volatile_filesystem(Path::new("/proc")), None);
        assert_eq!(volatile_filesystem(Path::new("/no/such/directory")), None);
    }

    #[test]
    fn the_lowest_limit_of_all_groups_counts() {
        let root = std::env::temp_dir().join(format!("sealcast-cgroup-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        write("memory.max", "max\n");
        write("a/memory.max", "1000\n");
        write("a/b/memory.max", "2000\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/c/memory.limit_in_bytes", "3000\n");
        for (line, limit) in [
            ("0::/", None),
            ("0::/a", Some(1000)),
            ("0::/a/b", Some(1000)),
            ("0::/elsewhere", None),
            ("5:memory:/c", Some(3000)),
            ("5:memory:/", None),
            ("6:cpu,cpuacct:/c", None),
            ("nonsense", None),
        ] {
            assert_eq!(limit_of(&root, line), limit, "{line}");
        }
        // The view of a container: the path is the machine's, the files are its own.
        write("memory.max", "500\n");
        assert_eq!(limit_of(&root, "0::/elsewhere/x"), Some(500));
        fs::remove_dir_all(&root).unwrap();
    }
}
