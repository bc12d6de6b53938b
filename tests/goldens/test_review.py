# SPDX-License-Identifier: GPL-2.0-or-later
"""A review, by a person at a real terminal; and the goldens that it leaves."""

import os
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pexpect
import pytest
from goldlock.goldens.compare import Comparison, Reading, apply, to_lines
from goldlock.result import Change
from goldlock.text import heading
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import PLUGIN, ROOT, MakeSuite, RunTests, quiet_environment
from tests.goldens.test_golden import LINES

OUTPUT = "top\n== One ==\n1\n== Two ==\n2\n== Three ==\n3\n"
GOLDEN = "top  \n== One ==\none\n== Two ==\ntwo\n== Three ==\n3\n"
PROMPT = "accept? [a,s,A,d,q,?] "

Start = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def start(suite: MakeSuite, tmp_path: Path) -> Iterator[Start]:
    """Start run_tests.py --review on the suite, at a terminal."""
    started: list[pexpect.spawn[str]] = []

    def start(*options: str, **variables: str) -> "pexpect.spawn[str]":
        runner = pexpect.spawn(
            sys.executable,
            [str(ROOT / "run_tests.py"), "--suite", str(suite.root), "--review", *options],
            env={**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch"), **variables},
            encoding="utf-8",
            timeout=120,
            dimensions=(50, 150),
        )
        runner.delaybeforesend = None
        started.append(runner)
        return runner

    yield start
    for runner in started:
        runner.close(force=True)


def answer(runner: "pexpect.spawn[str]", keys: Iterable[str]) -> str:
    """Give one key at each prompt; return what the review said after the first one was asked."""
    said = ""
    for key in keys:
        runner.expect_exact(PROMPT)
        said += str(runner.before)
        runner.send(key)
    runner.expect(pexpect.EOF)
    runner.close()
    return (said + str(runner.before)).replace("\r\n", "\n")


def shows(text: str) -> str:
    return f"cat <<'END'\n{text}END"


def golden(suite: MakeSuite, name: str = "1.out") -> str:
    return (suite.root / "expected" / name).read_text()


def test_one_of_two_sections_is_accepted_and_the_other_differs_again(
    start: Start, suite: MakeSuite, run_tests: RunTests
) -> None:
    suite.case("1", shows(OUTPUT), golden=GOLDEN)
    runner = start()
    said = answer(runner, "as")
    assert "[1 of 2] 1 [One]" in said
    assert "[2 of 2] 1 [Two]" in said
    assert "1.out, 1 of 2 sections accepted" in said
    assert "1 golden written, 1 still to mend" in said
    assert runner.exitstatus == 1
    assert golden(suite) == GOLDEN.replace("one", "1")  # also the blanks after "top"
    done = run_tests("--suite", str(suite.root))
    assert done.stdout.count("DIFFERS") == 1
    assert "DIFFERS [Two]" in done.stdout


def test_when_all_is_accepted_the_run_succeeds(
    start: Start, suite: MakeSuite, run_tests: RunTests
) -> None:
    suite.case("1", shows(OUTPUT), golden=GOLDEN)
    suite.case("2", "echo hello", golden="hello\n")
    suite.case("3", "echo new")
    lost = "top\n== One ==\n1\n== Lost ==\nlost\n== Three ==\n3\n"
    suite.case("4", shows(OUTPUT), golden=lost)
    runner = start()
    said = answer(runner, "Aaa")
    assert "[1 of 4] 1 [One]" in said
    assert "3 [before the first heading]" in said
    assert "3 goldens written, 0 still to mend" in said
    assert runner.exitstatus == 0
    assert golden(suite) == OUTPUT.replace("top", "top  ")
    assert golden(suite, "3.out") == "new\n"
    assert golden(suite, "4.out") == OUTPUT
    assert run_tests("--suite", str(suite.root)).returncode == 0


def test_quitting_keeps_what_was_accepted_so_far(start: Start, suite: MakeSuite) -> None:
    suite.case("1", shows(OUTPUT), golden=GOLDEN)
    suite.case("2", shows(OUTPUT), golden=GOLDEN)
    runner = start()
    said = answer(runner, "aq")
    assert "1.out, 1 of 2 sections accepted" in said
    assert runner.exitstatus == 1
    assert golden(suite) == GOLDEN.replace("one", "1")
    assert golden(suite, "2.out") == GOLDEN


def test_help_and_a_diff_decide_nothing(start: Start, suite: MakeSuite) -> None:
    suite.case("1", shows(OUTPUT), golden=GOLDEN)
    runner = start()
    said = answer(runner, ["x", "?", "\x1b[Ad", "s", "s"])
    assert said.count("s  skip: the section of the golden stays") == 2
    assert "\n-one\n+1\n" in said
    assert "\n-two\n+2\n" not in said  # the diff is that of the section
    assert golden(suite) == GOLDEN


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_goldens_whole_and_the_terminal_as_it_was(
    start: Start, suite: MakeSuite, number: signal.Signals
) -> None:
    suite.case("1", shows(OUTPUT), golden=GOLDEN)
    suite.case("2", shows(OUTPUT), golden=GOLDEN)
    runner = start()
    before = termios.tcgetattr(runner.child_fd)
    for key in "aaa":
        runner.expect_exact(PROMPT)
        runner.send(key)
    runner.expect_exact(PROMPT)
    assert termios.tcgetattr(runner.child_fd) != before
    if number == signal.SIGINT:
        runner.send("\x03")
    else:
        runner.kill(number)
    runner.expect_exact("interrupted")
    runner.expect(pexpect.EOF)
    assert termios.tcgetattr(runner.child_fd) == before
    runner.close()
    assert runner.exitstatus == 130
    assert golden(suite) == GOLDEN.replace("one", "1").replace("two", "2")
    assert golden(suite, "2.out") == GOLDEN


def test_what_was_typed_before_the_review_is_no_answer(
    start: Start, suite: MakeSuite, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    suite.case("1", f"read -r line <{fifo}\n{shows(OUTPUT)}", golden=GOLDEN)
    runner = start("--once")
    runner.expect_exact("collected 1 item")
    runner.send("aa\naa")
    fifo.write_text("go\n")
    said = answer(runner, "q")
    assert "[2 of 2]" not in said
    assert golden(suite) == GOLDEN


def test_what_cannot_be_written_is_not_asked_for(start: Start, suite: MakeSuite) -> None:
    suite.case("1", shows(OUTPUT) + "\nexit 3", golden=GOLDEN)
    suite.case("2", shows(OUTPUT), golden="<<<<<<< ours\n")
    suite.case("3", shows(OUTPUT), golden=GOLDEN)
    suite.case("4", shows(OUTPUT), golden=GOLDEN)
    git(suite, "init", "-q")
    git(suite, "add", ".")
    git(suite, "-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "all")
    (suite.root / "expected" / "3.out").write_text(GOLDEN + "work of an hour\n")
    runner = start()
    said = answer(runner, "aa")
    assert "1 cannot be reviewed: exit status 3: the case did not come to its end" in said
    assert "2.out:1: conflict marker <<<<<<<" in said
    assert "3.out has changes that are not committed, and is as it was; commit or st" in said
    assert "1 golden written, 3 still to mend" in said
    assert runner.exitstatus == 1
    assert golden(suite, "1.out") == GOLDEN
    assert golden(suite, "3.out") == GOLDEN + "work of an hour\n"
    forced = start("--force", "3")
    answer(forced, "A")
    assert golden(suite, "3.out") == OUTPUT.replace("top", "top  ")


def test_what_could_not_pass_is_not_asked_for(start: Start, suite: MakeSuite) -> None:
    suite.case("1", "echo $TEST_DIR", golden="old\n")
    seen = suite.root.parent / "seen"
    suite.case("2", f"[ -e {seen} ] && echo again || echo once; : >{seen}", golden="old\n")
    fails = suite.root.parent / "fails"
    suite.case("3", f"echo new; [ ! -e {fails} ] || exit 3; : >{fails}", golden="old\n")
    suite.case("4", "echo new", golden="old\n")
    runner = start()
    said = answer(runner, "a")
    assert "1.out:1: not written, as it could not pass: TEST_DIR of this run" in said
    assert "2.out:1: not written: a second run of the case printed something else" in said
    assert "3 cannot be reviewed: in a second run, for --review: exit status 3" in said
    assert "[1 of 1] 4 [before the first heading]" in said
    assert "1 golden written, 3 still to mend" in said
    assert runner.exitstatus == 1
    assert [golden(suite, f"{n}.out") for n in range(1, 5)] == ["old\n"] * 3 + ["new\n"]


def test_a_leaked_file_is_still_to_mend(start: Start, suite: MakeSuite) -> None:
    suite.case("1", f": >{suite.root}/leaked; echo new", golden="old\n")
    runner = start()
    said = answer(runner, "a")
    assert "1 golden written, 1 still to mend" in said
    assert runner.exitstatus == 1


def test_a_golden_that_someone_else_changed_meanwhile_stays(start: Start, suite: MakeSuite) -> None:
    suite.case("1", shows(OUTPUT), golden=GOLDEN)
    runner = start()
    runner.expect_exact(PROMPT)
    (suite.root / "expected" / "1.out").write_text("other\n")
    runner.send("A")
    runner.expect_exact("was changed by someone else, and is as it was; run again")
    runner.expect_exact("0 goldens written, 1 still to mend")
    assert golden(suite) == "other\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--review: standard input and output must be a terminal"),
        (["--update"], "--update writes all that differs, --review asks: give one of them"),
    ],
)
def test_without_a_terminal_or_with_update_it_is_refused(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, options: list[str], said: str
) -> None:
    suite.case("1", f"echo started >{tmp_path}/started", golden="")
    done = run_tests("--suite", str(suite.root), "--review", *options)
    assert done.stdout.startswith(f"run_tests.py: {said}")
    assert done.stdout.count("\n") == 1
    assert done.returncode == 2
    assert not (tmp_path / "started").exists()


def test_not_with_xdist_whose_workers_have_no_terminal(start: Start, suite: MakeSuite) -> None:
    suite.case("1", shows(OUTPUT), golden=GOLDEN)
    runner = start("--", "-n", "2")
    runner.expect_exact("--review: not with pytest-xdist (-n); -j runs cases side by side, too")
    runner.expect(pexpect.EOF)
    runner.close()
    assert runner.exitstatus == 2


def test_plain_pytest_asks_too(suite: MakeSuite, tmp_path: Path) -> None:
    suite.case("1", shows(OUTPUT), golden=GOLDEN)
    (suite.root / "pyproject.toml").write_text('[tool.goldlock]\nsuites = ["."]\n')
    environ = {
        **quiet_environment(),
        "PYTHONPATH": str(ROOT / ".import"),
        "TEST_DIR": str(tmp_path / "s"),
    }
    for options, status in ((["-s"], 0), ([], 4)):
        runner: pexpect.spawn[str] = pexpect.spawn(
            sys.executable,
            ["-m", "pytest", *PLUGIN, "--goldlock-review", *options],
            cwd=str(suite.root),
            env=environ,
            encoding="utf-8",
            timeout=120,
        )
        if options:
            runner.expect_exact(PROMPT)
            runner.send("A")
        else:
            runner.expect_exact("pytest itself needs -s for that")
        runner.expect(pexpect.EOF)
        runner.close()
        assert runner.exitstatus == status
    assert golden(suite) == OUTPUT.replace("top", "top  ")


@pytest.mark.parametrize(("keys", "left"), [("aa", 1), ("as", 2)])
def test_each_failure_is_settled_for_itself(suite: MakeSuite, keys: str, left: int) -> None:
    """A case of that number in another suite, and what could not be collected."""
    project = suite.root.parent
    suite.case("1", "echo new", golden="old\n")
    shutil.copytree(suite.root, project / "other")
    (project / "test_broken.py").write_text("import no_such_module\n")
    (project / "pyproject.toml").write_text('[tool.goldlock]\nsuites = ["suite", "other"]\n')
    runner: pexpect.spawn[str] = pexpect.spawn(
        sys.executable,
        ["-m", "pytest", *PLUGIN, "--goldlock-review", "-s", "--continue-on-collection-errors"],
        cwd=str(project),
        env={
            **quiet_environment(),
            "PYTHONPATH": str(ROOT / ".import"),
            "TEST_DIR": str(project / "s"),
        },
        encoding="utf-8",
        timeout=120,
    )
    said = answer(runner, keys)
    assert f"written, {left} still to mend" in said
    assert runner.exitstatus == 1


def test_not_in_ci(start: Start, suite: MakeSuite) -> None:
    suite.case("1", "echo a", golden="b\n")
    runner = start(CI="true")
    runner.expect_exact("--review: CI is set, and CI must not write goldens")
    runner.expect(pexpect.EOF)
    runner.close()
    assert runner.exitstatus == 2


def git(suite: MakeSuite, *words: str) -> None:
    subprocess.run(["git", *words], cwd=suite.root, check=True)


# What is written


def test_what_stays_keeps_its_line_ends() -> None:
    changes = [Change(1, 2, ("x",)), Change(3, 3, ("new",))]
    any_end = Reading(str.splitlines, heading, newline="")
    assert apply("a \r\nb\rc\n", changes, any_end) == "a \r\nx\nc\nnew\n"
    assert apply("a \nb\nc\rd", changes) == "a \nx\nc\rd\nnew\n"


@given(golden=LINES, got=LINES)
def test_all_changes_make_the_golden_the_output(golden: list[str], got: list[str]) -> None:
    changes = [c for section in Comparison(golden, got).results for c in section.changes]
    assert to_lines(apply("".join(f"{line}\n" for line in golden), changes)) == got


@given(data=st.data(), golden=LINES, got=LINES)
def test_the_golden_is_the_output_only_when_all_was_accepted(
    data: st.DataObject, golden: list[str], got: list[str]
) -> None:
    failing = [section for section in Comparison(golden, got).results if section.changes]
    accepted = [section for section in failing if data.draw(st.booleans())]
    changes = [change for section in accepted for change in section.changes]
    new = to_lines(apply("".join(f"{line}\n" for line in golden), changes))
    assert (new == got) == (len(accepted) == len(failing))
