# SPDX-License-Identifier: GPL-2.0-or-later
r"""Names that differ from run to run: directories, process ids."""

# `goldlock show` and `filter` start often: an expression is compiled where it is used.

import os
import re
from collections.abc import Callable


def directory(path: str, name: str) -> Callable[[str], str]:
    r"""Make a filter that writes *name* for the directory *path*, taken literally.

    Only the whole directory counts: neither ``/mnt/tmp/x`` nor ``/tmp/x.old`` is
    ``/tmp/x``. Where it is behind a symbolic link, its real path counts, too, as it is
    when this is made. Raises ValueError when *path* is not absolute, or is the root.

    before: ``Could not open '/tmp/x/t.qcow2'``
    after:  ``Could not open 'TEST_DIR/t.qcow2'``
    """
    path = path.rstrip("/")
    if not path.startswith("/"):
        raise ValueError(f"not the absolute path of a directory below the root: {path!r}")
    # The only slash that may stand before an absolute path is that of a URL.
    real = os.path.realpath(path)
    known = [path, real] if real != "/" else [path]
    any_of = "|".join(map(re.escape, known))
    pattern = rf"(?:(?<![\w./-])|(?<=://))(?:{any_of})(?![\w-]|\.\w)"

    def named(text: str) -> str:
        return re.sub(pattern, lambda _: name, text) if any(p in text for p in known) else text

    return named


def paths(test_dir: str, sock_dir: str) -> Callable[[str], str]:
    r"""Write ``TEST_DIR`` and ``SOCK_DIR`` for the directories of the case.

    before: ``Unable to create '/tmp/x/.git/index.lock'``
    after:  ``Unable to create 'TEST_DIR/.git/index.lock'``
    """
    of_test, of_sock = directory(test_dir, "TEST_DIR"), directory(sock_dir, "SOCK_DIR")
    return lambda text: of_sock(of_test(text))


def pids(text: str) -> str:
    r"""Write ``PID`` for process ids: numbers behind a word for one, or as logs have them.

    before: ``is held by process 1234 (apt); sshd[99]: pid: 1234``
    after:  ``is held by process PID (apt); sshd[PID]: pid: PID``
    """
    return re.sub(_PID, "PID", text)


_PID = (
    r"(?:(?<=\b[Pp][Ii][Dd] )|(?<=\b[Pp][Ii][Dd]: )|(?<=\b[Pp][Ii][Dd]=)"
    r"|(?<=\b[Pp]rocess )|(?<=\w\[)(?=[0-9]+\]:))[0-9]+\b"
)


def holders(text: str) -> str:
    r"""Write ``PID`` for process ids in tables of locks.

    before: ``t.db: byte 101, exclusive: sqlite3 (pid 7, holder)``
    after:  ``t.db: byte 101, exclusive: sqlite3 (pid PID, holder)``
    """
    text = re.sub(_HOLDER, r"\1PID\2", text)
    return re.sub(_LOCK_FILE, lambda line: pids(line[0]), text)


_LOCK_FILE = r"(?m): created by [^:\n]+ \(pid \d+\), open in .*$"
_HOLDER = r"(?m)(: [^:\n]+ \(pid )\d+(, (?:holder|contender)\))$"
