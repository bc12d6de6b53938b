# SPDX-License-Identifier: GPL-2.0-or-later
"""What a golden's reader is told: one wrong line is one failing section, whatever line."""

import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from goldlock import atomic_file
from goldlock.goldens import compare, diff
from goldlock.goldens.compare import Comparison, first_difference, to_lines
from goldlock.goldens.golden import (
    GoldenError,
    ensure_overwritable,
    read,
    uncommitted,
    write,
)
from goldlock.goldens.variants import Block, Golden, files, load
from goldlock.result import Change, SectionResult
from goldlock.text import sections
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT, MakeSuite, RunTests

EXPECTED = ROOT / "expected"
GOOD = {path.name: to_lines(path.read_text()) for path in sorted(EXPECTED.glob("*.out"))}


def failing(golden: list[str], got: list[str]) -> list[SectionResult]:
    return [section for section in Comparison(golden, got).results if section.changes]


def slips(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each text that is one slip away: a character, a line more, less, or swapped."""
    for i, line in enumerate(lines):
        yield f"{i + 1} changed", [*lines[:i], f"{line}x", *lines[i + 1 :]]
        yield f"{i + 1} removed", [*lines[:i], *lines[i + 1 :]]
        yield f"{i + 1} added", [*lines[:i], "a new line", *lines[i:]]
        if lines[i : i + 2] != lines[i : i + 2][::-1]:
            yield f"{i + 1} swapped", [*lines[:i], lines[i + 1], line, *lines[i + 2 :]]


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("side", ["golden", "output"])
def test_one_slip_fails_one_section(name: str, side: str) -> None:
    good = GOOD[name]
    for slip, bad in slips(good):
        found = failing(bad, good) if side == "golden" else failing(good, bad)
        assert len(found) == 1, slip


@pytest.mark.parametrize("name", GOOD)
def test_what_is_shown_of_a_slip_names_its_line(name: str) -> None:
    good = GOOD[name]
    for line in range(0, len(good), 7):
        bad = [*good]
        bad[line] += "x"
        (result,) = failing(bad, good)
        diff.explain(result, whole("expected/N.out", bad), diff.Budget())
        shown = result.text.split("\n")
        assert shown[0].startswith(f"expected/N.out:{line + 1}: ")
        assert f"-{line + 1:>6}  {bad[line]}" in shown
        assert f"+        {good[line]}".rstrip() in shown


LINES = st.lists(st.sampled_from(["a", "b", "", "== 1 ==", "== 2 ==", "=== 3 ==="]), max_size=12)


@given(golden=LINES, got=LINES)
def test_sections_differ_if_and_only_if_texts_do(golden: list[str], got: list[str]) -> None:
    assert bool(failing(golden, got)) == (golden != got)


@given(golden=LINES, got=LINES)
def test_the_changes_turn_the_golden_into_the_output(golden: list[str], got: list[str]) -> None:
    changes = [c for section in Comparison(golden, got).results for c in section.changes]
    lines = [*golden]
    for change in sorted(changes, key=lambda c: (c.start, c.stop), reverse=True):
        lines[change.start : change.stop] = change.got
    assert sorted(lines) == sorted(got)


@given(golden=LINES, got=LINES)
def test_where_little_effort_is_allowed_the_changes_are_right_all_the_same(
    golden: list[str], got: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "_EFFORT", 0)
        changes = [c for section in Comparison(golden, got).results for c in section.changes]
    text = "".join(f"{line}\n" for line in golden)
    assert compare.apply(text, changes) == "".join(f"{line}\n" for line in got)


def whole(path: str, lines: list[str]) -> Golden:
    """Return the golden of a file."""
    return Golden(Path(path), [Block("", Path(path), 1, lines)])


def test_of_very_many_sections_each_is_held_against_its_own() -> None:
    """All headings differ, the lines below two are exchanged, and each has an empty line."""
    golden = [line for n in range(4000) for line in (f"== Was {n} ==", f"line {n}", "", "end")]
    got = [line.replace("Was", "Is") for line in golden]
    got[4001], got[8001] = got[8001], got[4001]
    headings = [
        section.changes == [Change(4 * n, 4 * n + 1, (f"== Is {n} ==",))]
        for n, section in enumerate(failing(golden, got))
    ]
    assert [n for n, alone in enumerate(headings) if not alone] == [1000, 2000]


@given(golden=LINES, got=LINES)
def test_any_difference_can_be_shown(golden: list[str], got: list[str]) -> None:
    for section in failing(golden, got):
        diff.explain(section, whole("expected/N.out", golden), diff.Budget())
        assert "expected/N.out:" in section.text


def test_sections_have_titles_of_their_own() -> None:
    lines = ["top", "== A ==", "x", "=== B ===", "== A ==", "==A==", "= A =", "== A ==="]
    assert [(s.title, s.start, s.stop) for s in sections(lines)] == [
        ("before the first heading", 0, 1),
        ("A", 1, 3),
        ("B", 3, 4),
        ("A (2)", 4, 8),
    ]


def test_white_space_at_line_ends_does_not_count_and_nothing_else_is_left_out() -> None:
    assert to_lines("a \t\r\nb\f\n") == ["a", "b"]
    assert to_lines("a\n\n") == ["a", ""]
    assert to_lines(" a\n") == [" a"]
    assert to_lines("a\x0bb\u2028c\n") == ["a\x0bb\u2028c"]
    assert to_lines("a\n") == to_lines("a")


def test_large_files_are_compared_line_by_line(tmp_path: Path) -> None:
    golden, output = tmp_path / "golden", tmp_path / "output"
    golden.write_bytes(b"a\nb \nc\n")
    output.write_bytes(b"a\t\nb\nc")
    assert first_difference(golden, output) is None
    output.write_bytes(b"a\nb\n\xff\n")
    assert first_difference(golden, output) == (3, "c", "\udcff")
    output.write_bytes(b"a\nb\nc\n\n")
    assert first_difference(golden, output) == (4, "", "")


def test_a_conflict_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "1.out"
    path.write_text("a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n")
    with pytest.raises(GoldenError, match=r"1\.out:2: conflict marker <<<<<<<"):
        read(path)
    path.write_text("=======\n<<<<<<<<<<\n")  # a rule, and an arrow
    assert read(path) == "=======\n<<<<<<<<<<\n"


def test_a_golden_keeps_its_mode_and_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "expected" / "1.out"
    write(path, "new\n")
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    write(path, "\udcff\x00\n")
    assert path.read_bytes() == b"\xff\x00\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["1.out"]


@pytest.mark.parametrize("dangling", [False, True])
def test_a_golden_that_is_a_link_stays_one(
    run_tests: RunTests, suite: MakeSuite, *, dangling: bool
) -> None:
    suite.case("1", "echo new")
    target = suite.root / "shared" / "golden"
    target.parent.mkdir()
    if not dangling:
        target.write_text("old\n")
    link = suite.root / "expected" / "1.out"
    link.symlink_to("../shared/golden")
    done = run_tests("--suite", str(suite.root), "--update", CI="")
    assert done.returncode == 0, done.stdout
    assert link.readlink() == Path("../shared/golden")
    assert target.read_text() == "new\n"
    assert [each.name for each in target.parent.iterdir()] == ["golden"]


def test_what_a_link_leads_to_is_not_written_over_uncommitted_changes(tmp_path: Path) -> None:
    """The link itself is committed, and has not changed."""
    (tmp_path / "expected").mkdir()
    link, target = tmp_path / "expected" / "1.out", tmp_path / "golden"
    link.symlink_to("../golden")
    target.write_text("committed\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=b", "-C", str(tmp_path)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], check=True)
    ensure_overwritable(link, force=False)
    target.write_text("not committed\n")
    with pytest.raises(GoldenError, match="/golden has changes that are not committed"):
        ensure_overwritable(link, force=False)


@pytest.mark.parametrize(
    ("before", "how"),
    [
        ("old\n", "echo new >$golden"),
        ("old\n", "echo new >$golden.new; mv $golden.new $golden"),
        ("new\n", "rm $golden; echo new >$golden"),
        (None, "echo new >$golden"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--update",)])
def test_a_case_that_writes_its_own_golden_fails(
    run_tests: RunTests, suite: MakeSuite, before: str | None, how: str, options: tuple[str, ...]
) -> None:
    golden = suite.root / "expected" / "1.out"
    suite.case("1", f"golden={golden}\n{how}\necho new", before)
    suite.case("2", "echo other", "was\n" if options else "other\n")
    done = run_tests("--suite", str(suite.root), *options, CI="")
    assert f"{golden} was changed while the case ran: by the case, or someone else" in done.stdout
    assert re.search("^2 cases: 1 (failed|passed), 1 (failed|passed);", done.stdout, re.M)
    assert (suite.root / "expected" / "2.out").read_text() == "other\n"


def test_a_full_disk_leaves_the_old_golden(tmp_path: Path) -> None:
    path = tmp_path / "1.out"
    path.write_text("old\n")
    script = (
        "import sys; from pathlib import Path\n"
        "from goldlock.goldens.golden import write, GoldenError\n"
        "try: write(Path(sys.argv[1]), 'new\\n' * 1000)\n"
        "except GoldenError as error: print(error)"
    )

    def little_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = subprocess.run(  # the limit is for a process of its own
        [sys.executable, "-B", "-c", script, str(path)],
        preexec_fn=little_room,
        cwd=EXPECTED.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "the golden is as it was" in done.stdout
    assert path.read_text() == "old\n"
    assert [each.name for each in tmp_path.iterdir()] == ["1.out"]


def test_a_kill_at_any_write_leaves_the_old_golden_or_the_new(tmp_path: Path) -> None:
    """Kill the writer at each of its system calls that touch the file system."""
    path = tmp_path / "1.out"
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from goldlock.goldens.golden import write\n"
        "left = int(sys.argv[2])\n"
        "def hook(event, args):\n"
        "    global left\n"
        "    if event not in ('open', 'os.rename', 'os.chmod'): return\n"
        "    if os.path.dirname(sys.argv[1]) in str(args[0]):\n"
        "        left -= 1\n"
        "        if left < 0: os.kill(os.getpid(), 9)\n"
        "sys.addaudithook(hook)\n"
        "write(Path(sys.argv[1]), 'new\\n')\n"
    )
    for step in range(10):
        path.write_text("old\n")
        done = subprocess.run(
            [sys.executable, "-c", script, str(path), str(step)],
            cwd=EXPECTED.parent,
            check=False,
        )
        assert path.read_text() == ("old\n" if done.returncode else "new\n")
        if not done.returncode:
            break
    atomic_file.clear(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["1.out"]
    assert step >= 2  # it was killed at least before the file, its mode and its name were there


def test_the_goldens_of_both_policies_differ_in_the_errno_text_only() -> None:
    said = ": Resource temporarily unavailable"
    for number in ("153", "182"):
        elided = load(files(EXPECTED, number, ["elided"])).lines
        assert [line.removesuffix(said) for line in GOOD[f"{number}.out"]] == elided
    assert sum(line.endswith(said) for line in GOOD["153.out"]) == 38
    assert len(GOOD["153.out"]) == 476
    assert len(GOOD["182.out"]) == 32


def test_the_variables_of_a_git_hook_switch_no_guard_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "1.out"
    path.write_text("old\n")
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    monkeypatch.setenv("GIT_DIR", "nowhere")
    assert uncommitted(path)


def test_a_git_that_does_not_tell_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    with pytest.raises(GoldenError, match=r"1\.out: git does not tell its state: .*; mend that"):
        uncommitted(tmp_path / "1.out")
