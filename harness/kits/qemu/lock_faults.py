# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cases of failing lock calls share: how an attempt is shown, and what is held.

Goldens of these cases name errnos instead of quoting strerror, which each C library words
its own way, and leave out which program made a lock call: the case shows that already, and
programs have different names on different systems.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from goldlock import filters
from goldlock.case.program import Completed, Program
from goldlock.inspect.lock_table import locks_below
from goldlock.kits.qemu.bytes import PERMISSIONS
from goldlock.kits.qemu.case import QemuCase as Case
from goldlock.kits.qemu.case import machine_options
from goldlock.kits.qemu.filters import stable_reopen

if TYPE_CHECKING:
    from goldlock.kits.qemu.monitors import Qmp

ERRNOS = ("EAGAIN", "EACCES", "ENOLCK", "EIO", "EINVAL", "EDEADLK", "ESTALE", "EBADF")
# PROGRAM: CALL BYTE (MEANING) of IMAGE ...; with blanks, names are in quotes.
_CALL = re.compile(r'(?:"[^"]*"|\S+): ((?!probe).*?of) ("[^"]*"|\S+?)((?:,? |: ).*)')
QUIET = (*machine_options("none"), "-monitor", "stdio")
"""The options of a qemu-system that quits when it is told to on standard input."""


def name_errnos(case: Case) -> None:
    """Let the case show the names of errnos for what strerror says of them. Do it first."""
    case.paths = filters.compose(case.paths, filters.errno_names)  # all other filters begin so


def fail_each_call(case: Case, sites: Iterable[str], *options: str) -> None:
    """Let every kind of lock call of a qemu-io that reads fail, with every errno; show it.

    *sites* are calls, such as ``lock uses write``; *options* go before the command to read.
    """
    name_errnos(case)
    case.make_image(case.image, "32M")
    read = (*options, "-c", "read 0 512", case.image)

    case.section("No fault")
    case.lock_calls()  # those of the creation are not shown
    case.show_errors(case.qemu_io, *read)
    show_calls(case)

    for site in sites:
        case.section(site)
        each_errno(case, f"{site} of {image_name(case)} fails with", case.qemu_io, *read)

    # Only to lock and to unlock: case 411 tells what becomes of EINTR at a test.
    case.section("EINTR once")
    for site in (site for site in sites if not site.startswith("test ")):
        attempt(case, f"{site} of {image_name(case)} fails with EINTR once", case.qemu_io, *read)
        show_calls(case, "EINTR", after=1)


def fail_each_call_elsewhere(
    case: Case, sites: Iterable[str], img: Iterable[str], drive: str
) -> None:
    """Let the same calls fail with ENOLCK for ``qemu-img IMG`` and ``-drive DRIVE``."""
    for program, options, command in (
        (case.qemu_img, (), img),
        (case.qemu, QUIET, ("-drive", drive)),
    ):
        case.section(" ".join((program.name, *command)))
        for site in sites:
            fault = f"{site} of {image_name(case)} fails with ENOLCK"
            attempt(case, fault, program, *options, *command, stdin="quit\n")


def each_errno(case: Case, fault: str, program: Program, *command: str) -> None:
    """Let a program fall on *fault* with each errno; show at once those that come to the same.

    ``ERRNO`` stands for the errno that each of them has in its message.
    """
    errnos: dict[str, list[str]] = {}
    for errno in ERRNOS:
        _, outcome = _outcome(case, f"{fault} {errno}", program, *command)
        errnos.setdefault(outcome.replace(f": {errno}\n", ": ERRNO\n"), []).append(errno)
    for outcome, names in errnos.items():
        case.log(f"\n{fault} {' '.join(names)}")
        case.log(outcome)


def attempt(case: Case, fault: str, program: Program, *command: str, stdin: str = "") -> Completed:
    """Show a fault, what a program on which it falls complains about, and what is left of it.

    The lock calls that it made are those that `show_calls` shows next.
    """
    case.log(f"\n{fault}")
    done, outcome = _outcome(case, fault, program, *command, stdin=stdin)
    case.log(outcome)
    return done


def _outcome(
    case: Case, fault: str, program: Program, *command: str, stdin: str = ""
) -> tuple[Completed, str]:
    """Let a program fall on a fault; return what came of it, and that in words, filtered."""
    case.lock_calls()  # what came before is not asked for any more
    with case.faults(fault, may_miss=True) as active:  # its hits are shown
        done = program(*command, stdin=stdin)
    said = case.stderr_output(done.stderr)
    ended = f"exit status {done.status}; calls that failed: {active.hits}"
    return done, f"{said}{ended}; held: {held(case)}\n"


def calls_since(case: Case) -> list[str]:
    """Return the lock calls since they were last asked for, but for the probe of OFD locks.

    Without what is not the same everywhere: directories, and the names of programs.
    """
    lines = []
    for line in case.lock_calls().splitlines():
        if call := _CALL.fullmatch(line):
            image = Path(call[2].strip('"')).name
            lines.append(re.sub(r": held by .*", ": held", f"{call[1]} {image}{call[3]}"))
    return lines


def show_calls(case: Case, part: str = "", after: int = 0) -> None:
    """Show the lock calls since they were last asked for.

    With *part*, only those whose line has it, each with as many calls *after* it.
    """
    lines = calls_since(case)
    wanted = {i + k for i, line in enumerate(lines) if part in line for k in range(after + 1)}
    for i in sorted(wanted):
        case.log(f"  {lines[i]}")


def bytes_by_image(calls: Iterable[str], call: str) -> str:
    """Return the bytes of all *calls* of a kind, such as ``lock``, that succeeded, in order."""
    images: dict[str, list[int]] = {}
    for line in calls:
        if found := re.match(rf"{call} (\d+) .* of (.*?)(?:, read)?: ok$", line):
            images.setdefault(found[2], []).append(int(found[1]))
    return _list(images)


def image_name(case: Case) -> str:
    """Return the image as plans of faults name it: below the directory that a case runs in."""
    return Path(case.image).name


def holdings(calls: Iterable[str]) -> list[str]:
    """Return in words what *calls* had locked of each image at the most, a line for each."""
    now: dict[str, set[int]] = {}
    most: dict[str, set[int]] = {}
    for line in calls:
        if found := re.match(r"(lock|unlock) (\d+) .* of (.*?)(?:, read)?: ok$", line):
            image, byte = found[3], int(found[2])
            locked = now.setdefault(image, set())
            (locked.add if found[1] == "lock" else locked.discard)(byte)
            most[image] = max(most.get(image, set()), set(locked), key=len)
    return [f"{image}: {_words(locked)}" for image, locked in most.items()] or ["nothing"]


def _words(locked: set[int]) -> str:
    uses = ", ".join(name for i, name in enumerate(PERMISSIONS) if 100 + i in locked)
    unshares = ", ".join(name for i, name in enumerate(PERMISSIONS) if 200 + i in locked)
    return f"uses {uses or 'nothing'}; unshares {unshares or 'nothing'}"


def held(case: Case) -> str:
    """Return the bytes of images that somebody has locked now: ``100 101 of t.qcow2``."""
    locked: dict[str, set[int]] = {}
    for lock in locks_below(case.test_dir):
        image = Path(lock.path).name
        if lock.last is not None and lock.system in ("OFD", "POSIX"):
            image += "" if lock.system == "OFD" else f" ({lock.system})"
            locked.setdefault(image, set()).update(range(lock.first, lock.last + 1))
    return _list({image: sorted(numbers) for image, numbers in sorted(locked.items())})


def show_held(case: Case) -> None:
    """Show the bytes of images that somebody has locked now."""
    case.log(f"held: {held(case)}")


def _list(images: dict[str, list[int]]) -> str:
    return "; ".join(f"{' '.join(map(str, b))} of {image}" for image, b in images.items()) or (
        "nothing"
    )


def add_nodes(case: Case, qemu: "Qmp") -> None:
    """Let QEMU open the image: a node called file, and one called fmt that uses it."""
    case.monitor_command = filters.compose(case.monitor_command, stable_reopen)
    qemu.qmp("qmp_capabilities")
    qemu.qmp("blockdev-add", node_name="file", driver="file", filename=case.image)
    qemu.qmp("blockdev-add", node_name="fmt", driver=case.imgfmt, file="file")


def reopen(case: Case, qemu: "Qmp", *, read_only: bool) -> None:
    """Reopen the node called fmt.

    Up to 6.0, QEMU has the command under a name for what may change, and takes one node. It is
    shown as it is since, by `stable_reopen`.
    """
    node = {"node-name": "fmt", "driver": case.imgfmt, "file": "file", "read-only": read_only}
    if qemu.has_command("blockdev-reopen"):
        qemu.qmp("blockdev-reopen", options=[node])
    else:
        qemu.qmp("x-blockdev-reopen", **node)
