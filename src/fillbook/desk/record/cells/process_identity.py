"""The identity of a process: whether the process that wrote a cell still runs on this machine."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


@cache
def _machine() -> str:
    """Return the ids of the boot and of the process namespace; empty if they are unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _start_time(pid: int) -> str | None:
    """
    Return the start time of a process of this machine, because process ids are reused.

    None: it has ended, although its parent may not have read its exit code yet (a zombie).
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    # The second field is a name in brackets that may hold anything: proc_pid_stat(5).
    state, *rest = text.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]


def this_process() -> str:
    """Return the identity of this process, for `has_ended`."""
    return f"{_machine()} {os.getpid()} {_start_time(os.getpid())}"


def pid_of(process: str) -> str:
    """Return the process id in an identity; ``""``: it has none."""
    return process.partition(" ")[2].partition(" ")[0]


def has_ended(process: str) -> bool:
    """Return whether *process* has certainly ended; False if that is unknown."""
    machine, _, rest = process.partition(" ")
    pid, _, started = rest.partition(" ")
    return (
        bool(machine)
        and machine == _machine()
        and pid.isdecimal()
        and _start_time(int(pid)) != started
    )
