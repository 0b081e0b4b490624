//! CPU time and memory of the server, from outside it.

use std::{fs, mem::MaybeUninit};

use anyhow::{Context, Result, bail};

/// The measured server: one process with its descendants, or all nodes of a cluster.
pub struct Server {
    nodes: Vec<Processes>,
    /// Redis, behind the nodes of a cluster. Its time and memory are not the server's.
    redis: Option<Processes>,
}

/// A process and its descendants.
struct Processes {
    pids: Vec<libc::pid_t>,
}

/// CPU nanoseconds since the start, by process.
pub struct Shares {
    pub nodes: Vec<u64>,
    /// Zero without a Redis.
    pub redis: u64,
}

/// CPU time used since the processes started.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// Exact, from the kernel's per-process clock.
    pub total_ns: u64,
    /// The part spent in the kernel, of `user_ticks + system_ticks`.
    user_ticks: u64,
    system_ticks: u64,
}

/// CPU time used between two readings.
#[derive(Clone, Copy, Debug)]
pub struct CpuDelta {
    pub total_us: f64,
    /// Share of the time spent in the kernel, coarse (10 ms ticks).
    pub system_share: f64,
}

impl Server {
    /// Finds the processes under `nodes` and under `redis` as they are now.
    pub fn find(nodes: &[libc::pid_t], redis: Option<libc::pid_t>) -> Result<Self> {
        Ok(Self {
            nodes: nodes.iter().map(|pid| Processes::find(*pid)).collect::<Result<_>>()?,
            redis: redis.map(Processes::find).transpose()?,
        })
    }

    pub fn cpu(&self) -> Result<Cpu> {
        let mut sum = Cpu { total_ns: 0, user_ticks: 0, system_ticks: 0 };
        for pid in self.nodes.iter().flat_map(|node| &node.pids) {
            let fields = stat(*pid)?;
            sum.user_ticks += fields[11].parse::<u64>()?;
            sum.system_ticks += fields[12].parse::<u64>()?;
            sum.total_ns += cpu_clock(*pid)?;
        }
        Ok(sum)
    }

    pub fn shares(&self) -> Result<Shares> {
        Ok(Shares {
            nodes: self.nodes.iter().map(Processes::cpu_ns).collect::<Result<_>>()?,
            redis: self.redis.as_ref().map_or(Ok(0), Processes::cpu_ns)?,
        })
    }

    /// Resident bytes, from `smaps_rollup`.
    pub fn resident(&self) -> Result<u64> {
        let mut sum = 0;
        for pid in self.nodes.iter().flat_map(|node| &node.pids) {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let kib = text
                .lines()
                .find_map(|line| line.strip_prefix("Rss:"))
                .and_then(|rest| rest.split_whitespace().next())
                .context("no Rss in smaps_rollup")?;
            sum += kib.parse::<u64>()? * 1024;
        }
        Ok(sum)
    }
}

impl Processes {
    fn find(pid: libc::pid_t) -> Result<Self> {
        let mut parents = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            if let Some(child) = name.to_str().and_then(|n| n.parse::<libc::pid_t>().ok())
                && let Ok(fields) = stat(child)
            {
                parents.push((child, fields[1].parse::<libc::pid_t>()?));
            }
        }
        if !parents.iter().any(|(child, _)| *child == pid) {
            bail!("no process {pid}");
        }
        let mut pids = vec![pid];
        let mut next = 0;
        while let Some(parent) = pids.get(next).copied() {
            pids.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(c, _)| c));
            next += 1;
        }
        Ok(Self { pids })
    }

    fn cpu_ns(&self) -> Result<u64> {
        self.pids.iter().map(|pid| cpu_clock(*pid)).sum()
    }
}

impl Cpu {
    pub fn since(&self, earlier: &Self) -> CpuDelta {
        let user = self.user_ticks - earlier.user_ticks;
        let system = self.system_ticks - earlier.system_ticks;
        CpuDelta {
            total_us: (self.total_ns - earlier.total_ns) as f64 / 1e3,
            system_share: system as f64 / (user + system).max(1) as f64,
        }
    }
}

/// The fields of `/proc/PID/stat` from the state on: 1 is the parent, 11 and 12
/// are the user and system ticks.
fn stat(pid: libc::pid_t) -> Result<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = text.rsplit_once(") ").context("bad stat line")?;
    Ok(fields.split(' ').map(str::to_owned).collect())
}

fn cpu_clock(pid: libc::pid_t) -> Result<u64> {
    let mut clock = MaybeUninit::uninit();
    // SAFETY: `clock` is written when the call returns zero.
    if unsafe { libc::clock_getcpuclockid(pid, clock.as_mut_ptr()) } != 0 {
        bail!("no CPU clock for process {pid}");
    }
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock id was just written and `t` is a valid timespec.
    if unsafe { libc::clock_gettime(clock.assume_init(), &raw mut t) } != 0 {
        return Err(std::io::Error::last_os_error()).context("read CPU clock");
    }
    Ok(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
}

/// Nanoseconds of CPU time used by this process.
pub fn own_cpu_ns() -> Result<u64> {
    cpu_clock(std::process::id() as libc::pid_t)
}

/// Raises the limit on open files as far as this user may.
pub fn raise_open_files() -> Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit for both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return Err(std::io::Error::last_os_error()).context("getrlimit");
        }
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) != 0 {
            return Err(std::io::Error::last_os_error()).context("raise the open file limit");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_own_cpu_and_memory() {
        let server = Server::find(&[std::process::id() as libc::pid_t], None).unwrap();
        let (before, shares) = (server.cpu().unwrap(), server.shares().unwrap());
        let mut x = 1u64;
        for i in 0..20_000_000u64 {
            x = std::hint::black_box(x.wrapping_mul(i | 1));
        }
        let used = server.cpu().unwrap().since(&before);
        assert!(used.total_us > 1_000.0, "{used:?}");
        let later = server.shares().unwrap();
        assert!(later.nodes[0] - shares.nodes[0] > 1_000_000);
        assert_eq!((later.nodes.len(), later.redis), (1, 0));
        assert!(server.resident().unwrap() > 100_000);
    }
}
