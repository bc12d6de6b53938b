# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case script imports: start programs, show what they say, filtered.

    from goldlock import Case, run

    def main(case: Case) -> None:
        sqlite = case.program("sqlite3")
        sqlite("t.db", "create table t (x)")
        case.section("A second writer must fail")
        case.show_errors(sqlite, "t.db", "insert into t values (1)")

    run(main)

All that a case prints goes to standard output; the runner holds it against the golden.
What the programs said before any filter is kept in a log of its own. A kit adds what the
programs of a suite need beyond that: `goldlock.kits.qemu` has images, monitors and holders.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from goldlock import filters
from goldlock.case.program import Program
from goldlock.case.raw_log import RawLog
from goldlock.case.starts import Starts
from goldlock.environment import Environment
from goldlock.errors import CaseError
from goldlock.filters import Filter
from goldlock.lockcalls import FAULTS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from goldlock.case.orders import Call
    from goldlock.case.parallel import TaskGroup
    from goldlock.case.permutation import Step, Steps
    from goldlock.lockcalls.api import ActiveFaults, Pause
    from goldlock.orders.always import Predicate


class Case(Starts):
    """One run of a case: its directories, its programs, and its output.

    ``test_dir`` and ``sock_dir`` are its own, and empty when it starts; it runs in the first.
    """

    def __init__(self, environment: Environment, script: str = "") -> None:
        super().__init__(environment, script)
        self._group: TaskGroup[Self] | None = None
        self._lock_calls_read = 0

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], script: str) -> Self:
        """Make the case that a runner's variables tell of; raise LookupError without them."""
        return cls(Environment.from_environ(environ), script)

    def log(self, text: str = "", *with_filters: Filter) -> None:
        """Print *text*, filtered, with a line end if it has none; nothing for ``""`` filtered.

        ``log()`` prints an empty line. In the block of a task group, it waits for the tasks
        before it.
        """
        if self._group and self._group.open:
            self._group.wait()
        super().log(text, *with_filters)

    # What cases have in common

    def once(self, name: str, make: "Callable[[str], object]") -> str:
        """Return a folder that the run makes once for all of its cases, to be read or copied.

            cluster = case.once("cluster", lambda folder: initdb("-D", folder))
            shutil.copytree(cluster, "data")

        The case that comes first has *make* fill the empty folder; others wait meanwhile. Where
        that raises, the next one has it made anew. Below a supervisor each case has its own, as
        what is traced must not depend on who comes first.

        Raises CaseError for a *name* that is not one word of letters, digits, ``-`` and ``_``.
        """
        from goldlock.case.once import made_once  # only for the cases that want it

        return made_once(self.environment.goldlock_run, os.environ["HOME"], name, make)

    # Tasks side by side

    def task_group(self) -> "TaskGroup[Self]":
        """Run independent tasks in parallel, for the length of a ``with`` block.

            with case.task_group() as group:
                for options in OPTIONS:
                    group.start(one_round, options)

        runs ``one_round(case, options)`` for each, in a process of its own, where *case* has
        empty directories of its own. The output is that of one after the other.

        Raises CaseError inside a task, and in such a block.
        """
        if self.path_alias or (self._group and self._group.open):
            raise CaseError("a task group cannot be inside another one")
        from goldlock.case.parallel import SPARE, TaskGroup  # only for the cases that have one

        serial = self.environment.goldlock_serial
        self._group = TaskGroup(self, 1 if serial else len(os.sched_getaffinity(0)) + SPARE)
        return self._group

    def preload(self) -> None:
        """Import what most tasks of a group need, once for all of them."""
        import goldlock.inspect.lock_table  # noqa: F401 - for the log

    def enter_branch(self, folder: str) -> None:
        """Go on in the process of a task, with directories and files of its own below *folder*.

        What is shown is told as if they were those of the case, before any other filter.
        """
        _ = self.paths  # from now on it names the directories of the whole case
        test_dir = f"{folder}/test"
        sock_dir = f"{self.sock_dir}/{folder.rpartition('/')[2]}"
        os.mkdir(sock_dir)  # noqa: PTH102 - as for the logs
        variables = {"TEST_DIR": test_dir, "SOCK_DIR": sock_dir}
        os.environ.update(variables, HOME=f"{folder}/home", TMPDIR=f"{folder}/home")
        self.path_alias = filters.compose(
            filters.directory(test_dir, self.test_dir), filters.directory(sock_dir, self.sock_dir)
        )
        self.test_dir, self.sock_dir = test_dir, sock_dir
        self.environment = self.environment.branch(folder, test_dir, sock_dir)
        os.environ["GOLDLOCK_LOG"] = self.environment.goldlock_log
        self.raw_log = RawLog(self.environment, self.refused)
        self._group = None
        os.chdir(test_dir)

    # Locks

    def locks(self, path: str = "") -> str:
        """Return who holds which locks on a file, or a directory and all below it, a line each.

            t.qcow2: byte 201, nobody else may write: qemu-system-x86_64 (pid 7, holder)

        By default those on all files of this case; in the order of files and bytes, or a line
        that says that there are none. The filter `holders` makes it fit for a golden. With
        ``needs: lock-files`` in the header, files that are locks by their being there stand below:

            .git/index.lock: created by git (pid 7), open in none

        Where the system does not tell who waits, the case is not run. Raises CaseError where
        nothing is at *path*.
        """
        from goldlock.inspect.lock_files import lock_files  # only for the cases that ask
        from goldlock.inspect.lock_table import NOBODY, table
        from goldlock.kernel_locks import why_no_lock_table

        if why := why_no_lock_table():
            self.not_run(why)
        path = path or self.test_dir
        try:
            return table(path) + lock_files(path) or NOBODY
        except FileNotFoundError as error:
            raise CaseError(f"locks of {path}: {error.strerror}") from None

    def faults(self, *plan: str, **fields: Any) -> "AbstractContextManager[ActiveFaults]":
        """Make lock calls of the programs fail, for the length of a ``with`` block.

        The plan is a line such as ``lock uses write of t.qcow2 fails with ENOLCK once``; the
        fields are those of `goldlock.lockcalls.api.faults`. After the block, ``hits`` of what it
        gives is the number of calls that failed. The case's header must have ``needs: faults``;
        raises CaseError without that, in a task group, and at the end of the block where no call
        has failed, unless ``may_miss=True``; ValueError for what is no fault.
        """
        from goldlock.lockcalls.api import faults  # only for the cases that want it

        self._require_serial("faults hit")
        if not os.environ.get(FAULTS_VARIABLE):
            raise CaseError("faults need a supervisor; '# needs: faults' in the header asks for it")
        return faults(*plan, **fields)

    def pause(self, plan: str, limit: float = 60) -> "AbstractContextManager[Pause]":
        """Have programs stand still before certain lock calls, at most for a ``with`` block.

            with case.pause("lock RECOVER of t.db-shm by sqlite3") as held:
                shell = case.start("sqlite3", "t.db")
                held.wait()
                ...                    # it stands before the call
                held.go_on()

        ``wait`` waits until one stands there, at most *limit* seconds; at the end of the block all
        go on. A plan can say more behind ``is paused``: ``... is paused from call 2``. Raises as
        `faults` does.
        """
        from goldlock.lockcalls.api import pause  # only for the cases that want it

        self._require_serial("a pause is of")
        if not os.environ.get(FAULTS_VARIABLE):
            raise CaseError("a pause needs a supervisor; '# needs: faults' in the header")
        return pause(plan, limit)

    def lock_calls(self) -> str:
        """Return the lock calls of the programs since this was last asked, a line each.

        The format is that of `goldlock.lockcalls.trace`. Raises CaseError as `faults` does.
        """
        from goldlock.lockcalls.api import trace_path  # only for the cases that ask

        self._require_serial("the trace of lock calls is of")
        path = trace_path()
        if not path:
            raise CaseError(
                "no lock calls are known; '# needs: faults' in the header asks for them"
            )
        with open(path, "rb") as file:  # noqa: PTH123 - as for the logs
            file.seek(self._lock_calls_read)
            text = file.read().decode("utf-8", "surrogateescape")
            self._lock_calls_read = file.tell()
        return text

    def orders(  # noqa: PLR0913 - each is a question of its own
        self,
        programs: "Mapping[str, Call]",
        *,
        outcome: str = "",
        never: str = "",
        switches: int | None = None,
        points: str = "locks",
        always: "Predicate | None" = None,
        holders: bool = False,
    ) -> None:
        """Run programs in every order of their lock calls; show each thing that can come of it.

            case.orders({"writer": (sqlite, "t.db", WRITE), "reader": "sqlite3 t.db .dump"})

        The programs, each with its arguments, or a string with words as for a shell, run in copies
        of the directory of the case. *outcome* is a shell's command line that tells what came of
        it; if left out, which files there are, with checksums. With *switches*, only orders with so
        few switches away from a program that could go on; with *points* "files", what makes, cuts
        off or removes files is a step, and what looks at one by its name, with "all", what reads or
        writes them, too. Each outcome is shown with the shortest order that leads there.

        *always* is a function that is given the `State` at each moment at which all programs stand
        still: its `folder`, and who has `held` what; it returns whether all is as it must be. With
        *holders*, no two may hold what excludes each other: a lock of a file of one name, or bytes
        of which the kit says so.

        The case's header has ``needs: orders``, as they cannot be had everywhere. Raises CaseError
        where an outcome matches the regular expression *never* or breaks what must be so always,
        and where one is not the same when its order is run again: `stderr_output` is the filter
        for it.
        """
        from goldlock.case.orders import Asked, Orders  # only for the cases that want it

        self._require_serial("orders are of")
        Orders(self, programs, Asked(outcome, never, switches, points, always, holders)).run()

    def session(  # noqa: PLR0913 - as of `start`, and its steps
        self,
        program: str | Program,
        /,
        *arguments: str,
        steps: "Mapping[str, Step]",
        name: str = "",
        prompt: str = "",
        marker: str = "",
        limit: float = 60,
    ) -> "Steps":
        """Return a session for `permutations`: a program that is spoken to, and its steps.

            one = case.session("sqlite3", "t.db", name="one", marker=".print {}", steps={
                "begin1": "begin immediate;", "commit1": "commit;"})

        A step is what the program is told, or the number of a signal that ends it. *prompt* and
        *marker* are as in `start`; *limit* is how many seconds a step may take.
        """
        from goldlock.case.permutation import Steps  # only for the cases that want it
        from goldlock.orders.speech import Speech

        program = self._found(program)
        own_name, speech = program.own_name, Speech(prompt, marker)
        shown = shlex.join((program.name, *arguments))
        return Steps(
            name or program.name,
            program,
            arguments,
            speech,
            steps,
            lambda text: self.stderr_output(own_name(text)),
            limit,
            shown,
        )

    def permutations(
        self, *sessions: "Steps", orders: "Sequence[str] | None" = None, outcome: str = ""
    ) -> None:
        """Run the steps of sessions in all orders that keep the order of each session.

            case.permutations(one, other)
            case.permutations(one, other, orders=["begin1 begin2 commit1 commit2"])

        With *orders*, those alone are run; they may have a part of the steps. Each begins with a
        copy of the directory of the case, and is a section of the output. A step that waits for a
        lock is shown with ``<waiting: byte 5 of f, held by one>``, and its end, once the lock is
        let go, as ``step begin2: <... done>``; meanwhile its session is told nothing. *outcome* is
        a shell's command line that tells at the end of each what has come of it.

        The case's header must have ``needs: orders``. Raises CaseError without that, where a
        session does not answer, and where the same steps do not show the same each time.
        """
        from goldlock.case.permutations import Permutations  # only for the cases that want it

        self._require_serial("permutations are of")
        Permutations(self, sessions, outcome).run([orders] if isinstance(orders, str) else orders)

    def _require_serial(self, what: str) -> None:
        """Raise CaseError in a task, and in the block of a group, which chance would choose from.

        To wait for the tasks would not do: more can start while faults are active.
        """
        if self.path_alias or (self._group and self._group.open):
            raise CaseError(f"{what} all programs of a case; not for tasks that run in parallel")
