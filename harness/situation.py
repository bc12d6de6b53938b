"""What the processes of a case are doing: a tree of them, and the locks on its files."""

import shlex

import psutil

from harness import locks, processes
from harness.locks import Held, held_by

__all__ = ["Held", "describe", "held_by", "name_of"]


def name_of(process: psutil.Process) -> str:
    """Return ``qemu-img info t.qcow2 (pid 812)``; raises psutil.NoSuchProcess."""
    return f"{shlex.join(process.cmdline()) or process.name()} (pid {process.pid})"


def describe(pid: int) -> str:
    """Return a case's processes, a line each with states, then the locks on its files."""
    return locks.situation(pid, processes.variable(pid, "TEST_DIR"))
