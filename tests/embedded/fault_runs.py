# SPDX-License-Identifier: GPL-2.0-or-later
"""Run under a supervisor of lock calls: every opener with a fault at every call, as JSON.

`python -m tests.embedded.fault_runs real|ours OPENER` in a folder with images. One
supervisor for all runs costs each of them next to nothing.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from goldlock.kits.qemu.bytes import PERMISSIONS
from goldlock.lockcalls.api import faults, trace_path

from tests.embedded.programs import QUIET, filtered, run

SYSTEM = "qemu-system-x86_64"
_PLAIN = ("-c", "quit", "--image-opts")
_LOCKING = "driver=qcow2,file.filename=t,file.locking"
OPENERS: dict[str, tuple[str, ...]] = {
    "read-write": ("qemu-io", "-c", "quit", "t"),
    "read-only": ("qemu-io", "-r", "-c", "quit", "t"),
    "force-share": ("qemu-io", "-r", "-U", "-c", "quit", "t"),
    "reopen -r": ("qemu-io", "-c", "reopen -r", "t"),
    "reopen -w": ("qemu-io", "-r", "-c", "reopen -w", "t"),
    "reopen": ("qemu-io", "-c", "reopen", "t"),
    "locking on": ("qemu-io", *_PLAIN, f"{_LOCKING}=on"),
    "locking auto": ("qemu-io", *_PLAIN, f"{_LOCKING}=auto"),
    "locking off": ("qemu-io", *_PLAIN, f"{_LOCKING}=off"),
    "info": ("qemu-img", "info", "t"),
    "check": ("qemu-img", "check", "t"),
    "create": ("qemu-img", "create", "-f", "qcow2", "new", "1M"),
    "resize": ("qemu-img", "resize", "t", "8M"),
    "commit": ("qemu-img", "commit", "t"),
    "emulator": (SYSTEM, *QUIET, "-monitor", "stdio", "-drive", "if=none,file=t"),
    "nodes": (SYSTEM, *QUIET, "-qmp", "stdio"),
}
# A node with a name of its own stays when its users go.
NODES = """\
{'execute':'qmp_capabilities'}
{'execute':'blockdev-add','arguments':{'node-name':'f','driver':'file','filename':'t'}}
{'execute':'blockdev-add','arguments':{'node-name':'q','driver':'qcow2','file':'f'}}
{'execute':'blockdev-del','arguments':{'node-name':'q'}}
{'execute':'blockdev-add','arguments':{'node-name':'q','driver':'qcow2','file':'f'}}
{'execute':'blockdev-del','arguments':{'node-name':'q'}}
{'execute':'blockdev-del','arguments':{'node-name':'f'}}
{'execute':'human-monitor-command','arguments':{'command-line':'drive_add 0 if=none,id=d,file=t'}}
{'execute':'human-monitor-command','arguments':{'command-line':'drive_del d'}}
{'execute':'quit'}
"""
SITES = ("read-write", "read-only", "force-share")
_CALLS = ("lock", "unlock", "test")
_ERRNOS = ("EAGAIN", "EACCES", "EINVAL", "EIO", "ENOMEM", "EBADF")


def plans(opener: str, undisturbed: list[str]) -> Iterator[str]:
    """Yield the faults for an opener, given the lock calls that it makes without any."""
    yield "probe fails with EINVAL"
    yield "probe fails with EACCES"
    if opener.startswith("locking"):
        for call in _CALLS:  # the same sites, with POSIX locks
            yield f"probe fails with EINVAL\n{call} uses write fails with ENOLCK"
            yield f"probe fails with EINVAL\n{call} unshares write fails with EACCES"
        return
    for call in _CALLS:
        for n in range(1, 1 + sum(line.startswith(f"{call} ") for line in undisturbed)):
            yield f"{call} any byte fails with ENOLCK from call {n} once"
        yield f"{call} any byte fails with EAGAIN"
        yield f"{call} any byte fails with EINTR 3 times"
    if opener in SITES:
        for call in _CALLS:
            for side in ("uses", "unshares"):
                for permission in PERMISSIONS[:4]:  # the last is of QEMU up to 6.2
                    yield f"{call} {side} {permission} of t fails with ENOLCK"
                for code in _ERRNOS:
                    yield f"{call} {side} write of t fails with {code}"


def attempt(kind: str, opener: str, plan: str) -> list[object]:
    """Run an opener on fresh images with faults set; return all that it showed."""
    folder = Path("run")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("t", "base"):
        shutil.copy(name, folder)
    trace = trace_path()
    assert trace is not None
    start = trace.stat().st_size
    program, *words = OPENERS[opener]
    plan = re.sub(r"of t\b", "of run/t", plan)
    with faults(re.sub(r"(?<=.)$", " may miss", plan, flags=re.M)):
        stdin = NODES if "-qmp" in words else "quit\n"
        outcome = run(program, kind, *words, cwd=folder, stdin=stdin)
    calls = trace.read_bytes()[start:].decode().replace(str(folder.absolute()) + "/", "")
    stdout = re.sub(r'\{"(QMP|timestamp)".*\r\n', "", outcome.stdout)  # answers are enough
    return [outcome.status, filtered(stdout), filtered(outcome.stderr),
            [line.partition(": ")[2] for line in calls.splitlines()]]  # fmt: skip


def main() -> None:
    """Print what every fault did to one opener."""
    kind, opener = sys.argv[1:]
    free = attempt(kind, opener, "")
    lines = free[3]
    assert isinstance(lines, list)
    found = {plan: attempt(kind, opener, plan) for plan in plans(opener, lines)}
    json.dump({"": free, **found}, sys.stdout)


if __name__ == "__main__":
    main()
