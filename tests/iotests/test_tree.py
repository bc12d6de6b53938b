# SPDX-License-Identifier: GPL-2.0-or-later
"""A tree in the layout of QEMU's tests: what is run, with which verdict, and what is left of it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest
from goldlock.kits.qemu_iotests.probe import about_memory, about_sockets
from goldlock.runner.mounts import below

from tests.conftest import ROOT, RunTests, quiet_environment
from tests.iotests.tiny import Tree
from tests.runner.test_mounts import mounting_is_allowed

pytestmark = pytest.mark.skipif(
    not shutil.which("qemu-system-x86_64") or not shutil.which("qemu-img"), reason="no QEMU"
)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "source", "1.2.3")


def link_programs(folder: Path) -> None:
    """Make a folder a build directory, of the QEMU that is installed."""
    folder.mkdir(exist_ok=True)
    for name in ("qemu-img", "qemu-io", "qemu-nbd", "qemu-storage-daemon", "qemu-system-x86_64"):
        (folder / name).symlink_to(str(shutil.which(name)))


class Results:
    """What a run of a tree came to: its exit status, what it said, and its cases."""

    def __init__(self, run_tests: RunTests, tree: Tree, *words: str, **variables: str) -> None:
        told = tree.tests.parent.parent.parent / "told.jsonl"
        given = ["--suite", str(tree.tests), "--json-lines", str(told), *words]
        done = run_tests(*given, **variables)
        self.status, self.said = done.returncode, done.stdout
        lines = told.read_text().splitlines() if told.exists() else []
        events = map(json.loads, lines)
        self.cases: dict[str, Any] = {e["number"]: e for e in events if e["event"] == "case"}

    def failing(self, number: str) -> list[str]:
        return [each["title"] for each in self.cases[number]["sections"] if not each["passed"]]


_UNITTEST = """\
#!/usr/bin/env python3
import unittest

class TestOne(unittest.TestCase):
    def test_right(self) -> None:
        pass

    def test_wrong(self) -> None:
        self.assertEqual(1, 2)

unittest.main(argv=["this"])
"""


def test_verdicts(run_tests: RunTests, tree: Tree, tmp_path: Path) -> None:
    """All that a test may end as, in one run, which leaves the tree as it was."""
    said = "== one ==\nraw writeback\n\n--- two ---\nlast\n"
    tree.add("001", 'printf "== one == \\n$IMGFMT $CACHEMODE\\n\\n--- two ---\\nlast"', said)
    tree.add("002", "echo '=== first'; echo so; exit 3", "=== first\nso\n")
    tree.add("003", 'echo no disk >"$TEST_DIR/003.notrun"; echo any output', "other output\n")
    left_out = "    [case not run] 'test_x': no driver"
    tree.add("004", f'echo "{left_out}" >"$TEST_DIR/004.casenotrun"')
    tree.add("005", _UNITTEST, "..\n" + "-" * 70 + "\nRan 2 tests\n\nOK\n")
    tree.add("006", "echo no golden", None)
    tree.add("007", f'mkdir "{tmp_path}/seen" 2>/dev/null || echo "== right =="', "== right ==\n")
    tree.add("008", 'echo reason >"$TEST_DIR/008.notrun"; exit 1')
    tree.add("tests/named-one", "pwd; echo $PWD", f"{tree.tests}/tests\n" * 2)
    before = tree.files()
    reports = {flag: tmp_path / flag for flag in ("--tap", "--junit-xml", "--html")}
    asked = [word for flag, path in reports.items() for word in (flag, str(path))]
    done = Results(run_tests, tree, *asked)
    states = {number: case["state"] for number, case in done.cases.items()}
    wrong = [number for number, state in states.items() if state == "failed"]
    assert wrong == ["002", "005", "007", "008"], done.said
    assert states["001"] == states["named-one"] == "passed"
    assert done.cases["003"]["reason"] == "no disk"
    assert done.cases["004"]["skipped"] == ["'test_x': no driver"]
    assert "ERROR" not in done.said
    assert any("test_wrong" in title for title in done.failing("005"))
    golden = tree.tests / "006.out"
    assert done.cases["006"]["reason"] == f"No qualified output (expected {golden})"
    assert (done.cases["007"]["runs"], done.cases["007"]["failed_runs"]) == (2, 1)
    assert done.cases["002"]["failed_runs"] == 2
    assert "FLAKY: failed in 1 of 2 runs" in done.said
    assert "image format raw" in done.said
    assert "the tests are of QEMU 1.2.3" in done.said
    assert tree.files() == before
    tap, junit, page = (path.read_text() for path in reports.values())
    assert "    ok 2 - 'test_x': no driver # SKIP" in tap.splitlines()
    assert '<skipped type="pytest.skip" message="\'test_x\': no driver"' in junit
    assert "left out: &#39;test_x&#39;: no driver" in page


def test_a_test_that_hangs_after_its_reason_fails(run_tests: RunTests, tree: Tree) -> None:
    tree.add("001", 'echo no disk >"$TEST_DIR/001.notrun"; sleep 1000')
    done = Results(run_tests, tree, "--repeat", "1", "--time-limit", "2")
    assert (done.status, done.cases["001"]["state"]) == (1, "failed"), done.said
    assert "time limit: the case was still running" in done.said


def test_a_tree_whose_tests_say_why_in_another_folder(run_tests: RunTests, tree: Tree) -> None:
    """Until QEMU 6.2 that is OUTPUT_DIR, for check the folder that it was started in."""
    tree.add("001", 'echo no disk >"$OUTPUT_DIR/001.notrun"', "no such output\n")
    tree.add("002", 'echo "    [case not run] two" >"$OUTPUT_DIR/002.casenotrun"')
    before = tree.files()
    done = Results(run_tests, tree)
    assert (done.status, "leaked" in done.said) == (0, False), done.said
    assert done.cases["001"]["reason"] == "no disk"
    assert done.cases["002"]["skipped"] == ["two"]
    command = run_tests("--suite", str(tree.tests), "--", "sh", "-c", 'echo >"$OUTPUT_DIR/x"')
    assert (command.returncode, tree.files()) == (0, before)


@pytest.mark.parametrize("version", ["5.2.0", "6.0.1"])
def test_a_tree_that_is_too_old(run_tests: RunTests, tmp_path: Path, version: str) -> None:
    tree = Tree(tmp_path / "old", version)
    if version == "5.2.0":
        (tree.tests / "findtests.py").unlink()
    done = run_tests("--suite", str(tree.tests))
    assert (done.returncode, done.stdout.count("\n")) == (2, 1), done.stdout
    assert "too old; it takes the tests of QEMU 6.1 or later" in done.stdout


@pytest.mark.parametrize(
    ("words", "golden"),
    [
        (["-nocache"], "001.out.nocache"),
        (["-c", "none", "-qcow2"], "001.out.nocache"),
        (["-qcow2"], "001.out.qcow2"),
        ([], "001.pc.out"),
    ],
)
def test_the_golden_is_the_most_special_one(
    run_tests: RunTests, tree: Tree, words: list[str], golden: str
) -> None:
    """It is the one that counts, and the one that an update writes."""
    path = tree.add("001", "echo new", "old\n")
    names = ("001.out.nocache", "001.out.qcow2", "001.pc.out")
    for name in names:
        path.with_name(name).write_text("old\n")
    done = Results(run_tests, tree, *words, "--update")
    assert done.status == 0, done.said
    new = [name for name in (*names, "001.out") if path.with_name(name).read_text() == "new\n"]
    assert new == [golden]


def test_a_golden_with_carriage_returns(run_tests: RunTests, tree: Tree, tmp_path: Path) -> None:
    """They are ends of lines: what differs in them only is as it was, what is accepted replaced."""
    same = tree.add("001", "printf 'a\\nb\\n'")
    same.with_name("001.out").write_bytes(b"a\rb\n")
    assert Results(run_tests, tree, "--update").status == 0
    assert same.with_name("001.out").read_bytes() == b"a\rb\n"
    tree.add("002", "printf 'a\\nnew\\n'").with_name("002.out").write_bytes(b"a\rold\n")
    runner: pexpect.spawn[str] = pexpect.spawn(
        sys.executable,
        [str(ROOT / "run_tests.py"), "--suite", str(tree.tests), "--review"],
        env={**quiet_environment(), "TEST_DIR": str(tmp_path / "scratch")},
        encoding="utf-8",
        timeout=120,
    )
    runner.expect_exact("accept? ")
    runner.send("a")
    runner.expect(pexpect.EOF)
    runner.close()
    assert runner.exitstatus == 0, runner.before
    assert (tree.tests / "002.out").read_bytes() == b"a\rnew\n"


def test_a_golden_that_is_half_written_is_cleared(run_tests: RunTests, tree: Tree) -> None:
    tree.add("tests/named", "true")
    left = [tree.tests / folder / ".x.out.0123456789abcdef.goldlock" for folder in ("", "tests")]
    for path in left:
        path.write_text("half a g")
    done = Results(run_tests, tree)
    assert done.status == 0, done.said
    assert not any(path.exists() for path in left)


def test_selection(run_tests: RunTests, tree: Tree) -> None:
    """It is the tree's own: numbers without zeros, names, groups."""
    for name in ("001", "002", "tests/named-one"):
        tree.add(name, ":", groups=f"rw {'quick' if name == '001' else 'slow'}")

    def listed(*words: str) -> list[str]:
        done = run_tests("--suite", str(tree.tests), "-n", *words)
        return [line.split()[0] for line in done.stdout.splitlines()]

    assert listed("1", "named-one") == ["001", "named-one"]
    assert listed("-g", "rw", "-x", "quick") == ["002", "named-one"]
    done = run_tests("--suite", str(tree.tests), "7")
    assert (done.returncode, done.stdout.count("\n")) == (2, 1)
    assert 'Test "007" is not found' in done.stdout


def test_the_folder_that_one_is_in(tree: Tree) -> None:
    """It need not be named, as with check."""
    tree.add("001", ":", groups="rw")
    done = subprocess.run(
        [sys.executable, "-m", "goldlock", "-n", "1"],
        cwd=tree.tests,
        env={**quiet_environment(), "PYTHONPATH": str(ROOT / ".import")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout == "001  rw\n"


def test_what_is_left_behind_is_ended_and_noted(run_tests: RunTests, tree: Tree) -> None:
    tree.add("001", "sleep 1000 >/dev/null 2>&1 &")
    noted = Results(run_tests, tree)
    assert noted.status == 0, noted.said
    assert "note: 001: leaked: sleep 1000" in noted.said
    strict = Results(run_tests, tree, "--strict")
    assert (strict.status, strict.cases["001"]["notes"]) == (1, [])


def test_a_file_in_the_tree_is_told_and_fails_a_strict_run(run_tests: RunTests, tree: Tree) -> None:
    path = tree.add("001", f'touch "{tree.tests}/oops"').with_name("oops")
    said = f"{path}: leaked into the suite while case 001 ran\n"
    for words, status in (([], 0), (["-tap"], 0), (["--strict"], 1), (["-tap", "--strict"], 1)):
        done = run_tests("--suite", str(tree.tests), *words)
        assert (done.returncode, done.stdout.count(said)) == (status, 1), done.stdout
        path.unlink()


def test_white_space_behind_the_last_line_end_is_a_line(run_tests: RunTests, tree: Tree) -> None:
    """As Python reads a file, and check with it."""
    tree.add("001", "printf 'a\\n  '", "a\n")
    tree.add("002", "printf 'a\\n  '", "a\n\n")
    tree.add("003", "printf 'a  '", "a\n")
    done = Results(run_tests, tree, "--repeat", "1")
    states = {number: case["state"] for number, case in done.cases.items()}
    assert states == {"001": "failed", "002": "passed", "003": "passed"}


@pytest.mark.parametrize("words", [[], ["1"], ["1", "--", "-k", "1"]])
def test_what_check_refuses_is_told_in_its_words(
    run_tests: RunTests, tree: Tree, words: list[str]
) -> None:
    tree.add("001", ":")
    done = run_tests("--suite", str(tree.tests), "-i", "bad", *words)
    assert done.returncode == 2
    assert done.stdout == f"run_tests.py: {tree.tests}/check: no such AIO mode: bad\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--variant", "elided"], "--variant: not with QEMU's own tests"),
        (["--programs", "embedded"], "QEMU's own tests take QEMU itself"),
        (["--store-durations"], "nothing is written into the tree"),
        (["-g", "no-such"], "unknown group 'no-such'; there are: quick"),
    ],
)
def test_what_cannot_be_is_one_line(
    run_tests: RunTests, tree: Tree, words: list[str], said: str
) -> None:
    tree.add("001", ":")
    done = run_tests("--suite", str(tree.tests), *words)
    assert (done.returncode, done.stdout.count("\n")) == (2, 1), done.stdout
    assert said in done.stdout


def test_what_failed_alike_each_time_is_not_run_once_more(run_tests: RunTests, tree: Tree) -> None:
    """Until it fails in another way, or of another format, or passes."""
    tree.add("001", "echo == one ==; echo bad", "== one ==\ngood\n")
    known = "it failed in the same sections in all runs of the last time: not run once more"
    for words, runs in (
        (["--repeat", "1"], 1),
        ([], 2),
        ([], 1),
        (["-qcow2", "--repeat", "3"], 3),
        (["-qcow2"], 1),
        ([], 2),
    ):
        done = Results(run_tests, tree, *words)
        assert (done.cases["001"]["runs"], done.cases["001"]["failed_runs"]) == (runs, runs)
        assert (known in done.said) == (runs == 1 and words != ["--repeat", "1"]), done.said
    tree.add("001", "echo == other ==; echo bad", "== other ==\ngood\n")
    assert Results(run_tests, tree).cases["001"]["runs"] == 2
    tree.add("001", "echo == other ==; echo good", "== other ==\ngood\n")
    assert Results(run_tests, tree).cases["001"]["failed_runs"] == 0
    tree.add("001", "echo == other ==; echo bad", "== other ==\ngood\n")
    assert Results(run_tests, tree).cases["001"]["runs"] == 2


def test_what_fails_now_so_now_otherwise_is_run_once_more(
    run_tests: RunTests, tree: Tree, tmp_path: Path
) -> None:
    script = f"""\
        runs=$(($(cat {tmp_path}/runs) + 1)); echo $runs >{tmp_path}/runs
        echo == one ==; [ $((runs % 2)) = 1 ] && echo bad || echo good
        echo == two ==; [ $((runs % 2)) = 1 ] && echo good || echo bad
    """
    (tmp_path / "runs").write_text("0\n")
    tree.add("001", script, "== one ==\ngood\n== two ==\ngood\n")
    for _ in range(2):
        assert Results(run_tests, tree).cases["001"]["runs"] == 2


def test_what_was_not_run_the_last_time_is_long_all_the_same(
    run_tests: RunTests, tree: Tree
) -> None:
    """By chance, as what encrypts: or all would wait for it, as it would be started last."""
    tree.add("001", '[ -z "$BUSY" ] && sleep 0.5 || echo "too busy" >"$TEST_DIR/001.notrun"')
    first, *_, last = (Results(run_tests, tree, BUSY=busy) for busy in ("", "yes", "yes", ""))
    assert first.cases["001"]["seconds"] > 0.5
    assert last.cases["001"]["last"] == pytest.approx(first.cases["001"]["seconds"], abs=0.001)


@pytest.mark.parametrize("stress", [(), ("--stress",)])
def test_tests_share_a_session_where_each_leads_a_group(
    run_tests: RunTests, tree: Tree, tmp_path: Path, stress: tuple[str, ...]
) -> None:
    for name in ("001", "002"):
        tree.add(name, f"read -r stat </proc/$$/stat; echo $stat >{tmp_path}/{name}")
    Results(run_tests, tree, *stress)
    # As in proc(5): the pid, name, state, parent, group and session.
    seen = [(tmp_path / name).read_text().split()[:6] for name in ("001", "002")]
    assert [group for *_, group, _ in seen] == [pid for pid, *_ in seen]
    sessions = {int(session) for *_, session in seen}
    assert len(sessions) == (2 if stress else 1)
    assert os.getsid(0) not in sessions


def test_three_run_at_a_time_on_two_processors(
    run_tests: RunTests, tree: Tree, tmp_path: Path
) -> None:
    """Each but the last waits until that one reads what it has to say."""
    jobs = len(os.sched_getaffinity(0)) * 3 // 2
    for number in range(1, jobs):
        os.mkfifo(tmp_path / f"{number}")
        tree.add(f"{number:03}", f"echo >{tmp_path}/{number}")
    said = " ".join(f"{tmp_path}/{number}" for number in range(1, jobs))
    tree.add("900", f"cat {said}", "\n" * (jobs - 1))
    done = Results(run_tests, tree, "--time-limit", "60")
    assert done.status == 0, done.said


@pytest.mark.usefixtures("_supervisor")
def test_faults_in_the_directory_of_a_test(run_tests: RunTests, tree: Tree) -> None:
    """Whose own folder, where it is started, is another; with no second run to tell it flaky."""
    tree.add("001", 'cd "$TEST_DIR"; flock t.lock echo taken', "taken\n")
    plan = "flock t.lock by flock fails with ENOLCK once"
    done = Results(run_tests, tree, "--fault", plan, "--trace-locks")
    assert (done.status, done.cases["001"]["runs"]) == (1, 1), done.said
    assert "flock: flock of" in done.said
    assert "ENOLCK (injected)" in done.said


def test_a_plan_that_is_none(run_tests: RunTests, tree: Tree, tmp_path: Path) -> None:
    tree.add("001", ":")
    plan = tmp_path / "plan"
    plan.write_text("lock 1 fails with EVERYTHING\n")
    for given, where in ((plan.read_text(), "--fault"), (f"@{plan}", str(plan))):
        done = run_tests("--suite", str(tree.tests), "--fault", given)
        assert (done.returncode, done.stdout.count("\n")) == (2, 1), done.stdout
        assert f"{where}:1:19: EVERYTHING" in done.stdout


def test_lines_of_tap(run_tests: RunTests, tree: Tree) -> None:
    """As meson calls check; nothing else is on standard output."""
    tree.add("001", "echo right", "right\n")
    tree.add("002", "echo wrong", "right\n")
    tree.add("tests/named-one", 'echo "no disk" >"$TEST_DIR/named-one.notrun"')
    words = ["-tap", "-qcow2", "--source-dir", str(tree.tests)]
    done = run_tests(*words, "1", "named-one")
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            "1..2",
            "# running qcow2 001",
            "ok qcow2 001",
            "# running qcow2 named-one",
            "ok qcow2 named-one # SKIP no disk",
        ],
    )
    done = run_tests(*words, "-n", "-g", "quick")
    assert done.stdout.splitlines() == ["001", "002", "named-one"]
    done = run_tests(*words, "1", "named-one", QEMU_TEST_IO_SKIP="qcow2:001 raw:002 named-one")
    skipped = [line for line in done.stdout.splitlines() if line.startswith("ok")]
    assert skipped == [
        f"ok qcow2 {name} # SKIP Listed in QEMU_TEST_IO_SKIP" for name in ("001", "named-one")
    ]
    done = run_tests(*words, "2")
    assert (done.returncode, "not ok qcow2 002" in done.stdout.splitlines()) == (1, True)
    assert f"{tree.tests}/002.out:1: the output differs from the golden" in done.stdout


def test_a_list_leaves_out_what_that_of_check_does(run_tests: RunTests, tree: Tree) -> None:
    for name, needs in (("001", "qcow2"), ("002", "raw")):
        tree.add(name, f"_supported_fmt {needs}")
    (tree.tests / "check").write_text(
        "#!/usr/bin/env python3\nimport os, sys\nassert os.listdir(os.environ['TEST_DIR']) == []\n"
        "flag, format, *names = sys.argv[1:]\nassert flag == '-n'\n"
        "said = f'_supported_fmt {format[1:]}'\n"
        "print(*(name for name in names if said in open(name).read()), sep='\\n')\n"
    )
    for words, names in ((["-qcow2"], ["001"]), (["-raw", "2"], ["002"]), ([], ["001", "002"])):
        done = run_tests("--suite", str(tree.tests), "-tap", "-n", *words)
        assert (done.returncode, done.stdout.split()) == (0, names), done.stderr


def test_a_command_with_the_environment_of_a_test(run_tests: RunTests, tree: Tree) -> None:
    tree.add("001", ":")
    tell = 'echo "$CHECKED $ASAN_OPTIONS $GDB_OPTIONS"; '
    tell += '[ -d "$TEST_DIR" ] && [ -x "$QEMU_IMG_PROG" ]; exit 3'
    (tree.tests / "testrunner.py").write_text("env['ASAN_OPTIONS'] = f'detect_leaks=0:...'")
    words = ["--suite", str(tree.tests), "-qcow2", "-i", "native", "-o", "compat=0.10"]
    words += ["-misalign", "-p"]
    done = run_tests(*words, "--", "sh", "-c", tell, GDB_OPTIONS="host:1", ASAN_OPTIONS="x")
    assert done.returncode == 3, done.stdout
    last = "-qcow2 -file -i native -o compat=0.10 -misalign -p detect_leaks=0 "
    assert done.stdout.splitlines()[-1] == last
    done = run_tests(*words, "--", "no-such-command")
    assert (done.returncode, done.stdout) == (
        2,
        "run_tests.py: -- no-such-command: command not found\n",
    )


def test_what_a_command_has_mounted_is_told(
    run_tests: RunTests, tree: Tree, tmp_path: Path
) -> None:
    """Its exit status counts; without one that tells of a failure, this is one."""
    if not mounting_is_allowed(tmp_path / "try"):
        pytest.skip("needs the right to mount")
    tree.add("001", ":")
    script = 'mkdir "$TEST_DIR/a"; mount -t tmpfs goldlock "$TEST_DIR/a"; exit 3'
    for words, status in ((script, 3), (script.replace("3", "0"), 1), ("exit 0", 0)):
        done = run_tests("--suite", str(tree.tests), "--", "sh", "-c", words)
        assert done.returncode == status, done.stdout
        assert done.stdout.count("tmpfs mounted on ") == ("mount" in words)
        assert below(tmp_path) == []
    assert [*(tmp_path / "scratch").iterdir()] == []


def test_a_tree_in_a_build_directory(run_tests: RunTests, tree: Tree, tmp_path: Path) -> None:
    """Its check is a link to the source's, and its programs are those of the build."""
    tree.add("001", 'dirname "$QEMU_IMG_PROG"', f"{tmp_path}/build\n")
    build = tmp_path / "build"
    (build / "tests/qemu-iotests").mkdir(parents=True)
    (build / "tests/qemu-iotests/check").symlink_to(tree.tests / "check")
    link_programs(build)
    done = run_tests("--suite", str(build / "tests/qemu-iotests"), QEMU_IMG_PROG="/nowhere")
    assert done.returncode == 0, done.stdout
    assert f"qemu-img: {build}/qemu-img" in done.stdout


@pytest.mark.parametrize(("option", "program"), [("valgrind", "valgrind"), ("gdb", "gdbserver")])
def test_a_debugger_that_a_test_starts(
    run_tests: RunTests, tree: Tree, option: str, program: str
) -> None:
    """The one that counts is goldlock's; what the test asks for is the log, which it removes."""
    if not shutil.which(program):
        pytest.skip(f"no {program}")
    script = f"""\
        {program} --log-file="$TEST_DIR/%p.log" --error-exitcode=99 "$QEMU_IMG_PROG" --version &
        wait
        rm "$TEST_DIR/$!.log"
        {program} --log-file="$TEST_DIR/one.log" /bin/true
        cat "$TEST_DIR/one.log"
        echo "$CHECKED"
        """
    version = subprocess.run(["qemu-img", "--version"], capture_output=True, text=True, check=True)
    tree.add("001", script, f"{version.stdout}-raw -file -i threads -{option}\n")
    done = Results(run_tests, tree, f"--{option}")
    assert done.status == 0, done.said


def test_what_ran_last_time_and_not_now(run_tests: RunTests, tree: Tree, tmp_path: Path) -> None:
    """It is told once; with another format, the last time is another."""
    gone = f'[ "$IMGFMT" = raw ] && [ -e {tmp_path}/gone ]'
    tree.add("001", f'{gone} && echo "no disk" >"$TEST_DIR/001.notrun"; :')
    lost = "ran last time, not run now: 001: no disk"
    assert lost not in Results(run_tests, tree, "-raw").said
    (tmp_path / "gone").touch()
    assert lost not in Results(run_tests, tree, "-qcow2").said
    assert lost in Results(run_tests, tree, "-raw").said
    assert lost not in Results(run_tests, tree, "-raw").said


def test_what_is_remembered_of_a_tree_goes_in_time(run_tests: RunTests, tmp_path: Path) -> None:
    """At the next run of another one."""
    cache = tmp_path / "cache" / "goldlock"
    first, second = (Tree(tmp_path / name, "1.2.3") for name in ("first", "second"))
    for tree in (first, second):
        tree.add("001", "echo hello", "hello\n")
        assert Results(run_tests, tree).status == 0
    links = {each.readlink(): each for each in cache.glob("*/suite")}
    assert links.keys() == {first.tests, second.tests}
    bytecode = [cache / "bytecode" / each.relative_to("/") for each in (first.tests, second.tests)]
    assert [each.exists() for each in bytecode] == [True, True]
    for link in links.values():
        os.utime(link, (0, 0), follow_symlinks=False)
    assert Results(run_tests, second).status == 0
    assert [links[each.tests].parent.exists() for each in (first, second)] == [False, True]
    assert [each.exists() for each in bytecode] == [False, True]


def test_a_folder_for_what_is_remembered_that_cannot_be(
    run_tests: RunTests, tree: Tree, tmp_path: Path
) -> None:
    tree.add("001", "echo hello", "hello\n")
    results = Results(run_tests, tree, XDG_CACHE_HOME=str(tmp_path / ("x" * 300)))
    assert results.status == 0, results.said
    assert "File name too long; nothing is remembered" in results.said


def test_several_builds(run_tests: RunTests, tree: Tree, tmp_path: Path) -> None:
    """They are compared by section, as those of any suite."""
    tree.add(
        "tests/named-one",
        'echo "--- one ---"; basename $(dirname "$QSD_PROG")',
        "--- one ---\nold\n",
    )
    for build in ("old", "new"):
        (tmp_path / build).mkdir()
        for name in (
            "qemu-img",
            "qemu-io",
            "qemu-nbd",
            "qemu-storage-daemon",
            "qemu-system-x86_64",
        ):
            (tmp_path / build / name).symlink_to(str(shutil.which(name)))
    matrix = f"old={tmp_path}/old,new={tmp_path}/new"
    done = run_tests("--suite", str(tree.tests), "--matrix", matrix)
    assert done.returncode == 1, done.stdout
    table = done.stdout[done.stdout.rindex("===") :]
    assert "named-one" in table
    assert "before the first heading" not in table
    assert "basename" not in table


def test_a_disk_is_not_offered_as_memory(tmp_path: Path) -> None:
    assert about_memory(tmp_path, tmp_path / "none") == []
    assert about_memory(tmp_path, tmp_path) == []


def test_a_path_too_long_for_sockets_is_told() -> None:
    """The longest that there is room for has a socket of 107 characters, the kernel's limit."""
    longest = 107 - len("/migrate-bitmaps-postcopy-test/test/4194304-nbd-sock")
    assert about_sockets(Path(f"/{'x' * (longest - 1)}")) == []
    (said,) = about_sockets(Path(f"/{'x' * longest}"))
    assert said.startswith("TEST_DIR is a long path")
