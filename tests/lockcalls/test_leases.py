# SPDX-License-Identifier: GPL-2.0-or-later
"""Leases: those that Samba's server takes, and of each kind those of a program of Python's."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lockcalls.support import FAULTS, Run, need
from tests.lockcalls.told_by_strace import CALLS, lines, plain

Traced = Callable[[], list[str]]

LEASES = [sys.executable, "-I", "-S", str(Path(__file__).with_name("leases.py"))]


def test_same_as_alone(supervised: Run, image: Path, traced: Traced) -> None:
    """The results are the same, and whom the kernel tells when another opens the file."""
    bare = subprocess.run(
        [*LEASES, image], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    done = supervised([*LEASES, str(image)])
    assert (done.stdout, done.stderr) == (bare, "")
    assert "told: another opens it\n" in bare
    said = [line.partition(",")[0].split(": ")[1] for line in bare.splitlines() if ", has " in line]
    told = [line.rpartition(": ")[2] for line in traced()]
    assert [result.partition(" (")[0] for result in told] == said
    assert said.count("ok") > 4


def test_lines_and_a_plan(supervised: Run, image: Path, traced: Traced) -> None:
    plan = f"lease {image} by leases.py fails with ENOLCK from call 2 once"
    done = supervised([*LEASES, str(image)], plan)
    assert done.stdout.splitlines()[3] == "write: ENOLCK, has unlock, owner none"
    assert traced()[:7] == [
        "leases.py: lease unlock of TEST_DIR/t.raw: EAGAIN",
        "leases.py: lease of TEST_DIR/t.raw, read: ok",
        "leases.py: lease unlock of TEST_DIR/t.raw: ok",
        "leases.py: lease of TEST_DIR/t.raw, write: ENOLCK (injected)",
        "leases.py: lease unlock of TEST_DIR/t.raw: EAGAIN",
        "leases.py: lease of TEST_DIR/t.raw, write: EAGAIN (open in leases.py)",
        "leases.py: lease unlock of TEST_DIR/t.raw: EAGAIN",  # there is none to let go
    ]


@pytest.fixture
def smbd(tmp_path: Path) -> list[str]:
    """Return a command: a client of Samba's server opens the file share/f, with an oplock."""
    need("/usr/sbin/smbd", "unshare")
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network of its own for port 445")  # as an ordinary user
    (tmp_path / "share").mkdir()
    (tmp_path / "share/f").touch()
    share = str(Path(__file__).with_name("samba_share.py"))
    return ["unshare", "--net", "/usr/bin/python3", share, str(tmp_path)]


LEASE = "smbd: lease of TEST_DIR/share/f, write"


@pytest.mark.parametrize(
    ("plan", "results"),
    [
        ("", [f"{LEASE}: ok", "smbd: lease unlock of TEST_DIR/share/f: ok"]),
        ("lease share/f by smbd fails with EIO", [f"{LEASE}: EIO (injected)"]),
        (
            "lease unlock share/f fails with EIO",
            [f"{LEASE}: ok", "smbd: lease unlock of TEST_DIR/share/f: EIO (injected)"],
        ),
    ],
)
def test_samba(  # noqa: PLR0917 - fixtures and a row of the table
    supervised: Run,
    smbd: list[str],
    traced: Traced,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plan: str,
    results: list[str],
) -> None:
    """A lease that is refused is no error to its client; each lock in its databases is ok."""
    monkeypatch.chdir(tmp_path)
    done = supervised(smbd, plan, timeout=120)
    assert (done.stdout, done.stderr) == ("opened and closed\n", "")
    leases = [line for line in traced() if ": lease" in line]
    assert leases == results
    others = [line for line in traced() if line not in leases]
    assert len(others) > 100
    assert all(line.endswith((" posix: ok", " waiting: ok")) for line in others)


def test_samba_where_the_file_is_open(
    supervised: Run, smbd: list[str], traced: Traced, tmp_path: Path
) -> None:
    done = supervised(["sh", "-c", 'exec 9<share/f; "$@"', "sh", *smbd], cwd=tmp_path, timeout=120)
    assert (done.stdout, done.stderr) == ("opened and closed\n", "")
    (told,) = [line for line in traced() if ": lease" in line]
    assert told.startswith(f"{LEASE}: EAGAIN (open in ")
    assert " sh " in told
    assert " smbd " in told  # which has it from the shell


def test_samba_stands_still(
    supervised: Run, smbd: list[str], traced: Traced, tmp_path: Path
) -> None:
    script = f"""
key=$({FAULTS} --add 'lease share/f by smbd is paused')
"$@" >said & {FAULTS} --await $key; grep -c ': lease' trace
{FAULTS} --clear $key; wait; cat said
"""
    done = supervised(["sh", "-c", script, "sh", *smbd], cwd=tmp_path, timeout=120)
    assert (done.stdout, done.stderr) == ("1\n1\n1\nopened and closed\n", "")
    leases = [line.rpartition(": ")[2] for line in traced() if ": lease" in line]
    assert leases == ["paused", "ok", "ok"]


def test_samba_and_strace(supervised: Run, smbd: list[str], traced: Traced, tmp_path: Path) -> None:
    need("strace")
    log = tmp_path / "strace"
    line = ["strace", "-fy", "-o", str(log), "-e", CALLS, *smbd]
    subprocess.run(line, capture_output=True, check=True, timeout=120)
    supervised(smbd, timeout=120)
    calls = [line for line in lines(log.read_text()) if line.startswith("lease")]
    assert [plain(line) for line in traced() if ": lease" in line] == calls
    assert len(calls) == 2
