# SPDX-License-Identifier: GPL-2.0-or-later
"""Each system call refused in turn, as by containers, sandboxes and old kernels."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks.places import ALL, HERE, check, fill, run
from tests.conftest import ROOT, MakeSuite, quiet_environment

USUAL = (
    *("clone", "flock", "kcmp", "memfd_create", "pidfd_getfd", "pidfd_open", "prctl", "seccomp"),
    *("process_vm_writev", "setsid", "socketpair"),
)
"""Those that somebody refuses."""

OTHERS = (
    *(
        "accept4",
        "access",
        "bind",
        "brk",
        "chdir",
        "chmod",
        "clone3",
        "close_range",
        "connect",
        "epoll_create1",
    ),
    *("exit", "fsync", "getegid", "geteuid", "getgid", "getpid"),
    *("getppid", "getrandom", "getsockname", "getsockopt", "gettid", "getuid", "ioctl", "kill"),
    *("listen", "madvise", "mkdir", "mkdirat", "mremap", "munmap"),
    *("poll", "prlimit64", "pwrite64", "readlink", "recvfrom", "recvmsg", "rename", "renameat"),
    *("rseq", "rt_sigaction", "rt_sigtimedwait"),
    *("sched_getaffinity", "sendmsg", "sendto", "set_robust_list", "setpgid"),
    *("shutdown", "set_tid_address", "setsockopt", "sigaltstack", "socket", "sysinfo"),
    *("umask", "unlink", "unlinkat", "vfork", "waitid"),
)
"""All others that a run makes."""

SOMETIMES = {
    *("ftruncate", "getpeername", "llistxattr", "lstat", "renameat2", "rmdir", "sched_yield"),
    *("statfs", "tgkill", "utimensat"),
}
"""Those that a run makes or not, by how quick its cases are, and by its C library."""

OF_PYTHON = {
    *("arch_prctl", "close", "dup2", "execve", "exit_group", "fcntl", "futex", "getcwd", "lseek"),
    *("getdents64", "mmap", "mprotect", "newfstatat", "openat", "pipe2", "pread64", "read"),
    *("rt_sigprocmask", "rt_sigreturn", "uname", "wait4", "write"),
}
"""Those without which Python itself does not start, or none of its modules works."""


@pytest.fixture(scope="session")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The numbers of the calls that a run makes here, as strace tells them."""
    folder = tmp_path_factory.mktemp("calls")
    suite, log = MakeSuite(folder / "suite"), folder / "strace"
    fill(suite)
    subprocess.run(
        [
            *("strace", "-f", "-n", "-qq", "-o", log, sys.executable, ROOT / "run_tests.py"),
            *("--suite", suite.root, "-j2"),
        ],
        env={**quiet_environment(), "TEST_DIR": str(folder / "scratch")},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    found = re.findall(r"^\d+ +\[ *(\d+)\] (\w+)\(", log.read_text(errors="replace"), re.M)
    return {name: int(number) for number, name in found}


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
@pytest.mark.parametrize("call", USUAL + OTHERS if ALL else USUAL)
def test_a_refused_system_call(
    suite: MakeSuite, tmp_path: Path, numbers: dict[str, int], call: str, error: str
) -> None:
    """Promised: all as without, or not run with a reason, or one line and exit status 2."""
    if call not in numbers:
        pytest.skip(f"nothing here calls {call}(2)")
    fill(suite)
    refuse = [sys.executable, str(HERE / "refuse.py"), str(numbers[call]), error]
    done = run(suite.root, tmp_path / "scratch", refuse)
    check(done, tmp_path / "scratch")


@pytest.mark.skipif(not ALL, reason="a run may make a call that the one before did not")
def test_all_calls_of_a_run_are_refused_in_turn(numbers: dict[str, int]) -> None:
    """Promised: no call of a run is left out of these attacks."""
    assert numbers.keys() - {*USUAL, *OTHERS} - OF_PYTHON - SOMETIMES == set()
