# SPDX-License-Identifier: GPL-2.0-or-later
"""Files as locks: they are made, renamed and removed by programs that everybody has.

GOLDLOCK_RANDOM_FILES=1-1000 tries as many programs by chance; by default it is a few.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lockcalls.support import Run, by_chance, need

Traced = Callable[[], list[str]]

NUMBERS = os.environ.get("GOLDLOCK_RANDOM_FILES", "1-40").split("-")
RANDOM = by_chance("random_files", *NUMBERS)


@pytest.fixture
def repository(tmp_path: Path, _of_git: None) -> Path:
    need("git")
    path = tmp_path / "r"
    subprocess.run(["git", "init", "-q", path], check=True)
    (path / "a").write_text("a\n")
    return path


def test_programs_by_chance(supervised: Run, tmp_path: Path, traced: Traced) -> None:
    """What each call returned is what is told of it, and what it is without a supervisor."""
    bare, ours = tmp_path / "bare", tmp_path / "ours"
    bare.mkdir()
    ours.mkdir()
    alone = subprocess.run(RANDOM, cwd=bare, capture_output=True, text=True, check=True)
    done = supervised(RANDOM, files=True, cwd=ours, timeout=3600)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == alone.stdout
    steps = re.findall(r"^\d+ \d (?!reopen)(\w+).*: (\w+)$", done.stdout, re.MULTILINE)
    assert len(steps) > 20 * (int(NUMBERS[1]) - int(NUMBERS[0]))
    told = re.findall(
        r"^\S+: (\w+) \S+.*?: (\w+)(?: \(created by random_files\))?$",
        "\n".join(traced()),
        re.MULTILINE,
    )
    assert [(call, result.replace("created", "ok")) for call, result in told] == steps


GIT_ADD = """\
git: create INDEX.lock: ok
git: create BLOB_FOLDER/tmp_obj_X: ENOENT
git: mkdir BLOB_FOLDER: ok
git: create BLOB_FOLDER/tmp_obj_X: ok
git: link BLOB_FOLDER/tmp_obj_X to BLOB: ok
git: unlink BLOB_FOLDER/tmp_obj_X: ok
git: rename INDEX.lock to INDEX: ok
"""


def test_git(supervised: Run, repository: Path, traced: Traced) -> None:
    assert supervised(["git", "add", "a"], files=True, cwd=repository).returncode == 0
    text = "".join(f"{line}\n" for line in traced())
    text = re.sub(r"tmp_obj_\w+", "tmp_obj_X", text)
    git = "TEST_DIR/r/.git"
    text = text.replace(f"{git}/index", "INDEX").replace(f"{git}/objects/78", "BLOB_FOLDER")
    assert re.sub(r"BLOB_FOLDER/[0-9a-f]{38}", "BLOB", text) == GIT_ADD


@pytest.mark.parametrize(
    ("plan", "said", "told"),
    [
        (
            "create .git/index.lock fails with EEXIST once",
            "fatal: Unable to create 'TEST_DIR/r/.git/index.lock': File exists.",
            "create TEST_DIR/r/.git/index.lock: EEXIST (injected)",
        ),
        (
            "rename .git/index.lock to .git/index fails with EIO",
            "fatal: Unable to write new index file",
            "rename TEST_DIR/r/.git/index.lock to TEST_DIR/r/.git/index: EIO (injected)",
        ),
        (
            "mkdir .git/objects/78 by git fails with ENOSPC",
            "error: unable to create temporary file: No space left on device",
            "mkdir TEST_DIR/r/.git/objects/78: ENOSPC (injected)",
        ),
    ],
)
def test_git_that_is_refused(  # noqa: PLR0917 - fixtures and a row of the table
    supervised: Run,
    repository: Path,
    traced: Traced,
    monkeypatch: pytest.MonkeyPatch,
    plan: str,
    said: str,
    told: str,
) -> None:
    monkeypatch.chdir(repository)
    done = supervised(["git", "add", "a"], plan)
    assert said in done.stderr.replace(str(repository.parent), "TEST_DIR")
    assert any(line.endswith(told) for line in traced())


def test_who_made_the_lock(supervised: Run, repository: Path, traced: Traced) -> None:
    """A commit of all holds the lock of the index while its hook runs another git."""
    hook = repository / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nenv -u GIT_INDEX_FILE git add a 2>&1\nexit 1\n")
    hook.chmod(0o755)
    script = "git add a; git commit -qam x"
    done = supervised(["sh", "-c", script], files=True, cwd=repository)
    assert "index.lock': File exists" in done.stdout + done.stderr
    lock = "create TEST_DIR/r/.git/index.lock"
    assert f"git: {lock}: EEXIST (created by git)" in traced()


def test_a_child_that_has_its_memory_from_its_parent(
    supervised: Run, tmp_path: Path, traced: Traced
) -> None:
    """posix_spawn(3) opens files in such a child (CLONE_VM and CLONE_VFORK)."""
    code = (
        "import os\n"
        "flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY\n"
        "opens = [(os.POSIX_SPAWN_OPEN, 1, 'new', flags, 0o600)]\n"
        "spawned = os.posix_spawn('/bin/echo', ['echo', 'x'], {}, file_actions=opens)\n"
        "print(os.waitpid(spawned, 0)[1])\n"
    )
    done = supervised([sys.executable, "-IS", "-c", code], files=True, cwd=tmp_path)
    assert (done.stdout, (tmp_path / "new").read_text()) == ("0\n", "x\n")
    name = Path(sys.executable).name
    assert traced() == [f"{name}: create TEST_DIR/new: ok"]


def test_a_file_that_is_open_already_is_not_made(
    supervised: Run, tmp_path: Path, traced: Traced
) -> None:
    """As by process substitution, >(...), where the path is that of a descriptor."""
    path = "os.open('/dev/fd/200', os.O_CREAT | os.O_WRONLY)"
    code = f"import os; os.dup2(1, 200); os.write({path}, b'x')"
    done = supervised([sys.executable, "-IS", "-c", code], files=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("x", "")
    assert traced() == []


OPENAT2 = """
import ctypes, errno, os, struct
libc = ctypes.CDLL(None, use_errno=True)
def openat2(path, flags):
    how = struct.pack("=QQQ", flags, 0o600 if flags & os.O_CREAT else 0, 0)
    failed = libc.syscall(437, os.open(".", os.O_PATH), path, how, len(how)) < 0
    print(errno.errorcode[ctypes.get_errno()] if failed else "ok")
openat2(b"new", os.O_CREAT | os.O_EXCL)
openat2(b"new", os.O_CREAT | os.O_EXCL)
openat2(b"new", os.O_CREAT | os.O_EXCL)
openat2(b"new", os.O_RDONLY)
"""


def test_openat2_whose_flags_are_in_memory(supervised: Run, tmp_path: Path, traced: Traced) -> None:
    plan = f"create {tmp_path}/new fails with EIO once"
    done = supervised([sys.executable, "-c", OPENAT2], plan, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("EIO\nok\nEEXIST\nok\n", "")
    name = Path(sys.executable).name
    results = ["EIO (injected)", "ok", f"EEXIST (created by {name})"]
    lines = [line for line in traced() if "__pycache__" not in line]
    assert lines == [f"{name}: create TEST_DIR/new: {result}" for result in results]


WHAT_CANNOT_BE_KNOWN = """
import ctypes, os, resource
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall(425, 8, ctypes.create_string_buffer(200))  # io_uring_setup, in every ABI
os.mkdir("/proc/self/cwd/x")
used = os.open(".", os.O_RDONLY)
resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, used + 1))
try: os.open("new", os.O_CREAT | os.O_EXCL)
except OSError as error: print(error.strerror)
os.rmdir("x")
libc.mkdir(b"..")
"""


def test_what_cannot_be_known_is_said(supervised: Run, tmp_path: Path, traced: Traced) -> None:
    """What io_uring does, and that the process has too many files open for one more."""
    done = supervised([sys.executable, "-c", WHAT_CANNOT_BE_KNOWN], files=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("Too many open files\n", "")
    name = Path(sys.executable).name
    calls = [
        "io_uring: what it does by it is unseen",
        "mkdir TEST_DIR/x: ok",
        "create TEST_DIR/new: ok",
        "create TEST_DIR/new: not done",
        "rmdir TEST_DIR/x: ok",
        "mkdir TEST_DIR/..: EEXIST",
    ]
    lines = [line for line in traced() if "__pycache__" not in line]
    assert lines == [f"{name}: {call}" for call in calls]


def test_a_user_of_other_rights(supervised: Run, tmp_path: Path, traced: Traced) -> None:
    """Root's supervisor cannot tell what others may do: it asks nobody to believe it."""
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "closed").mkdir()
    tmp_path.parent.chmod(0o755)
    tmp_path.chmod(0o755)
    script = "umask 0; cd open; setpriv --reuid=65534 --clear-groups mkdir a ../closed/b"
    done = supervised(["sh", "-c", script], files=True, cwd=tmp_path)
    assert "Permission denied" in done.stderr
    assert traced() == [
        "mkdir: mkdir TEST_DIR/open/a: ok?",
        "mkdir: mkdir TEST_DIR/closed/b: ok?",
        "mkdir: mkdir TEST_DIR/closed/b: not done",
    ]


DOTLOCKFILE = """\
dotlockfile: create TEST_DIR/TEMPORARY: ok
dotlockfile: link TEST_DIR/TEMPORARY to TEST_DIR/l: ok
dotlockfile: unlink TEST_DIR/TEMPORARY: ok
dotlockfile: create TEST_DIR/TEMPORARY: ok
dotlockfile: link TEST_DIR/TEMPORARY to TEST_DIR/l: EEXIST (created by dotlockfile)
dotlockfile: unlink TEST_DIR/TEMPORARY: ok
dotlockfile: unlink TEST_DIR/l: ok
"""


def test_dotlockfile(supervised: Run, tmp_path: Path, traced: Traced) -> None:
    need("dotlockfile")
    script = "dotlockfile -p l; dotlockfile -r 0 -p l; echo $?; dotlockfile -u l"
    done = supervised(["sh", "-c", script], files=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("4\n", "")
    text = "".join(f"{line}\n" for line in traced())
    assert re.sub(r"\.lk[^ /:]+", "TEMPORARY", text) == DOTLOCKFILE


@pytest.mark.parametrize(
    ("plan", "status"),
    [
        ("link to l fails with EEXIST", 4),
        ("link fails with EACCES from call 2 may miss", 0),
        ("create fails with EROFS", 2),
        ("unlink l fails with EIO may miss", 0),
    ],
)
def test_dotlockfile_that_is_refused(
    supervised: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: str, status: int
) -> None:
    need("dotlockfile")
    monkeypatch.chdir(tmp_path)
    assert supervised(["dotlockfile", "-r", "0", "-p", "l"], plan).returncode == status
