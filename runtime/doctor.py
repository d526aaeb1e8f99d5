"""What this machine lets mlopt do: kernel, FUSE, tracing, namespaces, memory, and the packages themselves."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import mlopt_engine

#: Import roots of the one distribution; their names are generic, so another package can shadow them.
ROOTS = ("mlopt_cli", "traces", "recipes", "learner", "simulator", "runtime", "mlopt_engine")
#: The mount was measured on 6.18; readdirplus and notify_store are as it needs them since 5.10.
OLDEST_KERNEL = (5, 10)
#: Below this a mount has room for no useful cache [bytes].
LITTLE_MEMORY_BYTES = 512 << 20


class Status(StrEnum):
    """How a check went: works, works in part, does not work."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes
    ----------
    name : str
        What was looked at.
    status : Status
        How it went.
    found : str
        What was found.
    do : str or None
        What to do about it; None when all is well.
    """

    name: str
    status: Status
    found: str
    do: str | None = None


def examine() -> list[Check]:
    """Look at everything once, without changing anything.

    Returns
    -------
    list of Check
        In the order of `CHECKS`.
    """
    return [check() for check in CHECKS]


def _kernel() -> Check:
    release = platform.release()
    numbers = re.match(r"(\d+)\.(\d+)", release)
    version = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if version < OLDEST_KERNEL:
        return Check("kernel", Status.YELLOW, release, "Mounts are tested on Linux 6.1 and newer")
    return Check("kernel", Status.GREEN, release)


def _fuse_device() -> Check:
    path = Path("/dev/fuse")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Check(
            "fuse", Status.RED, "no /dev/fuse", "Load the module (modprobe fuse) or pass the device in"
        )
    if not stat.S_ISCHR(mode):
        return Check("fuse", Status.RED, "/dev/fuse is no device", "Recreate it: mknod /dev/fuse c 10 229")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except PermissionError:
        return Check(
            "fuse",
            Status.RED,
            f"/dev/fuse has mode {stat.filemode(mode)}",
            "Run as root or chmod 0666 /dev/fuse",
        )
    except OSError as error:
        return Check("fuse", Status.RED, f"/dev/fuse: {error.strerror}", "Load the module: modprobe fuse")
    return Check("fuse", Status.GREEN, "/dev/fuse opens")


def _mounting() -> Check:
    if os.geteuid() == 0:
        return Check("mounting", Status.GREEN, "root may mount")
    if shutil.which("fusermount3"):
        return Check("mounting", Status.GREEN, "fusermount3 is installed")
    return Check(
        "mounting",
        Status.YELLOW,
        "no fusermount3, not root",
        "Install fuse3, or use 'mlopt run' (user namespace)",
    )


def _strace() -> Check:
    path = shutil.which("strace")
    if path is None:
        return Check("strace", Status.RED, "not installed", "Install strace; 'mlopt record' needs it")
    done = subprocess.run(
        [path, "-f", "--seccomp-bpf", "-e", "trace=openat", "-o", "/dev/null", "true"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1:] or ["failed"]
        return Check(
            "strace", Status.RED, reason[0], "Allow ptrace: kernel.yama.ptrace_scope <= 1, or CAP_SYS_PTRACE"
        )
    return Check("strace", Status.GREEN, f"{path} traces with seccomp-bpf")


def _user_namespaces() -> Check:
    if os.geteuid() == 0:
        return Check("namespaces", Status.GREEN, "root makes mount namespaces")
    done = subprocess.run(["unshare", "-Ur", "true"], capture_output=True, text=True, check=False, timeout=20)
    if done.returncode == 0:
        return Check("namespaces", Status.GREEN, "user namespaces are allowed")
    return Check(
        "namespaces",
        Status.YELLOW,
        done.stderr.strip() or "user namespaces are forbidden",
        "Raise user.max_user_namespaces or run 'mlopt run' as root",
    )


def _memory() -> Check:
    fields = dict(
        line.split(":", 1)
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        if ":" in line
    )
    available = int(fields["MemAvailable"].split()[0]) << 10
    found = f"{available / 2**30:.1f} GiB available"
    if available < LITTLE_MEMORY_BYTES:
        return Check(
            "memory", Status.YELLOW, found, "A cache needs memory: free some, or give a small --memory"
        )
    return Check("memory", Status.GREEN, found)


def _memory_cgroup() -> Check:
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        version = "v2"
    elif Path("/sys/fs/cgroup/memory").is_dir():
        version = "v1"
    else:
        return Check(
            "memory cgroup",
            Status.YELLOW,
            "none",
            "'mlopt verify' cannot measure the page cache at equal budget",
        )
    if os.geteuid() != 0:
        return Check("memory cgroup", Status.YELLOW, f"{version}, not root", "The page cache row needs root")
    return Check("memory cgroup", Status.GREEN, version)


def _packages() -> Check:
    home = Path(mlopt_engine.__file__).parent.parent
    shadowed = []
    for root in ROOTS:
        spec = importlib.util.find_spec(root)
        if spec is None or spec.origin is None or Path(spec.origin).parent.parent != home:
            shadowed.append(f"{root} ({spec.origin if spec else 'missing'})")
    if shadowed:
        return Check(
            "packages",
            Status.RED,
            "shadowed: " + ", ".join(shadowed),
            "Install mlopt in an environment of its own",
        )
    return Check(
        "packages", Status.GREEN, f"mlopt {mlopt_engine.__version__}, {len(ROOTS)} packages from one place"
    )


#: What `examine` looks at, in order; one function each.
CHECKS: tuple[Callable[[], Check], ...] = (
    _kernel,
    _fuse_device,
    _mounting,
    _user_namespaces,
    _strace,
    _memory,
    _memory_cgroup,
    _packages,
)
