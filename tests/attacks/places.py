# SPDX-License-Identifier: GPL-2.0-or-later
"""A suite that uses all that goldlock does, and a look at what came of it in a hostile place."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.attacks.apart import GOES_ON
from tests.conftest import ROOT, MakeSuite, run_to_end

HERE = Path(__file__).parent
LIMIT = 120.0
"""Seconds for a run that takes half of one."""

NAMESPACES = ("unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc")

ALL = os.environ.get("GOLDLOCK_ATTACKS") == "all"
"""Whether the long attacks are to be made, too: ``python -m tests.attacks`` asks for them."""

_HEAD = "import fcntl\nfrom goldlock import Case, linux, run\n\n\n"
_CASES = {
    "1": ("echo one", "one\n"),
    "2.py": (
        """def main(case: Case) -> None:
    with open("f", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        case.section("who has it")
        case.log(case.locks().partition(": ")[2].partition(": ")[0])
""",
        "\n== who has it ==\nall bytes, exclusive (flock)\n",
    ),
    "3.py": (
        """def main(case: Case) -> None:
    with open("f", "w") as file, case.faults("flock of f fails with ENOLCK once"):
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            case.log(error.strerror)
    case.log("told" if case.lock_calls() else "nothing is told")
""",
        "No locks available\ntold\n",
    ),
    "4.py": (
        """def main(case: Case) -> None:
    with open("f", "w") as file:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, linux.flock(fcntl.F_WRLCK, 0, 1))
        case.log("locked")
""",
        "locked\n",
    ),
    "5.py": (
        """def main(case: Case) -> None:
    with case.task_group() as group:
        for word in "ab":
            group.start(task, word)


def task(case: Case, word: str) -> None:
    case.log(case.program("echo")(word).stdout)
""",
        "a\nb\n",
    ),
}
_NEEDS = {"3.py": "# needs: faults\n", "4.py": "# needs: ofd-locks\n"}


def fill(suite: MakeSuite) -> None:
    """Give a suite a case for each thing that goldlock does with the system."""
    for name, (text, golden) in _CASES.items():
        script = f"#!/usr/bin/env python3\n{_NEEDS.get(name, '')}{_HEAD}{text}\n\nrun(main)\n"
        suite.case(name, script if name.endswith(".py") else text, golden=golden)


@cache
def has_namespaces() -> bool:
    """Tell whether a command can be run in namespaces of its own."""
    return not subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode


def run(
    suite: Path, scratch: Path, before: Sequence[str] = (), *options: str
) -> "subprocess.CompletedProcess[str]":
    """Run a suite, with the command *before* ahead of it, where nobody else can be harmed."""
    ahead = [*NAMESPACES, sys.executable, str(HERE / "apart.py")] if has_namespaces() else []
    command = [sys.executable, str(ROOT / "run_tests.py"), "--suite", str(suite), "-j2", *options]
    line = [*ahead, *before, *command]
    return run_to_end(line, timeout=LIMIT, TEST_DIR=str(scratch), COLUMNS="300")


def check(done: "subprocess.CompletedProcess[str]", scratch: Path) -> str:
    """Assert that a run came to what it may in a hostile place; return what it came to.

    That is ``as without``, ``not run`` with a reason for each case that is not, or ``one line``
    and exit status 2; no process and no file is left.
    """
    said = done.stdout
    assert done.returncode != GOES_ON, said
    assert "Traceback" not in said
    left = [str(path) for path in scratch.glob("*")]
    assert not left, said
    if done.returncode == 2:
        assert said.count("\n") == 1, said
        return "one line"
    assert done.returncode == 0, said
    if re.search(r"^5 cases: 5 passed; ", said, re.M):
        return "as without"
    assert re.search(r"^5 cases: [1-4] passed, [1-4] not run; ", said, re.M), said
    for line in said.splitlines():
        assert " NOT RUN" not in line or re.search(r" NOT RUN \(.+\)", line), said
    return "not run"
