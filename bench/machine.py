"""What the machine is, which core does what, and what a process used of it."""

import contextlib
import os
import platform
import resource
from pathlib import Path

# The server under test has a core to itself; the load, the bus and this program share the other.
SERVER_CORE = 0
LOAD_CORE = 1

ROOT = Path(__file__).parent.parent
CACHE = ROOT / "bench" / ".cache"
PROGRAMS = CACHE / "bin"


def describe() -> dict[str, str]:
    """The machine in words, for the report."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "memory": f"{memory_kb / 1024**2:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def raise_file_limit(wanted: int = 0) -> int:
    """A viewer is a file on both sides: let a process have `wanted`, or as many as this user may.

    Returns how many it may have. The hard limit can be raised only by a process that has
    CAP_SYS_RESOURCE, as root has outside of most containers.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(wanted, hard), hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            break
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def take_precedence() -> None:
    """Go before other programs, where this user may: what is started from here does so, too."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)


def family(pid: int) -> list[int]:
    """The process and all that it started, living."""
    pids = [pid]
    for known in pids:
        for task in Path(f"/proc/{known}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                pids.extend(int(child) for child in task.read_text().split())
    return pids


def cpu_seconds(pid: int, *, alone: bool = False) -> float:
    """What the process and its children have used of the processor, to the nanosecond; `alone`:
    without its children."""
    nanoseconds = 0
    for member in [pid] if alone else family(pid):
        for schedule in Path(f"/proc/{member}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                nanoseconds += int(schedule.read_text().split()[0])
    return nanoseconds / 1e9


def resident_bytes(pid: int) -> int:
    """The memory that the process and its children have resident."""
    pages = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{member}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def core_seconds(core: int) -> tuple[float, float]:
    """(busy, all) seconds of a core since it started, everybody's work included."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            ticks = [int(word) for word in line.split()[1:9]]
            every = sum(ticks) / os.sysconf("SC_CLK_TCK")
            idle = (ticks[3] + ticks[4]) / os.sysconf("SC_CLK_TCK")
            return every - idle, every
    raise LookupError(f"no core {core}")


def kernel_bytes() -> int:
    """The memory of the kernel's small objects (sockets, files, tracked connections) and of the
    buffers of TCP sockets, everybody's included."""
    memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    words = Path("/proc/net/sockstat").read_text().partition("TCP:")[2].split()
    pages = int(words[words.index("mem") + 1])
    return int(memory["Slab"].split()[0]) * 1024 + pages * resource.getpagesize()
