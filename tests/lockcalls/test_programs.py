# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that everybody has: flock(1), SQLite, dpkg. What they see, and what is told of it."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lockcalls.support import Run, need

Traced = Callable[[], list[str]]

# sqlite3 locks these bytes of a database: see os_unix.c of SQLite.
PENDING, RESERVED, SHARED = 0x40000000, 0x40000001, "1073741826-1073742335"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    need("sqlite3")
    path = tmp_path / "t.db"
    subprocess.run(["sqlite3", path, "create table t(x);"], check=True)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a directory that dpkg takes for a system with nothing installed."""
    need("dpkg")
    admin = tmp_path / "root/var/lib/dpkg"
    for folder in ("updates", "info", "triggers"):
        (admin / folder).mkdir(parents=True)
    for file in ("status", "available"):
        (admin / file).touch()
    return tmp_path / "root"


def test_flock_as_it_ends(supervised: Run, tmp_path: Path, traced: Traced) -> None:
    script = """
exec 9>f
flock 9
flock --nonblock f true || echo "refused: $?"
flock --shared --nonblock f true || echo "refused: $?"
flock --wait 2 f true || echo "gave up: $?"
flock --unlock 9
flock f echo "got it"
"""
    done = supervised(["sh", "-c", script], cwd=tmp_path)
    said = ["refused: 1", "refused: 1", "gave up: 1", "got it"]
    assert (done.stdout.splitlines(), done.stderr) == (said, "")
    flock = "flock: flock of TEST_DIR/f"
    assert traced() == [
        f"{flock}, exclusive waiting: ok",
        f"{flock}, exclusive: EAGAIN (held by sh)",
        f"{flock}, shared: EAGAIN (held by sh)",
        f"{flock}, exclusive waiting: waits (held by sh)",
        f"{flock}, exclusive waiting: gave up",
        "flock: flock unlock of TEST_DIR/f: ok",
        f"{flock}, exclusive waiting: ok",
    ]


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ("flock f fails with ENOLCK", (71, "flock: f: No locks available\n")),
        ("flock fails with EIO", (65, "flock: f: Input/output error\n")),
        ("flock f fails with EAGAIN", (1, "")),
        ("flock unlock f fails with EIO may miss", (0, "")),
        ("flock other fails with EIO may miss", (0, "")),
        ("flock f by sh fails with EIO may miss", (0, "")),
        ("lock any byte of f fails with EIO may miss", (0, "")),
    ],
)
def test_flock_fails_on_purpose(
    supervised: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plan: str, said: object
) -> None:
    monkeypatch.chdir(tmp_path)
    done = supervised(["flock", "-n", "f", "true"], plan)
    assert (done.returncode, done.stderr) == said


def test_flock_that_waits_gets_the_lock(supervised: Run, tmp_path: Path, traced: Traced) -> None:
    """It is the program that waits, and no event tells when it begins and ends: it is asked."""
    file = tmp_path / "f"
    file.touch()
    waits = f"grep -q -e '->.*FLOCK.*:{file.stat().st_ino} ' /proc/locks"
    script = f"""
mkfifo go; exec 9<f; flock 9
flock f sh -c 'echo got it; read line <go' & until {waits}; do :; done
flock -u 9; until [ $(grep -c ': ok$' trace) = 3 ]; do :; done; echo >go; wait
"""
    done = supervised(["sh", "-c", script], cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("got it\n", "")
    assert traced() == [
        "flock: flock of TEST_DIR/f, exclusive waiting: ok",
        "flock: flock of TEST_DIR/f, exclusive waiting: waits (held by sh)",
        "flock: flock unlock of TEST_DIR/f: ok",
        "flock: flock of TEST_DIR/f, exclusive waiting: ok",
    ]


def test_many_at_once(supervised: Run, tmp_path: Path, traced: Traced) -> None:
    script = "for i in $(seq 200); do flock f echo $i & done; wait"
    done = supervised(["sh", "-c", script], cwd=tmp_path, timeout=300)
    assert (done.stderr, done.returncode) == ("", 0)
    assert sorted(map(int, done.stdout.split())) == [*range(1, 201)]
    ended = [line for line in traced() if not re.search(r": waits( \(held by \S+\))?$", line)]
    assert len(ended) == 200


def test_database_is_locked(supervised: Run, database: Path, traced: Traced) -> None:
    """A writer holds RESERVED, as a transaction of one sqlite3; another is refused."""
    script = """
mkfifo go
{ echo 'begin immediate;'; echo '.shell echo locked > go'; cat hold; } | sqlite3 t.db &
mkfifo hold 2>&-; read x < go
sqlite3 t.db 'insert into t values (1);' 2>&1
echo 'commit;' > hold; wait
"""
    subprocess.run(["mkfifo", "hold"], cwd=database.parent, check=True)
    done = supervised(["sh", "-c", script], cwd=database.parent)
    assert "database is locked" in done.stdout
    file = "TEST_DIR/t.db, write posix"
    assert f"sqlite3: lock {RESERVED} of {file}: ok" in traced()
    assert f"sqlite3: lock {RESERVED} of {file}: EAGAIN (held by sqlite3)" in traced()


def test_lock_that_is_shared_and_then_wanted_alone(
    supervised: Run, database: Path, traced: Traced
) -> None:
    """Another reader is in the way of a writer that reads as well; the writer itself is not."""
    script = """
mkfifo go hold
{ echo 'begin; select * from t;'; echo '.shell echo reading > go'; cat hold; } | sqlite3 t.db &
read x < go
sqlite3 t.db 'insert into t values (1);' 2>&1
echo 'commit;' > hold; wait
sqlite3 t.db 'insert into t values (2);'
"""
    done = supervised(["sh", "-c", script], cwd=database.parent)
    assert "database is locked" in done.stdout
    wanted = [line for line in traced() if f"lock {SHARED} of TEST_DIR/t.db, write" in line]
    results = [line.rpartition("posix: ")[2] for line in wanted]
    assert results == ["EAGAIN (held by sqlite3)", "ok"]


def test_database_fails_on_purpose(supervised: Run, database: Path, traced: Traced) -> None:
    insert = ["sqlite3", str(database), "insert into t values (1);"]
    done = supervised(insert, f"lock {RESERVED} of {database} fails with EAGAIN")
    assert "database is locked" in done.stderr
    done = supervised(insert, f"lock {SHARED} of {database} fails with EIO")
    assert "disk I/O error" in done.stderr
    assert any(line.endswith("read posix: EIO (injected)") for line in traced())


def test_question_about_a_whole_file(supervised: Run, tmp_path: Path, traced: Traced) -> None:
    """No probe, whatever the kind of lock: dpkg asks so who holds its lock."""
    file = tmp_path / "f"
    file.write_bytes(b"x")
    code = (
        "import fcntl, os, struct\n"
        "fd = os.open('f', os.O_RDWR)\n"
        "for command in (fcntl.F_GETLK, fcntl.F_OFD_GETLK):\n"
        "    fcntl.fcntl(fd, command, struct.pack('@hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0))\n"
    )
    supervised(["python3", "-c", code], cwd=tmp_path)
    calls = [line.partition(": ")[2] for line in traced()]
    assert calls == [
        "test all of TEST_DIR/f, write posix: free",
        "test all of TEST_DIR/f, write: free",
    ]


def test_lockf_of_the_c_library(supervised: Run, tmp_path: Path, traced: Traced) -> None:
    code = (
        "import os\n"
        "fd = os.open('f', os.O_RDWR | os.O_CREAT)\n"
        "os.lseek(fd, 7, os.SEEK_SET)\n"
        "for how in (os.F_TEST, os.F_TLOCK, os.F_LOCK, os.F_ULOCK): os.lockf(fd, how, 3)\n"
    )
    assert supervised([sys.executable, "-c", code], cwd=tmp_path).stderr == ""
    assert [line.partition(": ")[2] for line in traced()] == [
        "test 7-9 of TEST_DIR/f, read posix: free",
        "lock 7-9 of TEST_DIR/f, write posix: ok",
        "lock 7-9 of TEST_DIR/f, write posix waiting: ok",
        "unlock 7-9 of TEST_DIR/f posix: ok",
    ]


def test_dpkg(supervised: Run, root: Path, traced: Traced) -> None:
    dpkg = ["dpkg", f"--root={root}", "--configure", "-a"]
    assert supervised(dpkg).returncode == 0
    assert "dpkg: lock all of TEST_DIR/root/var/lib/dpkg/lock, write posix: ok" in traced()
    assert all(line.endswith(": ok") for line in traced())
    done = supervised(dpkg, f"lock exactly all of {root}/var/lib/dpkg/lock fails with EAGAIN")
    assert "dpkg database lock was locked by another process" in done.stderr
    assert any(line.endswith("lock, write posix: EAGAIN (injected)") for line in traced())
