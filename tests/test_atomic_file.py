# SPDX-License-Identifier: GPL-2.0-or-later
"""A file that is replaced is the old one or the new one; nobody else's is touched."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from goldlock import atomic_file, safe_open

from tests.conftest import ROOT

KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from goldlock import atomic_file
os.fsync = lambda descriptor: os.kill(os.getpid(), 9)
atomic_file.replace(Path(sys.argv[1]), b"new")
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_has_left_is_cleared(tmp_path: Path) -> None:
    path = tmp_path / "a file"
    path.write_text("old")
    command = [sys.executable, "-c", KILLED, str(path), str(ROOT / ".import")]
    assert subprocess.run(command, check=False).returncode == -9
    (left,) = [name for name in names(tmp_path) if name != "a file"]
    assert path.read_text() == "old"
    assert atomic_file.clear(tmp_path) == [tmp_path / left]
    assert names(tmp_path) == ["a file"]


def test_what_is_being_written_is_not_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def clear_meanwhile(descriptor: int) -> None:
        assert len(names(tmp_path)) == 1
        assert atomic_file.clear(tmp_path) == []
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", clear_meanwhile)
    atomic_file.replace(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_only_what_looks_like_it_is_cleared(tmp_path: Path) -> None:
    token = "0123456789abcdef"
    for name in (".vimrc", f"a.{token}.goldlock", ".a.goldlock", f".a.{token}.goldlock.d"):
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / f".b.{token}.goldlock")
    (tmp_path / f".c.{token}.goldlock").symlink_to(".vimrc")
    before = names(tmp_path)
    assert atomic_file.clear(tmp_path) == []
    assert names(tmp_path) == before
    assert atomic_file.clear(tmp_path / "nowhere") == []


def test_a_planted_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should somebody guess the name of the temporary file all the same."""
    foreign = tmp_path / "foreign"
    foreign.write_text("foreign")
    monkeypatch.setattr(os, "urandom", bytes)
    (tmp_path / f".file.{'00' * 8}.goldlock").symlink_to("foreign")
    with pytest.raises(FileExistsError):
        atomic_file.replace(tmp_path / "file", b"new")
    assert foreign.read_text() == "foreign"
    assert not (tmp_path / "file").exists()


def test_mode_and_owner_stay(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o640)
    owner = (1234, 4321) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(path, *owner)
    atomic_file.replace(path, b"new")
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (*owner, 0o640)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_file_of_another_user_is_not_made_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    path = folder / "file"
    path.write_text("old")
    os.chown(path, 1234, 1234)
    script = (
        "import os, sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from goldlock import atomic_file\n"
        "os.chdir(os.path.dirname(sys.argv[1])); os.setuid(65534)\n"
        "try: atomic_file.replace(Path('file'), b'new')\n"
        "except OSError as error: print(error.strerror)\n"
    )
    command = [sys.executable, "-c", script, str(path), str(ROOT / ".import")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "is another user's, and would not stay so\n"
    assert path.read_text() == "old"
    assert names(folder) == ["file"]


def plant(kind: str, path: Path) -> None:
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(kind)


SURPRISES = [
    ("fifo", "is a FIFO, not a file"),
    ("folder", "is a directory, not a file"),
    ("/dev/null", "is a character device, not a file"),
    ("/dev/zero", "is a character device, not a file"),
]


@pytest.mark.parametrize(("kind", "said"), SURPRISES)
def test_what_is_no_file_is_neither_read_nor_replaced(tmp_path: Path, kind: str, said: str) -> None:
    path = tmp_path / "it"
    plant(kind, path)
    before = path.lstat()
    for do in (
        lambda: atomic_file.replace(path, b"new"),
        lambda: atomic_file.check(path),
        lambda: safe_open.read(path, follow=True),
    ):
        with pytest.raises(OSError, match=said):
            do()
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert names(tmp_path) == ["it"]
    assert safe_open.text(path) == ""


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(100 * 1024**3)
    with pytest.raises(OSError, match=r"has 107374182400 bytes, more than \d+"):
        safe_open.read(path)
    with safe_open.open_file(path, limit=None) as huge:
        assert huge.read(1) == b"\0"


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    """A process may have only so much (ulimit -v), and asked for as much as a file may have."""
    path = tmp_path / "file"
    path.write_bytes(b"a" * 3_000_000)
    tracemalloc.start()
    assert safe_open.read(path) == b"a" * 3_000_000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16_000_000


def test_a_link_is_followed_only_where_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    link = tmp_path / "link"
    link.symlink_to("file")
    assert safe_open.read(link, follow=True) == b"text"
    with pytest.raises(OSError, match="is a symbolic link, not a file"):
        safe_open.read(link)


def test_a_link_of_another_user_is_not_followed(tmp_path: Path) -> None:
    """As the kernel has it in /tmp, in any folder that is not that user's."""
    if os.geteuid():
        pytest.skip("needs the right to give a link away")
    precious, link = tmp_path / "precious", tmp_path / "link"
    precious.write_text("old")
    link.symlink_to(precious)
    os.lchown(link, 1234, 1234)
    for write in (atomic_file.check, lambda path: atomic_file.replace(path, b"new")):
        with pytest.raises(OSError, match="is another user's symbolic link"):
            write(link)
    assert precious.read_text() == "old"
    os.chown(tmp_path, 1234, 1234)
    atomic_file.replace(link, b"new")
    assert precious.read_text() == "new"


def test_a_name_as_long_as_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 127)
    atomic_file.replace(path, b"new")
    assert path.read_bytes() == b"new"
