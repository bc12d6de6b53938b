# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/attacks.md: a line for each attack, with what is promised and what was seen.

It is made of the tests themselves, and of how they went, so that it cannot say anything else.
"""

import inspect
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "attacks.md"
TESTS = (
    *("tests/attacks", "tests/runner/test_hard_times.py", "tests/runner/test_clean_up.py"),
    *("tests/runner/test_mounts.py", "tests/runner/test_orphans.py"),
    *("tests/runner/test_stale_runs.py", "tests/runner/test_leaked_files.py"),
    *("tests/runner/test_named_lock.py", "tests/runner/test_lock_probe.py"),
    *("tests/goldens/test_surprises.py", "tests/test_atomic_file.py"),
    *("tests/reports/test_hostile_names.py", "tests/test_bad_input.py"),
)
"""The tests that are attacks."""

_HEAD = """\
# Attacks on the runner

Places, programs and people that mean it no good: what is promised, and how many attacks of the
kind were made and held. `python -m tests.attacks` makes all of them, as root (in namespaces of
their own), and writes this file; CI makes the quick ones, and as an ordinary user those that need
no mount. Of system calls and of files each is refused in turn. 200 kills at random moments of
each kind of run are a command of their own: `python -m tests.attacks.kills`, see below.

"""

_FOOT = """
## Kills

`python -m tests.attacks.kills [ROUNDS [SEED]]` kills the command, by SIGKILL, at moments that a
seed chooses, in a run, in `--update`, in `--review` and in a run with faults. After each, every
golden is the old one or the new one, whole; when the next run has ended, no process is left and
no file.
{kills}"""


class Table:
    """A plugin of pytest that takes down how attacks went."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self._functions: dict[str, pytest.Function] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the functions, in the order of files, from a run that only collects."""
        if not session.config.option.collectonly:
            return
        for item in session.items:
            assert isinstance(item, pytest.Function)
            name = item.nodeid.partition("[")[0]
            self._functions.setdefault(name, item)
            self.made[name] += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.held[report.nodeid.partition("[")[0]] += 1

    def text(self, kills: str = "") -> str:
        """Return the whole file; *kills* is what was seen of those."""
        made, held = sum(self.made.values()), sum(self.held.values())
        said = f"{held} of {made} held.\n"
        for file in dict.fromkeys(name.partition("::")[0] for name in self.made):
            names = [name for name in self.made if name.startswith(f"{file}::")]
            module = inspect.getdoc(self._functions[names[0]].module) or ""
            said += f"\n## {module.splitlines()[0].rstrip('.')}\n\n`{file}`\n\n"
            said += "| attack | promised | held |\n| --- | --- | --- |\n"
            said += "".join(f"{line}\n" for line in self._rows(names))
        return _HEAD + said + _FOOT.format(kills=kills)

    def _rows(self, names: Iterable[str]) -> Iterable[str]:
        for name in names:
            words = name.partition("::test_")[2].replace("_", " ")
            doc = inspect.getdoc(self._functions[name].function) or "as it says"
            promised = " ".join(doc.split("\n\n")[0].split()).removeprefix("Promised: ")
            yield f"| {words} | {promised} | {self.held[name]} of {self.made[name]} |"


def kills_in(text: str) -> str:
    """Return what a file says that was seen of kills."""
    return text.partition("no process is left and\nno file.\n")[2]


def rows(path: Path = FILE) -> dict[str, int]:
    """Return how many attacks of each kind a file tells of."""
    cells = [line.split(" | ") for line in path.read_text().splitlines() if line.count(" | ") == 2]
    return {
        attack.removeprefix("| "): int(held.removesuffix(" |").split(" of ")[1])
        for attack, _, held in cells
        if held[0].isdigit()
    }
