# SPDX-License-Identifier: GPL-2.0-or-later
"""Too little of what a run needs: room, files, processes. It is said as such, and is a failure."""

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks.apart import GOES_ON
from tests.attacks.places import ALL, HERE, fill, has_namespaces, run
from tests.conftest import ROOT, MakeSuite, quiet_environment

PIDS = Path("/sys/fs/cgroup/pids")

_MOUNT = "mkdir -p {scratch}; mount -t tmpfs -o {options} t {scratch}; "
_FILL = "head -c {bytes} /dev/zero >{scratch}/fill; "
LITTLE = {
    **{f"{n} inodes": _MOUNT.replace("{options}", f"nr_inodes={n}") for n in (2, 3, 4, 6, 9, 12)},
    **{
        f"{kilobytes} kB": _MOUNT.replace("{options}", "size=1M")
        + _FILL.replace("{bytes}", str((1024 - kilobytes) * 1024))
        for kilobytes in (0, 4, 8, 12, 24)
    },
    **{f"{n} descriptors": f"ulimit -n {n}; " for n in (8, 12, 16, 24, 39)},
    **{
        f"{n} processes": f"echo {n} >{{group}}/pids.max; echo $$ >{{group}}/cgroup.procs; "
        for n in (3, 4, 6, 8, 10)
    },
    "no more processes": f'set -- {sys.executable} {HERE}/refuse.py 56 EAGAIN "$@"; ',
}
USUAL = ("3 inodes", "0 kB", "12 descriptors", "8 processes")


def check(said: str, status: int) -> None:
    """Assert that a run tells of too little in words, and passes for nothing else."""
    assert status != GOES_ON, said
    assert not re.search(r"^Traceback", said, re.M), said  # a case's own is in the difference
    if status == 2:
        assert said.count("\n") == 1, said
        return
    assert status == 1, said
    assert " NOT RUN" not in said
    words = [*map(os.strerror, (errno.ENOSPC, errno.EAGAIN)), "can't start new thread"]
    assert any(word in said for word in words), said


@pytest.mark.parametrize("little", LITTLE if ALL else USUAL)
def test_too_little(suite: MakeSuite, tmp_path: Path, little: str) -> None:
    """Promised: words that name it, in a failure or one line; no traceback, not "not run"."""
    if not has_namespaces() or ("processes" in little and not os.access(PIDS, os.W_OK)):
        pytest.skip("needs the right to mount, and control groups of version 1")
    fill(suite)
    group = PIDS / f"goldlock-{os.getpid()}"
    if "{group}" in LITTLE[little]:
        group.mkdir()
    try:
        script = LITTLE[little].format(scratch=tmp_path / "scratch", group=group)
        before = ["sh", "-ec", f'{script}exec "$@"', "sh"]
        done = run(suite.root, tmp_path / "scratch", before)
    finally:
        if group.exists():
            group.rmdir()
    check(done.stdout, done.returncode)


NESTED = {"lists": "[" * 100_000, "objects": '{"a":' * 100_000, "numbers": "9" * 100_000}


@pytest.mark.usefixtures("_supervisor")
@pytest.mark.parametrize("of", NESTED)
@pytest.mark.parametrize("file", [".pytest_cache/d/goldlock/history", ".goldlock-durations.json"])
def test_a_nested_memory(suite: MakeSuite, tmp_path: Path, file: str, of: str) -> None:
    """Promised: a damaged history is none; a damaged file of the suite's is one line."""
    fill(suite)
    path = suite.root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(NESTED[of])
    options = [] if "history" in file else ["--shard", "1/1"]
    done = run(suite.root, tmp_path / "scratch", [], *options)
    assert "Traceback" not in done.stdout
    if "history" in file:
        assert "5 cases: 5 passed" in done.stdout
    else:
        assert (done.returncode, done.stdout.count("\n")) == (2, 1)
        assert f"{path}: " in done.stdout


@pytest.mark.parametrize("shard", ["1/99999999999", "99999999999/99999999999", "5/5"])
def test_many_shards(suite: MakeSuite, tmp_path: Path, shard: str) -> None:
    """Promised: each case is in one of them, however many there are."""
    fill(suite)
    done = run(suite.root, tmp_path / "scratch", [], "--shard", shard)
    assert done.returncode == 0, done.stdout
    assert re.match(rf"shard {shard}: (1|none) of 5 cases\n", done.stdout)


@pytest.mark.parametrize("shard", ["0/1", "2/1", "1/" + "9" * 5000, "-1/2", "1/0", "a/b", "1/2/3"])
def test_no_shards(suite: MakeSuite, tmp_path: Path, shard: str) -> None:
    """Promised: one line and exit status 2."""
    fill(suite)
    done = run(suite.root, tmp_path / "scratch", [], "--shard", shard)
    assert (done.returncode, done.stdout.count("\n")) == (2, 1), done.stdout


def test_a_command_in_a_folder_that_is_gone(suite: MakeSuite, tmp_path: Path) -> None:
    """Promised: one line and exit status 2, where a command stands in a removed folder."""
    fill(suite)
    gone = tmp_path / "gone"
    before = ["sh", "-ec", f'mkdir {gone}; cd {gone}; rmdir {gone}; exec "$@"', "sh"]
    done = run(suite.root, tmp_path / "scratch", before)
    assert (done.returncode, done.stdout.count("\n")) == (2, 1), done.stdout
    assert "the current folder" in done.stdout


@pytest.mark.parametrize("blocks", [1, 4, 16])
def test_bytecode_is_whole_or_not_there(tmp_path: Path, blocks: int) -> None:
    """A run where files may not be long does not harm those that come after it."""
    shutil.copytree(ROOT / "harness", tmp_path / "goldlock", ignore=lambda *_: {"__pycache__"})
    where = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""}
    for limit in (f"ulimit -f {blocks};", ""):
        done = subprocess.run(
            ["sh", "-c", f'{limit} exec "$@"', "sh", sys.executable, "-m", "goldlock", "--version"],
            env={**quiet_environment(), **where},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert any(tmp_path.rglob("cli.*.pyc")) == (not limit)
