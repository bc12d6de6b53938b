"""What the cases of failing lock calls share: how an attempt is shown, and what is held.

Goldens of these cases name errnos instead of quoting strerror, which each C library words
its own way, and leave out which program made a lock call: the case shows that already, and
programs have different names on different systems.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import filters
from harness.case import Case, Completed, Program
from harness.faults.api import PERMISSIONS

ERRNOS = ("EAGAIN", "EACCES", "ENOLCK", "EIO", "EINVAL", "EDEADLK", "ESTALE", "EBADF")


QUIET = ("-nographic", "-serial", "none", "-machine", "none", "-monitor", "stdio")


def opener(case: Case, sites: Iterable[str], *options: str) -> None:
    """Let every kind of lock call of an opener fail, with every errno.

    *sites* are calls, such as ``lock uses write``, *options* those of a qemu-io that reads.
    """
    case.make_image(case.image, "32M")
    read = (*options, "-c", "read 0 512", case.image)

    case.section("No fault")
    case.lock_calls()  # those of the creation are another story
    case.show(case.qemu_io, *read)
    show_calls(case)

    for site in sites:
        case.section(site)
        for errno in ERRNOS:
            attempt(case, f"{site} of {image_name(case)} fails with {errno}", case.qemu_io, *read)

    # QEMU calls again to lock and to unlock, but takes EINTR for the answer to a test.
    case.section("EINTR once")
    for site in sites:
        attempt(case, f"{site} of {image_name(case)} fails with EINTR once", case.qemu_io, *read)
        show_calls(case, "EINTR", after=1)


def others(case: Case, sites: Iterable[str], img: Iterable[str], drive: str) -> None:
    """Let the same calls fail with ENOLCK for ``qemu-img IMG`` and ``-drive DRIVE``."""
    case.section("The other programs")
    for site in sites:
        fault = f"{site} of {image_name(case)} fails with ENOLCK"
        attempt(case, fault, case.qemu_img, *img)
        attempt(case, fault, case.qemu, *QUIET, "-drive", drive, stdin="quit\n")


def attempt(case: Case, fault: str, program: Program, *command: str, stdin: str = "") -> Completed:
    """Show a fault, what a program on which it falls complains about, and what is left of it.

    The lock calls that it made are those that `show_calls` shows next.
    """
    case.lock_calls()  # what came before is not asked for any more
    case.log(f"\n{fault}")
    with case.faults(fault) as active:
        done = program(*command, stdin=stdin)
    case.log(done.stderr, case.messages, filters.errno_names)
    case.log(f"exit status {done.status}; calls that failed: {active.hits}; held: {held(case)}")
    return done


def show_calls(case: Case, part: str = "", after: int = 0) -> None:
    """Show the lock calls since they were last shown, but for the probe of OFD locks.

    With *part*, only those whose line has it, each with as many calls *after* it.
    """
    lines = [line for line in case.lock_calls().splitlines() if ": probe of " not in line]
    wanted = {i + k for i, line in enumerate(lines) if part in line for k in range(after + 1)}
    case.log("".join(f"  {lines[i]}\n" for i in sorted(wanted)), case.paths, _plain)


def _plain(text: str) -> str:
    """Leave out directories, and the names of programs."""
    text = re.sub(r"^  \S+: ", "  ", text.replace("TEST_DIR/", ""), flags=re.M)
    return re.sub(r": held by .*", ": held", text)


def image_name(case: Case) -> str:
    """Return the image as plans of faults name it: below the directory that a case runs in."""
    return Path(case.image).name


def held(case: Case, image: str = "") -> str:
    """Return the locked bytes of the test image, or of another one, in words."""
    return ", ".join(_word(byte) for byte in sorted(_locked(image or case.image))) or "nothing"


def _locked(image: str) -> set[int]:
    inode = str(Path(image).stat().st_ino)
    locked: set[int] = set()
    for line in Path("/proc/locks").read_text().splitlines():
        # "1: OFDLCK ADVISORY  READ -1 fe:00:1234 100 101"; a waiter has "->" as second word.
        kind, _, _, _, file, first, last = line.replace("-> ", "").split()[1:8]
        if kind == "OFDLCK" and file.split(":")[2] == inode:
            locked.update(range(int(first), int(last) + 1))
    return locked


def _word(byte: int) -> str:
    group, permission = divmod(byte - 100, 100)
    return f"{byte} ({('uses', 'unshares')[group]} {PERMISSIONS[permission]})"
