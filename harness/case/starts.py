# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case starts, shows, and waits for: programs that end, sessions that stay, daemons."""

import os
import subprocess
from typing import TYPE_CHECKING

from goldlock.case.output import Output
from goldlock.case.program import Completed, Program, Start
from goldlock.stand_ins import path_without_shims

if TYPE_CHECKING:
    from typing import TypeVar, Unpack

    from goldlock.case.daemon import Daemon
    from goldlock.case.holder import Holder
    from goldlock.case.session import Session
    from goldlock.case.waits import Fields

    P = TypeVar("P", bound=Program)
    S = TypeVar("S", bound="Session | Daemon")


class Starts(Output):
    """What a case starts is in its log, and known to who looks for locks."""

    def show(self, program: str | Program, /, *arguments: str, stdin: str = "") -> Completed:
        """Show a command, run it, and show what it writes, and its exit status if that is not 0.

            $ git add a
            fatal: Unable to create 'TEST_DIR/.git/index.lock': File exists.
            [exit status 128]

        ``goldlock show -- git add a`` does the same in a shell.
        """
        program = self._found(program)
        self.log(f"$ {program.echo(*arguments)}", self.paths)
        done = program(*arguments, stdin=stdin)
        self.log(done.stdout, self.paths)
        self.log(done.stderr, program.own_name, self.stderr_output)
        self.log(done.ending, str)
        return done

    def show_errors(self, program: str | Program, /, *arguments: str) -> Completed:
        """Show a command, run it, and show what it writes to standard error.

        Its standard output is not shown: it is the same whoever has a lock.
        """
        program = self._found(program)
        self.log()
        self.log(program.echo(*arguments), self.paths)
        done = program(*arguments)
        self.log(done.stderr, self.stderr_output)
        return done

    def program(self, program: str, /, *options: str, name: str = "") -> Program:
        """Return a program: by its path, or by a name that is on PATH.

        *options* go before the arguments of each call, and are not shown. A *name* is what the
        kernel knows its processes by, and so tables of locks, traces and plans of faults, where
        several of one program are to be told apart; 15 characters at most.
        """
        import shutil  # takes a tenth of what a case takes to start

        path = path_without_shims(os.environ)  # what it starts is in the log anyway
        command = [shutil.which(program, path=path) or "", *options]
        made = self._program(program.rpartition("/")[2], command, Program)
        return self._known_as(made, name)

    def start(
        self,
        program: str | Program,
        /,
        *arguments: str,
        name: str = "",
        prompt: str = "",
        marker: str = "",
        limit: float = 0,
        **ready: "Unpack[Fields]",
    ) -> "Holder":
        """Start a program that stays, and return when it is ready. Use it in a ``with`` block.

            with case.start("sqlite3", "t.db", name="A", marker=".print {}") as a:
                a.ask("begin exclusive;")
            with case.start("flock", "f", "sleep", "1000", locked="f"):
                ...

        It is ready once it has printed its *prompt*, or what its command *marker* has it print
        (``{}`` stands for that); with ``line="..."``, once it has printed such a line; with the
        other fields of `wait_for`, once they are so: a lock that is held is its own. Without any of
        them, it is once it runs. The end of the block kills it, and all that it started. *name* is
        as in `program`; *limit* the seconds that it has to be ready, and for each answer, 30 by
        default.

        Raises CaseError where it ends before, or takes longer; the message has what it printed.
        """
        from goldlock.case.holder import Holder  # pexpect: only for the cases that talk

        program = self._known_as(self._found(program), name)
        speech = (prompt, marker)
        return self._register(
            Holder(program, *arguments, case=self, speech=speech, limit=limit, ready=ready)
        )

    def daemon(
        self,
        program: str | Program,
        /,
        *arguments: str,
        pidfile: str,
        limit: float = 0,
        **ready: "Unpack[Fields]",
    ) -> "Daemon":
        """Start a program that leaves a daemon behind, whose process id is in the file *pidfile*.

        Returns once the daemon runs, and is ready, as in `start`. Use it in a ``with`` block, whose
        end kills it. Raises CaseError where the program fails, or there is no daemon in time.
        """
        from goldlock.case.daemon import Daemon  # only for the cases that have one

        return self._register(
            Daemon(self._found(program), *arguments, pidfile=pidfile, limit=limit, ready=ready)
        )

    def wait_for(self, *, limit: float = 0, **state: "Unpack[Fields]") -> str:
        """Wait until something is so; never for a time.

        =================================== =======================================================
        ``locked="t.db"``                   a lock is held on the file; ``byte=5`` or
                                            ``byte=(5, 9)``: on these; ``byte="SHARED"``: on some
                                            that the suite calls so; ``by=holder``: by a session,
                                            a daemon, a pid, or what is below it;
                                            ``exclusive=True``: one to write
        ``unlocked="t.db"``                 none is; ``byte=``, ``by=`` as above
        ``blocked=waiter``                  a session, or a pid, waits in the kernel for a lock
        ``refused=waiter``                  it was refused a lock since it was told something:
                                            with ``needs: faults``; the line of the trace that
                                            says so is returned
        ``exists="f"``, ``missing="f"``     a file is there, or not; a socket is there once it is
                                            listened on
        ``line="ready", of="log"``          a file, or what a session prints, has such a line, which
                                            is returned; a compiled pattern, too
        ``gone=pid``                        a process is no more: ``kill -0`` finds none
        ``until=function``                  what the function returns is true
        =================================== =======================================================

        Ends and files are events; locks are looked at each 1 to 20 ms, as the kernel tells nobody
        of them. Raises CaseError, which says what is there instead, after *limit* seconds (30), and
        at once when the process has ended that was to do it.
        """
        from goldlock.case.waits import wait_for  # only for the cases that wait

        return wait_for(state, limit)

    def _found(self, program: str | Program) -> Program:
        return self.program(program) if isinstance(program, str) else program

    def _known_as(self, program: "P", name: str) -> "P":
        folder = f"{os.path.dirname(self.test_dir)}/names"  # noqa: PTH120 - as for the logs
        return program.known_as(name, folder) if name else program

    def _program(
        self,
        name: str,
        command: list[str],
        kind: "type[P]",
        start: Start = subprocess.Popen,
    ) -> "P":
        """Make a program whose calls are in the log of this case, and of the task it is in."""
        wrapped = name in self.environment.goldlock_wrapped.split()
        return kind(name, command, self._keep, start, wrapped=wrapped)

    def _keep(self, argv: list[str], text: str) -> None:
        self.raw_log.add(argv, text)

    def _register(self, session: "S") -> "S":
        """Have the log look at a session's process first for who holds a lock."""
        self.raw_log.holders.add(session.pid)
        return session
