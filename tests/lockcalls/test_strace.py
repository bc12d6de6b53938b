# SPDX-License-Identifier: GPL-2.0-or-later
"""strace beside the trace, of programs that everybody has: the same calls with the same results."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lockcalls.support import Run, need
from tests.lockcalls.told_by_strace import CALLS, lines, plain

GIT = "git add a; git commit -qm x; git pack-refs --all; git branch b; git tag t; git branch -D b"
LEASES = Path(__file__).with_name("leases.py")
ADMIN = "root/var/lib/dpkg"
DPKG = f"mkdir -p {ADMIN}/updates {ADMIN}/info {ADMIN}/triggers; touch {ADMIN}/status"
DISK = """
qemu-img create -q -f qcow2 base.qcow2 1M
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 t.qcow2
"""
QEMU_IMG = "qemu-img info t.qcow2; qemu-img check t.qcow2; qemu-img commit -q t.qcow2"
QEMU_IO = """
qemu-io -c 'write 0 512' t.qcow2
qemu-io -r -c quit t.qcow2
qemu-io -r -U -c quit t.qcow2
"""
FLOCK = """
exec 9>f
flock 9
flock --nonblock f true
flock --shared --nonblock f true
flock --unlock 9
flock --shared f true
flock --nonblock --conflict-exit-code 3 f true
"""
TABLE = "create table t(x); insert into t values (1);"

PROGRAMS = {
    "sqlite": (["sqlite3"], "", f"sqlite3 t.db '{TABLE} begin; delete from t; commit;'", 20),
    "sqlite, WAL": (
        ["sqlite3"],
        "",
        f"sqlite3 t.db 'pragma journal_mode=wal; {TABLE} vacuum;'",
        20,
    ),
    "git": (["git"], "git init -q .; echo a >a", GIT, 30),
    "flock": (["flock"], "", FLOCK, 6),
    "dotlockfile": (
        ["dotlockfile"],
        "",
        "dotlockfile -p l; dotlockfile -r 0 -p l; dotlockfile -u l",
        7,
    ),
    "lockfile-create": (
        ["lockfile-create"],
        "",
        "lockfile-create -r 0 f; lockfile-create -r 0 f; rm f.lock",
        6,
    ),
    "dpkg": (["dpkg"], DPKG, "dpkg --root=$PWD/root --configure -a", 4),
    "lmdb": (["mdb_load"], "mkdir db", "echo key | mdb_load -T db; mdb_stat db; mdb_dump db", 5),
    "qemu-img": (["qemu-img"], DISK, QEMU_IMG, 40),
    "qemu-io": (["qemu-io"], DISK, QEMU_IO, 40),
    "leases.py": ([], "touch f", f"'{sys.executable}' -ISB '{LEASES}' f", 9),
    "coreutils": (
        [],
        "",
        "mkdir -p x/y; ln -s x z; mv x w; mv z w; rm -r w; rmdir nothing",
        6,
    ),
}


@pytest.mark.usefixtures("_of_git")
@pytest.mark.parametrize("name", PROGRAMS)
def test_same_as_strace(
    supervised: Run, tmp_path: Path, traced: Callable[[], list[str]], name: str
) -> None:
    programs, before, script, least = PROGRAMS[name]
    need("strace", *programs)
    bare, ours = tmp_path / "bare", tmp_path / "ours"
    bare.mkdir()
    subprocess.run(["sh", "-c", before], cwd=bare, check=True)
    shutil.copytree(bare, ours, symlinks=True)
    log = tmp_path / "strace"
    line = ["strace", "-f", "-y", "-o", str(log), "-e", CALLS, "sh", "-c", script]
    subprocess.run(line, cwd=bare, capture_output=True, check=False, timeout=120)
    supervised(["sh", "-c", script], files=True, cwd=ours, timeout=120)
    calls = list(lines(log.read_text()))
    assert len(calls) >= least
    assert [told for line in traced() if (told := plain(line))] == calls


def test_a_call_that_strace_tells_of_in_two_lines() -> None:
    """As one that ends after that of another process, for which it was waited."""
    log = """\
1 fcntl(3</f>, F_SETLEASE, F_RDLCK) = 0
2 flock(4</f>, LOCK_EX <unfinished ...>
1 fcntl(3</f>, F_SETLEASE, F_UNLCK <unfinished ...>
2 <... flock resumed>)              = 0
1 <... fcntl resumed>)              = 0
"""
    told = ["lease of f, read: ok", "flock of f, exclusive waiting: ok", "lease unlock of f: ok"]
    assert [*lines(log)] == told
