# SPDX-License-Identifier: GPL-2.0-or-later
"""Permutations of the steps of sessions, on real programs and real locks."""

import re
from pathlib import Path

import pytest

from tests.case.support import run_script
from tests.lockcalls.support import need

SHELLS = """
import os, sys
def main(case):
    os.chdir(case.test_dir)
    def shell(name, *steps, program=("sh", "-c", "exec 8>a 9>b; exec sh"), **more):
        steps = {name + str(i): step for i, step in enumerate(steps, 1)}
        return case.session(*program, name=name, marker="echo {}", steps=steps, **more)
"""
LOCKER = """
import fcntl, os, sys
f = os.open("f", os.O_RDWR | os.O_CREAT)
def lock(kind, first, command=fcntl.F_SETLKW):
    import struct
    try:
        fcntl.fcntl(f, command, struct.pack("@hhqqi4x", kind, 0, first, 1, 0))
    except OSError as error:
        print(error.strerror)
for line in sys.stdin:
    exec(line)
    sys.stdout.flush()
"""


def permuted(folder: Path, text: str) -> str:
    """Run a script that has `shell(name, step, ...)`; return what it shows."""
    done = run_script(folder, SHELLS + "".join(f"    {line}\n" for line in text.splitlines()))
    assert done.stderr == ""
    return done.stdout


def parts(text: str) -> dict[str, str]:
    """Return the permutations, by their headings."""
    return dict(re.findall(r"^== (.*) ==\n((?:(?!== |\n).*\n)*)", text, re.M))


def test_each_order_of_the_steps_in_a_copy_of_the_files(tmp_path: Path) -> None:
    """And what comes of it is told at the end of each."""
    shown = permuted(
        tmp_path,
        """
open("a", "w").write("0")
one, two = (shell(n, f"echo {n} >>b", "cat b", program=("sh",)) for n in ("x", "y"))
case.permutations(one, two, outcome="cat a b")
""",
    )
    assert shown.startswith("session x: sh\nsession y: sh\n\n== x1 x2 y1 y2 ==\n")
    assert list(parts(shown)) == [
        "x1 x2 y1 y2", "x1 y1 x2 y2", "x1 y1 y2 x2", "y1 x1 x2 y2", "y1 x1 y2 x2", "y1 y2 x1 x2"
    ]  # fmt: skip
    assert parts(shown)["y1 x1 x2 y2"] == (
        "step y1: echo y >>b\nstep x1: echo x >>b\nstep x2: cat b\ny\nx\nstep y2: cat b\ny\nx\n"
        "$ cat a b\n0y\nx\n"
    )
    assert shown.endswith("\n6 permutations: all orders of the steps\n")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["1.py", "a", "log"]


def test_a_step_waits_for_a_lock_and_ends_when_it_is_let_go(tmp_path: Path) -> None:
    """What a session that waits cannot be told makes no permutation."""
    shown = permuted(
        tmp_path,
        """
case.permutations(shell("x", "flock 8", "flock -u 8"), shell("y", "flock 8; echo mine", "echo y"))
""",
    )
    assert parts(shown) == {
        "x1 x2 y1 y2": "step x1: flock 8\nstep x2: flock -u 8\nstep y1: flock 8; echo mine\nmine\n"
        "step y2: echo y\ny\n",
        "x1 y1 x2 y2": "step x1: flock 8\n"
        "step y1: flock 8; echo mine <waiting: flock of a, held by x>\n"
        "step x2: flock -u 8\nstep y1: <... done>\nmine\nstep y2: echo y\ny\n",
        "y1 x1 y2": "step y1: flock 8; echo mine\nmine\nstep x1: flock 8 <waiting: flock of a, held"
        " by y>\nstep y2: echo y\ny\nx waits still: flock of a, held by y\n"
        "cannot be any more: x2\n",
        "y1 y2 x1": "step y1: flock 8; echo mine\nmine\nstep y2: echo y\ny\n"
        "step x1: flock 8 <waiting: flock of a, held by y>\n"
        "x waits still: flock of a, held by y\ncannot be any more: x2\n",
    }
    assert "\n4 permutations: 2 of 6 orders of the steps, and 2 with a part of them;\n" in shown


def test_a_deadlock_is_named(tmp_path: Path) -> None:
    """As soon as it is there: the third one goes on."""
    shown = permuted(
        tmp_path,
        """
x, y = shell("x", "flock 8", "flock 9"), shell("y", "flock 9", "flock 8")
case.permutations(x, y, shell("z", "echo on"), orders=["x1 y1 x2 y2 z1"])
""",
    )
    assert shown.partition("y2: ")[2] == (
        "flock 8 <waiting: flock of a, held by x>\n"
        "deadlock: x waits for y, y waits for x\nstep z1: echo on\non\n"
    )


def test_who_began_to_wait_first_has_the_lock_first(tmp_path: Path) -> None:
    shown = permuted(
        tmp_path,
        """
x, y, z = (shell(name, "flock 8", "flock -u 8") for name in "xyz")
case.permutations(x, y, z, orders=["x1 z1 y1 x2 z2", "x1 y1 z1 x2 y2"])
""",
    )
    first, second = parts(shown).values()
    assert first.endswith(
        "step x2: flock -u 8\nstep z1: <... done>\nstep z2: flock -u 8\nstep y1: <... done>\n"
    )
    assert second.endswith(
        "step x2: flock -u 8\nstep y1: <... done>\nstep y2: flock -u 8\nstep z1: <... done>\n"
    )


@pytest.mark.parametrize("kind", ["F_SETLKW", "F_OFD_SETLKW"])
def test_bytes_of_a_file(tmp_path: Path, kind: str) -> None:
    """POSIX locks, which the kernel gives, and those of open files, which the supervisor does."""
    shown = permuted(
        tmp_path,
        f"""
open("locker", "w").write({LOCKER!r})
def locker(name, *steps):
    steps = {{name + str(i): step for i, step in enumerate(steps, 1)}}
    return case.session(
        sys.executable, "-S", "locker", name=name, marker="print('{{}}')", steps=steps)
take = "lock(fcntl.F_WRLCK, 7, fcntl.{kind})"
free = "lock(fcntl.F_UNLCK, 7, fcntl.{kind})"
case.permutations(locker("x", take, free), locker("y", take, free), orders=["x1 y1 x2 y2"])
""",
    )
    assert " <waiting: byte 7 of f, held by x>\nstep x2: " in shown
    assert "step y1: <... done>\nstep y2: " in shown


def test_the_kernel_tells_a_posix_lock_of_its_deadlock(tmp_path: Path) -> None:
    shown = permuted(
        tmp_path,
        f"""
open("locker", "w").write({LOCKER!r})
def locker(name, *bytes):
    steps = {{name + str(i): f"lock(fcntl.F_WRLCK, {{i}})" for i in bytes}}
    steps[name + "end"] = "sys.exit()"
    return case.session(
        sys.executable, "-S", "locker", name=name, marker="print('{{}}')", steps=steps)
case.permutations(locker("x", 1, 2), locker("y", 2, 1), orders=["x1 y2 x2 y1 yend"])
""",
    )
    assert "deadlock:" not in shown
    assert shown.endswith(
        "step y1: lock(fcntl.F_WRLCK, 1)\nResource deadlock avoided\n"
        "step yend: sys.exit()\nstep x2: <... done>\n"
    )


def test_one_that_asks_again_and_again_waits(tmp_path: Path) -> None:
    """It sleeps no longer than the lock is held, however long it was told to."""
    shown = permuted(
        tmp_path,
        """
case.permutations(
    shell("x", "flock 8", "flock -u 8"),
    shell("y", "until flock -n 8; do echo taken; sleep 1000; done"),
    orders=["x1 y1 x2"],
)
""",
    )
    assert shown.endswith(
        " <waiting: flock of a, held by x>\nstep x2: flock -u 8\nstep y1: <... done>\ntaken\n"
    )


def test_what_waits_behind_an_answer(tmp_path: Path) -> None:
    """It has its lock once that is let go; what it says is of the next answer."""
    shown = permuted(
        tmp_path,
        """
y = shell("y", "flock 8 && echo mine &", "wait")
case.permutations(shell("x", "flock 8", "flock -u 8"), y, orders="x1 y1 x2 y2")
""",
    )
    assert shown.endswith(
        "step y1: flock 8 && echo mine &\nstep x2: flock -u 8\nstep y2: wait\nmine\n"
    )


def test_another_thread_that_sleeps_is_not_waited_for(tmp_path: Path) -> None:
    shown = permuted(
        tmp_path,
        f"""
open("locker", "w").write({LOCKER!r})
line = (
    "lock(fcntl.F_WRLCK, 1, fcntl.F_SETLK); import threading, time; "
    "a = threading.Thread(target=lambda: time.sleep(0.001)); a.start(); a.join()"
)
def locker(name):
    return case.session(
        sys.executable, "-S", "locker", name=name, marker="print('{{}}')", steps={{name: line}})
case.permutations(locker("x"), locker("y"), orders=["x y"])
""",
    )
    assert "waiting:" not in shown
    assert shown.endswith("Resource temporarily unavailable\n")


def test_who_waits_for_more_than_a_shared_lock_has_let_go_of_it(tmp_path: Path) -> None:
    """So does the kernel: two that want more do not wait for each other."""
    shown = permuted(
        tmp_path,
        """
x, y = (shell(name, "flock -s 8", "flock 8", "flock -u 8") for name in "xy")
case.permutations(x, y, orders=["x1 y1 x2 y2 y3"])
""",
    )
    assert shown.endswith(
        "step x2: flock 8 <waiting: flock of a, held by y>\nstep y2: flock 8\n"
        "step y3: flock -u 8\nstep x2: <... done>\n"
    )


def test_a_session_that_another_one_ends(tmp_path: Path) -> None:
    shown = permuted(
        tmp_path,
        """
y = shell("y", "kill -9 $(cat pid)", "flock 8; echo mine")
case.permutations(shell("x", "echo $$ >pid; flock 8", "no"), y, orders=["x1 y1 y2"])
""",
    )
    assert shown.endswith(
        "step y1: kill -9 $(cat pid)\nsession x has ended\n[ended by SIGKILL]\n"
        "step y2: flock 8; echo mine\nmine\n"
    )


def test_a_holder_that_is_killed_lets_go(tmp_path: Path) -> None:
    shown = permuted(
        tmp_path,
        """
import signal
x = shell("x", "flock 8", signal.SIGKILL)
case.permutations(x, shell("y", "flock 8"), orders=["x1 y1 x2"])
""",
    )
    assert shown.endswith("step x2: SIGKILL\n[ended by SIGKILL]\nstep y1: <... done>\n")


def test_a_database_shell_waits_by_its_busy_timeout(tmp_path: Path) -> None:
    need("sqlite3")
    shown = permuted(
        tmp_path,
        """
def sql(name):
    return case.session(
        "sqlite3", "-cmd", ".timeout 3600000", "t.db", name=name, marker=".print {}",
        steps={name + "1": "begin immediate;", name + "2": "commit;"},
    )
case.permutations(sql("x"), sql("y"), orders=["x1 y1 x2 y2"])
""",
    )
    assert "step y1: begin immediate; <waiting: byte 1073741825 of t.db, held by x>\n" in shown
    assert shown.endswith("step x2: commit;\nstep y1: <... done>\nstep y2: commit;\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'case.permutations(shell("x", "flock 8"), shell("y", "flock 8", ":"), '
            'orders=["x1 y1 y2"])',
            "x1 y1 y2: y2 cannot be, y waits for flock of a, held by x\n",
        ),
        (
            'case.permutations(shell("x", "exit 3", ":"), orders=["x1 x2"])',
            "x1 x2: x2 cannot be, x has ended\n",
        ),
        (
            'case.permutations(shell("x", ":"), orders=["x1 y1"])',
            "no session has a step 'y1'; there are: x1\n",
        ),
        (
            'case.permutations(shell("x", ":"), shell("x", ":"))',
            "two sessions have the name x: name= tells them apart\n",
        ),
        (
            'case.permutations(shell("x", ":"), shell("x1", ":")._replace(steps={"x1": ":"}))',
            "two sessions have a step x1: each name is of one session\n",
        ),
        (
            'case.permutations(shell("x", *"12345678"), shell("y", *"12345678"))',
            "12870 permutations are too many: orders=[...] names some of them\n",
        ),
        (
            'case.permutations(shell("x", ":", program=("sh", "-c", "cat >f"), limit=0.1))',
            "x failed to be ready within 0.1 s, and waits for no lock; it printed:\n",
        ),
        (
            'case.permutations(shell("x", ":", program=("sh", "-c", "echo hello; exit 3")))',
            "x has ended before it is ready; it printed:\n  hello\n",
        ),
        (
            'case.permutations(shell("x", ":"), shell("y", ":", program=("flock", "/", "true")), '
            'shell("z", ":", program=("flock", "/", "cat")))',
            "y has ended before it is ready; it printed:\n  nothing\n",
        ),
        (
            'case.permutations(shell("x", "echo $$", ":"), shell("y", ":"))',
            "x1: what was\nstep x1: echo $$\n",
        ),
        (
            'case.permutations(shell("x", f": {99999 * chr(97)}", program=("sh", "-c", '
            '"echo goldlock-answer-0; mkfifo p; exec cat p 5<>p")))',
            "x does not read what it is told",
        ),
        ('case.permutations(shell("x", ":"), orders=[])', "orders= names no order; "),
        ('case.permutations(shell("x", ":"), orders=[""])', "orders=: '' names no step\n"),
        ('case.permutations(shell("x"))', "session x has no steps\n"),
        (
            'case.permutations(shell("x")._replace(steps={"a": 99999}))',
            "step a: expected a text or a signal, not 99999\n",
        ),
        (
            'case.permutations(shell("x", ":", limit=-1))',
            "session x: limit=-1: expected seconds\n",
        ),
        ("case.permutations()", "permutations are of some sessions\n"),
        (
            'case.permutations(shell("x")._replace(steps={"a b": ":"}))',
            "the name of a step is one word\n",
        ),
        ('case.session("sh", steps={})', 'a session is started with prompt="..." or marker='),
        ('case.permutations(shell("x", ":", program=("no-such",)))', "no-such is not installed; "),
    ],
)
def test_what_goes_wrong_is_told(tmp_path: Path, text: str, said: str) -> None:
    shown = permuted(tmp_path, text)
    assert re.search(rf"^{tmp_path}/1.py:\d+: {re.escape(said)}", shown, re.M), shown


def test_each_session_has_its_own_limit(tmp_path: Path) -> None:
    """Also one that prints without end."""
    shown = permuted(
        tmp_path,
        'case.permutations(shell("x", "yes", limit=1), shell("y", ":", limit=3600))',
    )
    said = r"1.py:\d+: x failed to (be ready|answer 'yes') within 1 s, and waits for no lock"
    assert re.search(said, shown), shown
    assert len(shown) < 1000


def test_a_program_that_cannot_be_executed_is_told(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/no-such/interpreter\n")
    program.chmod(0o755)
    shown = permuted(
        tmp_path, f'case.permutations(shell("x", ":"), shell("y", ":", program=("{program}",)))'
    )
    said = r"/1.py:\d+: cannot start \S*program: No such file or directory\n"
    assert re.search(said, shown), shown


def test_it_has_a_supervisor_of_its_own(tmp_path: Path) -> None:
    shown = permuted(
        tmp_path, 'os.environ["GOLDLOCK_FAULTS"] = "x"\ncase.permutations(shell("x", ":"))'
    )
    assert "'# needs: orders' in the header" in shown
