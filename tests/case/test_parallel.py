# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of a case that run side by side: tests/suites has those that only a whole run shows."""

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from goldlock.environment import Environment

from tests.conftest import ROOT, MakeSuite, RunTests, need_supervisor

SCRIPT = """
import os, sys
from pathlib import Path
from goldlock import filters
from goldlock import Case, run
from goldlock.errors import CaseError
{}
run(main)
"""


class Started:
    """A script that was started as the runner does it, and what it left in its directory."""

    def __init__(self, folder: Path, text: str, **variables: str) -> None:
        self.folder = folder
        script = folder / "1.py"
        script.write_text(SCRIPT.format(text))
        for name in ("test", "s"):
            (folder / name).mkdir()
        files = {
            "goldlock_log": str(folder / "log"),
            "goldlock_failure_report": str(folder / "failure-report"),
        }
        environment = Environment(
            "1", str(folder / "test"), str(folder / "s"), **files, **variables
        )
        with (folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(script)],
                env={**environment.to_environ(), "PYTHONPATH": str(ROOT / ".import"), "HOME": "/"},
                cwd=folder / "test",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # as the runner does, which signals the whole group
            )

    def ended(self) -> tuple[int, str]:
        """Wait for its end; return its exit status and its output."""
        return self.process.wait(), (self.folder / "output").read_text()


def in_tasks(tmp_path: Path, text: str, **variables: str) -> tuple[int, str]:
    return Started(tmp_path, text, **variables).ended()


@pytest.mark.parametrize("end", ["pass", "raise RuntimeError('words')"])
def test_what_a_task_says_cannot_be_kept(run_tests: RunTests, suite: MakeSuite, end: str) -> None:
    """As on a full disk: a limit for the size of files does the same to a task alone."""
    text = f"""
import resource
def part(case):
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    print("this is lost")
    {end}
def main(case):
    with case.task_group() as group:
        group.start(part)
"""
    suite.case("1.py", f"#!/usr/bin/env python3{SCRIPT.format(text)}", golden="this is lost\n")
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 1
    assert "part(): its output cannot be kept: File too large\n" in done.stdout
    assert "exit status 1" in done.stdout


BACKWARDS = """
def part(case, number, last):
    case.program("/bin/echo")(str(number))
    if number < last:  # not before the next one has ended
        open(f"../../next{number + 1}").read()
    Path(f"../../next{number}").open("w") if number > 1 else None
    case.log(f"this is {number} of {last}")
def main(case):
    last = 3
    for number in range(2, last + 1):
        os.mkfifo(f"next{number}")
    with case.task_group() as group:
        for number in range(1, last + 1):
            group.start(part, number, last)
"""


def test_output_and_logs_are_in_the_written_order(tmp_path: Path) -> None:
    """Each part waits for the one after it: the last one ends first."""
    started = Started(tmp_path, BACKWARDS)
    assert started.ended() == (0, "this is 1 of 3\nthis is 2 of 3\nthis is 3 of 3\n")
    assert (tmp_path / "log").read_text() == "".join(
        f"[task {n}, part({n}, 3)]\n$ /bin/echo {n}\n{n}\n[exit status 0]\n" for n in (1, 2, 3)
    )


def test_more_parts_than_run_at_a_time(tmp_path: Path) -> None:
    status, said = in_tasks(
        tmp_path,
        "def main(case):\n"
        "    with case.task_group() as group:\n"
        "        for number in range(40):\n"
        "            group.start(Case.log, str(number))\n",
    )
    assert (status, said.split()) == (0, [str(number) for number in range(40)])


def test_what_a_part_changes_is_its_own(tmp_path: Path) -> None:
    status, said = in_tasks(
        tmp_path,
        "known = []\n"
        "def part(case, number):\n"
        "    known.append(number)\n"
        "    os.environ['HOME'] != '/' and case.log('a home of its own')\n"
        "    Path('file').touch()\n"
        "    Path(case.sock_dir, 'socket').touch()\n"
        "    places = [case.test_dir, case.sock_dir, os.getcwd(), os.environ['TEST_DIR']]\n"
        "    case.log(' '.join(places), case.paths)\n"
        "    case.log(f'{known} {os.listdir()}')\n"
        "def main(case):\n"
        "    for _ in range(2):\n"
        "        with case.task_group() as group:\n"
        "            group.start(part, 1)\n"
        "            group.start(part, 2)\n"
        "    case.log(f'{known} {sorted(os.listdir())}')\n",
    )
    each = "a home of its own\nTEST_DIR SOCK_DIR TEST_DIR TEST_DIR\n[{}] ['file']\n"
    whole = "[] ['task1', 'task2', 'task3', 'task4']\n"
    assert (status, said) == (0, 2 * (each.format(1) + each.format(2)) + whole)


def test_the_filters_of_a_case_know_the_directories_of_its_parts(tmp_path: Path) -> None:
    status, said = in_tasks(
        tmp_path,
        "mine = filters.directory(os.environ['TEST_DIR'], 'HERE')\n"
        "def part(case):\n"
        "    case.log(f'{case.test_dir}/t {case.test_dir}', mine)\n"
        "    case.log(case.test_dir, case.paths)\n"
        "    case.section(case.test_dir)\n"
        "def main(case):\n"
        "    case.paths = filters.compose(case.paths, filters.errno_names, str.upper)\n"
        "    with case.task_group() as group:\n"
        "        group.start(part)\n",
    )
    told = "HERE/t HERE\nTEST_DIR\n\n== TEST_DIR ==\n"
    assert (status, said) == (0, told)


def test_what_the_case_says_between_parts_is_between_them(tmp_path: Path) -> None:
    status, said = in_tasks(
        tmp_path,
        "def main(case):\n"
        "    with case.task_group() as group:\n"
        "        group.start(Case.log, 'one')\n"
        "        case.log('between')\n"
        "        group.start(Case.log, 'two')\n",
    )
    assert (status, said) == (0, "one\nbetween\ntwo\n")


ENDINGS = {
    "return": ("pass", 0, "one\ntwo\n"),
    "not run": ("case.not_run('no moon')", 77, "one\nno moon\n"),
    "status": ("sys.exit(3)", 3, "one\n"),
    "text": ("sys.exit('told')", 1, "one\ntold\n"),
    "early": ("sys.exit()", 1, "one\na task of a group cannot end the case: "),
    "at once": ("os._exit(5)", 5, "one\n"),
    "signal": ("os.abort()", 1, "1.py:10: part() was ended by SIGABRT\n"),
    "nested": ("case.task_group()", 1, "1.py:8: a task group cannot be inside another one"),
    "calls": ("case.lock_calls()", 1, "1.py:8: the trace of lock calls is of all programs of a"),
    "faults": ("case.faults('x')", 1, "1.py:8: faults hit all programs of a case; not for tasks"),
    "exception": ("{}['x']", 1, "1.py\", line 8, in part\n    {}['x']\n"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_part_ends_the_case_as_it_would_without_others(tmp_path: Path, name: str) -> None:
    end, status, told = ENDINGS[name]
    text = (
        f"def part(case):\n    {end}\n"
        "def main(case):\n"
        "    with case.task_group() as group:\n"
        "        group.start(Case.log, 'one')\n"
        "        group.start(part)\n"
        "        group.start(Case.log, 'two')\n"
        "    case.not_run('not reached') if len(sys.argv) > 1 else None\n"
    )
    got, said = in_tasks(tmp_path, text)
    assert got == status, said
    assert said.startswith("one\n")
    assert told in said
    assert ("two" in said) == (status == 0)


def test_an_error_between_parts_ends_them_and_comes_after_what_they_wrote(tmp_path: Path) -> None:
    """They would wait for ever; one of them has not even started."""
    status, said = in_tasks(
        tmp_path,
        "def part(case, number):\n"
        "    case.log(f'part {number}')\n"
        "    open(f'../../ready{number}').close()\n"
        "    os.mkfifo('never'); open('never')\n"
        "def main(case):\n"
        "    at_once = len(os.sched_getaffinity(0)) + 1\n"
        "    for number in range(at_once):\n"
        "        os.mkfifo(f'ready{number}')\n"
        "    with case.task_group() as group:\n"
        "        for number in range(at_once + 1):\n"
        "            group.start(part, number)\n"
        "        for number in range(at_once):\n"
        "            open(f'ready{number}', 'w').close()\n"
        "        case.program('no-such')()\n",
    )
    told = "".join(f"part {number}\n" for number in range(len(os.sched_getaffinity(0)) + 1))
    assert status == 1
    assert said.startswith(f"{told}{tmp_path}/1.py:20: no-such is not installed")


def test_parts_are_killed_with_the_case(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pids")
    started = Started(
        tmp_path,
        "def part(case, pids):\n"
        "    with open(pids, 'w') as file: file.write(f'{os.getpid()} ')\n"
        "    os.mkfifo('never'); open('never')\n"
        "def main(case):\n"
        "    with case.task_group() as group:\n"
        f"        group.start(part, '{tmp_path}/pids')\n",
    )
    part = os.pidfd_open(int((tmp_path / "pids").read_text()))
    started.process.kill()
    waiting = select.poll()
    waiting.register(part, select.POLLIN)
    assert waiting.poll(30_000)
    os.close(part)
    assert started.ended() == (-signal.SIGKILL, "")


def test_all_that_was_written_is_there_when_the_case_is_ended(tmp_path: Path) -> None:
    for name in ("One", "Two"):
        os.mkfifo(tmp_path / name)
    started = Started(
        tmp_path,
        "def part(case, name):\n"
        "    case.section(name)\n"
        "    print('not flushed')\n"
        "    os.mkfifo('never')\n"
        # In one line, so that it does not matter how far it is when it is known to have come there.
        f"    open(f'{tmp_path}/{{name}}', 'w').close(); open('never')\n"
        "def main(case):\n"
        "    with case.task_group() as group:\n"
        "        group.start(part, 'One')\n"
        "        group.start(part, name='Two')\n",
    )
    for name in ("One", "Two"):
        (tmp_path / name).read_text()  # both have said all that they do
    os.kill(started.process.pid, signal.SIGTERM)
    said = "\n== One ==\nnot flushed\n\n== Two ==\nnot flushed\n"
    assert started.ended() == (-signal.SIGTERM, said)
    place = f"    it was at:\n      {tmp_path}/1.py:11: in part"
    assert (tmp_path / "failure-report").read_text() == (
        "its tasks were:\n"
        f"  task 1, part('One'): running, in == One ==\n{place}\n"
        f"  task 2, part(name='Two'): running, in == Two ==\n{place}"
    )


def test_what_a_part_started_is_ended_with_it(run_tests: RunTests, suite: MakeSuite) -> None:
    """The second part waits for a program when the first one fails."""
    text = """
import subprocess
def first(case, ready):
    open(ready).read()
    raise CaseError("enough")
def second(case, ready):
    subprocess.run(["sh", "-c", f"echo now >{ready}; exec sleep 1000"])
def main(case):
    os.mkfifo("ready")
    ready = os.path.abspath("ready")
    with case.task_group() as group:
        group.start(first, ready)
        group.start(second, ready)
"""
    suite.case("1.py", "#!/usr/bin/env python3\n" + SCRIPT.format(text), "")
    said = run_tests("--suite", str(suite.root)).stdout
    assert "exit status 1" in said
    assert "leaked" not in said
    assert "(pid " in said  # it ran at that moment


def test_more_blocks_one_after_the_other_and_a_part_that_is_no_function(tmp_path: Path) -> None:
    status, said = in_tasks(
        tmp_path,
        "from functools import partial\n"
        "def main(case):\n"
        "    for word in ('one', 'two'):\n"
        "        with case.task_group() as group:\n"
        "            group.start(partial(Case.log, text=word))\n"
        "            group.start(lambda case: case.log('...'))\n",
    )
    assert (status, said) == (0, "one\n...\ntwo\n...\n")


def test_nothing_is_left_running_when_the_output_cannot_be_written(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    text = """
import subprocess
def first(case, ready):
    open(ready).read()
    case.log("one")
def second(case, ready):
    subprocess.run(["sh", "-c", f"echo now >{ready}; exec sleep 1000"])
def main(case):
    os.mkfifo("ready")
    ready = os.path.abspath("ready")
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
    with case.task_group() as group:
        group.start(first, ready)
        group.start(second, ready)
"""
    suite.case("1.py", "#!/usr/bin/env python3\n" + SCRIPT.format(text), "")
    said = run_tests("--suite", str(suite.root)).stdout
    assert "No space left on device" in said
    assert "leaked" not in said


@pytest.mark.parametrize(
    "text",
    [
        "    case.task_group().start(Case.log, 'lost')\n",
        "    with case.task_group() as group:\n        pass\n    group.start(Case.log, 'lost')\n",
    ],
    ids=["no block", "after the block"],
)
def test_a_part_starts_in_the_block_only(tmp_path: Path, text: str) -> None:
    status, said = in_tasks(tmp_path, f"def main(case):\n{text}")
    line = 7 + text.count("\n")
    told = f"{tmp_path}/1.py:{line}: a task starts inside the with block of case.task_group()\n"
    assert (status, said) == (1, told)


@pytest.mark.parametrize("call", ["faults('any call fails')", "lock_calls()"])
def test_what_concerns_all_programs_is_not_for_a_block_with_parts(
    tmp_path: Path, call: str
) -> None:
    """It would hit the parts that run at that moment, and those that start later."""
    status, said = in_tasks(
        tmp_path,
        "def main(case):\n"
        "    with case.task_group() as group:\n"
        "        group.start(Case.log, 'one')\n"
        "        case.log()\n"
        f"        case.{call}\n",
    )
    assert status == 1
    assert said.startswith(f"one\n\n{tmp_path}/1.py:11: ")
    assert said.endswith(" all programs of a case; not for tasks that run in parallel\n")


def test_what_concerns_all_programs_is_for_a_case_after_its_parts(tmp_path: Path) -> None:
    status, said = in_tasks(
        tmp_path,
        "def main(case):\n"
        "    with case.task_group() as group:\n"
        "        group.start(Case.log, 'one')\n"
        "    case.lock_calls()\n",
    )
    assert status == 1
    assert said.startswith(
        f"one\n{tmp_path}/1.py:10: no lock calls are known; '# needs: faults' in"
    )


ONE_AT_A_TIME = """
def first(case):
    open("../../go").close()
def second(case):
    case.log("two")
def main(case):
    os.mkfifo("go")
    with case.task_group() as group:
        group.start(first)
        group.start(second)
        running = Path("task2/output").exists()
        open("go", "w").close()
    case.log(f"at the same time: {running}")
"""


@pytest.mark.parametrize("option", ["", "-p", "-gdb", "--trace-locks"])
def test_parts_that_somebody_follows_run_one_after_the_other(
    run_tests: RunTests, suite: MakeSuite, option: str
) -> None:
    if option == "-gdb" and not shutil.which("gdbserver"):
        pytest.skip("no gdbserver")
    if option == "--trace-locks":
        need_supervisor()
    text = f"#!/usr/bin/env python3\n{SCRIPT.format(ONE_AT_A_TIME)}"
    suite.case("1.py", text, f"two\nat the same time: {not option}\n")
    suite.kit()  # has -gdb
    done = run_tests("--suite", str(suite.root), *option.split())
    assert done.returncode == 0, done.stdout


def test_what_a_thread_of_a_part_writes_is_not_lost(tmp_path: Path) -> None:
    status, said = in_tasks(
        tmp_path,
        "from threading import Thread\n"
        "def count(case):\n"
        "    for number in range(5000):\n"
        "        case.log(str(number))\n"
        "def part(case):\n"
        "    Thread(target=count, args=[case]).start()\n"
        "def main(case):\n"
        "    with case.task_group() as group:\n"
        "        group.start(part)\n",
    )
    assert (status, said.split()) == (0, [str(number) for number in range(5000)])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("part", "part() cannot be started with the case and that: missing a required argument: "),
        ("part, 1, 2, 3", "part() cannot be started with the case and that: too many positional "),
        ("part, 1, other=2", "part() cannot be started with the case and that: got an unexpected "),
        ("Other().part, 1", "part() cannot be started with the case and that: too many positional"),
        ("part(case, 1)", "group.start() takes a function and its arguments, not None\n"),
    ],
)
def test_a_part_that_cannot_be_called_so(tmp_path: Path, arguments: str, told: str) -> None:
    status, said = in_tasks(
        tmp_path,
        "def part(case, number, more=0): pass\n"
        "class Other:\n"
        "    def part(self, case): pass\n"
        "def main(case):\n"
        "    with case.task_group() as group:\n"
        "        case.log('first')\n"
        f"        group.start({arguments})\n",
    )
    assert status == 1
    assert said.startswith(f"first\n{tmp_path}/1.py:13: {told}")
    assert "Traceback" not in said


def test_any_call_that_python_takes_can_be_a_part(tmp_path: Path) -> None:
    status, said = in_tasks(
        tmp_path,
        "class Story:\n"
        "    def method(self, case, *words, end): case.log(' '.join([*words, end]))\n"
        "def many(case, *words): case.log(' '.join(words))\n"
        "def main(case):\n"
        "    with case.task_group() as group:\n"
        "        group.start(Story().method, 'a', 'b', end='c')\n"
        "        group.start(many, 'd', 'e')\n"
        "        group.start(setattr, 'x', 1)\n",
    )
    assert (status, said) == (0, "a b c\nd e\n")


@pytest.mark.parametrize(
    "beside", ["", "import fcntl; file = open('file', 'w'); fcntl.flock(file, fcntl.LOCK_EX); "]
)
def test_parts_alone_are_nothing_to_tell_of_at_a_failure(tmp_path: Path, beside: str) -> None:
    status, said = in_tasks(
        tmp_path,
        "def first(case):\n"
        "    open('../../go').close()\n"
        "    raise CaseError('enough')\n"
        "def second(case):\n"
        f"    {beside}pass\n"
        "    open('../../go', 'w').close()\n"
        "    os.mkfifo('never'); open('never')\n"
        "def main(case):\n"
        "    os.mkfifo('go')\n"
        "    with case.task_group() as group:\n"
        "        group.start(first)\n"
        "        group.start(second)\n",
    )
    assert (status, said) == (1, f"{tmp_path}/1.py:9: enough\n")
    assert (tmp_path / "failure-report").exists() == bool(beside)
