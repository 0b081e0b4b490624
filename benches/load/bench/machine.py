"""Processors, descriptors and CPU time, from the kernel."""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
NR_OPEN = Path("/proc/sys/fs/nr_open")


def pinned(cpus, leads=False):
    """Runs in a child before the program: pins it to one core and ties its life to the parent. A child
    that leads a process group can be ended with its descendants."""
    libc = ctypes.CDLL(None)

    def prepare():
        os.sched_setaffinity(0, cpus)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if leads:
            # Not a session, to which the kernel may give a share of the processor of its own.
            os.setpgid(0, 0)

    return prepare


def busy_seconds(cpus):
    """CPU time of these processors on any work, and time stolen by the hypervisor."""
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *times = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cpus:
            user, nice, system, _idle, _wait, irq, softirq, steal = map(int, times[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def own_seconds():
    """CPU time of this process and its ended children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def adopt_orphans():
    """Adopts orphans of a child, to end them and to count their time."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def raise_open_files(want):
    """Raises the limit as far as allowed, for this process and its children; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if NR_OPEN.exists():
        want = min(want, int(NR_OPEN.read_text()))  # the kernel takes no hard limit above this
    # Only a privileged process may raise the hard limit.
    for limit in ((max(want, soft), max(want, hard)), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            break
        except (OSError, ValueError):
            continue
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
