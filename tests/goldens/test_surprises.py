# SPDX-License-Identifier: GPL-2.0-or-later
"""Goldens that are no regular files, and differences that would take for ever."""

import json
import os
import re
import time
from pathlib import Path

import pytest
from goldlock.goldens import diff
from goldlock.goldens.compare import Comparison
from goldlock.goldens.variants import Block, Golden

from tests.conftest import MakeSuite, RunTests


def plant(kind: str, path: Path) -> None:
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "sparse":
        with path.open("wb") as file:
            file.truncate(100 * 1024**3)
    else:
        path.symlink_to(kind)


SURPRISES = [
    ("fifo", "is a FIFO, not a file"),
    ("sparse", "has 107374182400 bytes, more than 268435456"),
    ("/dev/null", "is a character device, not a file"),
    ("/dev/zero", "is a character device, not a file"),
]


@pytest.mark.parametrize("options", [(), ("--update",), ("--update", "--force")])
@pytest.mark.parametrize(("kind", "said"), SURPRISES)
def test_a_golden_that_is_no_file_fails_its_case_and_stays(
    run_tests: RunTests, suite: MakeSuite, kind: str, said: str, options: tuple[str, ...]
) -> None:
    suite.case("1", "echo a")
    suite.case("2", "echo b", golden="b\n")
    golden = suite.root / "expected" / "1.out"
    plant(kind, golden)
    before = golden.lstat()
    done = run_tests("--suite", str(suite.root), *options, CI="")
    assert done.returncode == 1
    assert re.search(rf"^{golden}: {said}", done.stdout, re.M), done.stdout
    assert "2 cases: 1 passed, 1 failed;" in done.stdout
    after = golden.lstat()
    assert (after.st_ino, after.st_mode, after.st_size) == (
        before.st_ino,
        before.st_mode,
        before.st_size,
    )


@pytest.mark.parametrize("kind", ["fifo", "/dev/zero", "/dev/null"])
def test_a_memory_that_is_no_file_is_none(run_tests: RunTests, suite: MakeSuite, kind: str) -> None:
    suite.case("1", "echo a", golden="a\n")
    history = suite.root / ".pytest_cache" / "d" / "goldlock" / "history"
    history.parent.mkdir(parents=True)
    plant(kind, history)
    done = run_tests("--suite", str(suite.root), "-j", "2")
    assert done.returncode == 0
    assert re.search(r"history: is a .*, not a file; nothing is remembered$", done.stdout, re.M)
    assert history.lstat().st_mode == history.lstat().st_mode
    assert not history.is_file()


@pytest.mark.parametrize(
    "place", ["expected/.1.out", ".pytest_cache/d/goldlock/.history", ".goldlock-durations.json"]
)
def test_the_next_run_names_and_clears_what_a_killed_one_has_left(
    run_tests: RunTests, suite: MakeSuite, place: str
) -> None:
    suite.case("1", "echo a", golden="a\n")
    left = suite.root / f"{place}.0123456789abcdef.goldlock"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("half a g")
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0
    assert f"cleared, left by a run that was killed: {left}\n" in done.stdout
    assert [path.name for path in left.parent.glob("*.goldlock")] == []


def shown(old: str, new: str) -> list[str]:
    """Return what is said of the difference of two lines."""
    golden = Golden(Path("1.out"), [Block("", Path("1.out"), 1, [old])])
    (section,) = Comparison([old], [new]).results
    diff.explain(section, golden, diff.Budget())
    return [row.text for row in section.rows if row.mark == "?"]


def test_a_difference_of_json_says_where() -> None:
    assert shown('{"a": [1, {"b": 2}]}', '{"a": [1, {"b": 3}]}') == [
        "Value of root['a'][1]['b'] changed from 2 to 3."
    ]
    assert shown('{"a": 1, "b": 2}', '{"b": 2, "a": 1}') == ["the same JSON, written differently"]


@pytest.mark.parametrize(
    ("old", "new"), [('{"a": 1, "a": 2}', '{"a": 2}'), ('{"a": 1e400}', '{"a": 1e500}')]
)
def test_what_is_lost_when_json_is_read_is_not_called_the_same(old: str, new: str) -> None:
    assert "the same JSON, written differently" not in shown(old, new)


def test_keys_that_begin_with_underscores_count() -> None:
    assert shown('{"__a": 1}', '{"__a": 2}') == ["Value of root['__a'] changed from 1 to 2."]


def nested(depth: int, innermost: str) -> str:
    return "[" * depth + innermost + "]" * depth


ENDLESS = {
    "60 kB, one change": (json.dumps([0] * 20_000), json.dumps([0] * 10_000 + [1] + [0] * 9_999)),
    "every second item": (json.dumps([0] * 3000), json.dumps([0, 1] * 1500)),
    "330 deep": (nested(330, "1"), nested(330, "2")),
    "900 deep": (nested(900, "1"), nested(900, "2")),
    "10,000 deep": (nested(10_000, "1"), nested(10_000, "2")),
    "an object of 5,000": (
        json.dumps({str(n): n for n in range(5000)}),
        json.dumps({str(n): -n for n in range(5000)}),
    ),
    "1,000 characters": ("a" * 1000, "ab" * 500),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_difference_inside_a_line_is_bounded_in_time_and_depth(name: str) -> None:
    began = time.process_time()
    said = shown(*ENDLESS[name])
    assert time.process_time() - began < 30  # it is about two, where nothing else runs
    assert "the same JSON, written differently" not in said


def test_all_lines_of_a_case_together_are_bounded() -> None:
    lines = [json.dumps([n, *[0] * 600]) for n in range(200)]
    got = [json.dumps([n, *[0, 1] * 300]) for n in range(200)]
    golden = Golden(Path("1.out"), [Block("", Path("1.out"), 1, lines)])
    budget = diff.Budget()
    began = time.process_time()
    for section in Comparison(lines, got).results:
        diff.explain(section, golden, budget)
    assert time.process_time() - began < 30
