# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that the kernel does not let a supervisor look into, and that it gives no rights."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from goldlock.lockcalls import launcher
from goldlock.lockcalls.api import parse_plan, wrap

from tests.lockcalls.support import need

Traced = Callable[[], list[str]]

COMMAND = [sys.executable, "-m", "goldlock.lockcalls"]
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
LIKE_A_USER = [] if os.getuid() else ["setpriv", "--bounding-set=-sys_ptrace"]
"""Root, too, may not look into every process then."""

HIDES = """
import ctypes, fcntl, os, sys
if sys.argv[1] == "undumpable":
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
else:
    os.setuid(65534)
fd = os.open("f", os.O_RDWR)
fcntl.flock(fd, fcntl.LOCK_EX)
fcntl.lockf(fd, fcntl.LOCK_EX)
try: os.mkdir("d")
except OSError as error: print(error.strerror)
"""
UNSEEN = "lock call that cannot be read (EACCES): unseen"
LOCKS = "import fcntl; fcntl.lockf(open('f', 'r+'), fcntl.LOCK_SH, 1, 7)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in (tmp_path, tmp_path.parent):  # for another user, too
        part.chmod(0o755)
    (tmp_path / "f").touch()
    (tmp_path / "f").chmod(0o666)
    (tmp_path / "d").mkdir()
    return tmp_path


@pytest.mark.usefixtures("_supervisor")
@pytest.mark.parametrize("how", ["undumpable", pytest.param("another user", marks=AS_ROOT)])
def test_calls_that_cannot_be_read(folder: Path, traced: Traced, how: str) -> None:
    """Each is told, none is guessed; what comes later may have one in its way; a plan says so."""
    (folder / "hides").write_text(HIDES)
    python = f"'{sys.executable}' -ISB"
    script = f"""{python} hides '{how}'; {python} -c "{LOCKS}" """
    plan = f"flock of {folder}/f fails with EIO"
    line = wrap(["sh", "-c", script], parse_plan(plan), folder / "trace", files=True)
    done = subprocess.run(
        [*LIKE_A_USER, *line], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "File exists\n"
    assert done.stderr == (
        f"goldlock faults: {plan}: no call failed; of such calls there were none, but 3 could not "
        'be read; write "may miss" behind it if that is in order\n'
    )
    name = Path(sys.executable).name
    told = f"{name}: lock 7 of TEST_DIR/f, read posix waiting: ok?"
    assert traced() == [*[f"hides: {UNSEEN}"] * 3, told]


@pytest.mark.usefixtures("_supervisor")
@pytest.mark.parametrize("words", [["--check"], ["--", "touch", "ran"]])
def test_without_proc(tmp_path: Path, words: list[str]) -> None:
    need("unshare", "mount")
    apart = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace")
    script = 'mount -t tmpfs none /proc && exec "$@"'
    done = subprocess.run(
        [*apart, "sh", "-c", script, "sh", *COMMAND, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (launcher.UNAVAILABLE, "")
    assert done.stderr == "goldlock faults: /proc/self/fd: No such file or directory\n"
    assert not (tmp_path / "ran").exists()


@AS_ROOT
@pytest.mark.usefixtures("_supervisor")
def test_rights_of_a_file(folder: Path) -> None:
    """A program that is set-user-id runs without the other user's rights, which is said."""
    program = folder / "id"
    shutil.copy("/usr/bin/id", program)
    os.chown(program, 65534, -1)
    program.chmod(0o4755)
    alone = subprocess.run([program, "-u"], capture_output=True, text=True, check=True)
    if alone.stdout != "65534\n":
        pytest.skip("no file is set-user-id where this one is")
    done = subprocess.run(wrap([str(program), "-u"]), capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
    said = "set-user-id has no effect under a supervisor (no_new_privs)"
    assert done.stderr == f"goldlock faults: {program}: {said}\n"
