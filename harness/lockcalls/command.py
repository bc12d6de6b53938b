# SPDX-License-Identifier: GPL-2.0-or-later
"""The command: goldlock faults [PLAN ...] [--trace FILE] [--files] -- PROGRAM [ARGUMENT ...]."""

# A supervisor starts ahead of short programs, and pathlib takes 5 ms to load:
# ruff: noqa: PTH113, PTH116, PTH118, PTH123

import os
import stat

from goldlock.lockcalls import FAULTS_VARIABLE, MISSED, complaints, control, launcher
from goldlock.lockcalls.words import KIT_VARIABLE, ByteWords, byte_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from goldlock.lockcalls.plan import Fault
    from goldlock.lockcalls.trace import Trace

USAGE = """\
Run a program, and all that it starts, with faults in its lock calls.

  goldlock faults [PLAN ...] [--trace FILE] [--files] -- PROGRAM [ARGUMENT ...]
  goldlock faults --check        say whether it can be done here
  goldlock faults --add PLAN     in a program under it: set a fault, print its key
  goldlock faults --await KEY    ... wait, at most 60 s, until a call fails or stands still by it
  goldlock faults --clear KEY    ... take it away, print how many calls it made fail

PLAN is a line such as "lock 101 of t.qcow2 fails with ENOLCK once", or @FILE; lines in the
environment variable GOLDLOCK_FAULT_PLAN come first.  --plan PLAN is the same as PLAN.
FILE gets a line for each lock call; with --files, or a plan that has such a call, also for each
file that is made, renamed or removed.  --suite DIR gives bytes names in both, those of a
suite.toml; --kit NAME those of a kit.

Exit status: that of the program; 2 usage, plan, or a trace that could not be written, 77 forbidden
here, 123 the plan made no call fail and does not say "may miss", 125 supervisor broken, 126 and 127
program not executable and not found.
"""

PLAN_VARIABLE = "GOLDLOCK_FAULT_PLAN"
_AWAIT_LIMIT = 60.0


class UsageError(Exception):
    """Something is wrong with the command line; str() says what in one line."""


def main(argv: list[str]) -> int:
    """Do what the arguments (without the command's name) say; return the exit status."""
    launcher.occupy_standard_descriptors()
    try:
        return _run(argv)
    except UsageError as error:
        complaints.complain(str(error))
        return 2
    except control.NoSupervisorError as error:
        complaints.complain(str(error))
        return launcher.UNAVAILABLE
    except OSError as error:  # a sandbox refuses a call that nobody else does
        complaints.complain(f"{error.strerror}")
        return launcher.UNAVAILABLE if launcher.is_refusal(error) else launcher.BROKEN


def _run(argv: list[str]) -> int:
    if argv in (["-h"], ["--help"]):
        _say(USAGE)
        return 0
    _require_proc()
    if argv == ["--check"]:
        return _check()
    if len(argv) == 2 and argv[0] in ("--add", "--await", "--clear"):
        return _request(*argv)
    if "--" not in argv or argv[-1] == "--":
        raise UsageError("no program: expected [PLAN ...] -- PROGRAM [ARGUMENT ...]")
    split = argv.index("--")
    files = "--files" in argv[:split]
    plans, trace = _options([word for word in argv[:split] if word != "--files"])
    program = argv[split + 1 :]
    faults = _faults(plans)
    _tell_of_privileges(program[0])
    if os.environ.get(FAULTS_VARIABLE):
        return _join(program, faults, trace[0] or ("--files" if files else ""))
    files = files or any(fault.calls.is_by_name for fault in faults)
    return launcher.run(program, faults, _open(*trace), files=files)


def _require_proc() -> None:
    try:
        os.close(os.open("/proc/self/fd", os.O_RDONLY))
    except OSError as error:
        raise control.NoSupervisorError(f"/proc/self/fd: {error.strerror}") from error


def _tell_of_privileges(name: str) -> None:
    """Say that a program will not become another user: what it complains of is something else."""
    folders = [""] if "/" in name else os.get_exec_path()
    paths = (os.path.join(folder, name) for folder in folders)
    path = next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), "")
    if not path:
        return
    status = os.stat(path)
    for bit, what, is_own in (
        (stat.S_ISUID, "set-user-id", status.st_uid == os.geteuid()),
        (stat.S_ISGID, "set-group-id", status.st_gid == os.getegid()),
    ):
        if status.st_mode & bit and not is_own:
            complaints.complain(f"{name}: {what} has no effect under a supervisor (no_new_privs)")


def _say(text: str) -> None:
    try:
        os.write(1, text.encode())
    except OSError as error:
        raise UsageError(f"standard output: {error.strerror}") from error


def _check() -> int:
    if os.environ.get(FAULTS_VARIABLE):
        control.Control().close()
    elif status := _tried():
        return status
    _say("faults can be injected here\n")
    return 0


def _tried() -> int:
    """Try it in a process of its own, which closes its files; return the exit status."""
    child = os.fork()
    if not child:
        os._exit(launcher.run([], (), None))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _options(words: list[str]) -> tuple[list[str], tuple[str, str]]:
    """Return the plans, and the option for a trace with its file, or two empty words."""
    plans, trace = [], ("", "")
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option in ("--plan", "--trace", "--events", "--kit"):
            text = value if equals else next(rest, None)
            if text is None or (not text and option != "--plan"):
                raise UsageError(f"{option}: expected a value")
            if option == "--plan":
                plans.append(text)
            elif option != "--kit":
                trace = (option, text)
                if option == "--events":  # which that command alone reads
                    complaints.speak_as("goldlock trace")
                if text == "-":
                    raise UsageError(f"{option} -: takes a file; standard output is the program's")
            else:
                _words(text, f"--kit {text}")
                os.environ[KIT_VARIABLE] = text  # for what the program starts, too
        elif word.startswith("-"):
            raise UsageError(f"{word}: no such option")
        else:
            plans.append(word)
    return plans, trace


def _faults(plans: list[str]) -> "tuple[Fault, ...]":
    found: list[Fault] = []
    variable = os.environ.pop(PLAN_VARIABLE, "")  # it is not for what the program may start
    sources = [(PLAN_VARIABLE, variable)] if variable else []
    words = _words()
    for plan in plans:
        sources.append((plan[1:], _read(plan[1:])) if plan.startswith("@") else ("plan", plan))
    for name, text in sources:
        from goldlock.lockcalls.plan import absolute, parse_plan  # 15 ms
        from goldlock.lockcalls.plan_line import PlanError

        try:
            new = [absolute(fault) for fault in parse_plan(text, words)]
            if not new:  # a file that was not written, or a variable that was not set
                raise UsageError(f"{name}: no fault in this plan")
            found += new
        except PlanError as error:
            raise UsageError(f"{name}:{error}") from error
        except FileNotFoundError as error:  # where paths begin that are not absolute
            raise UsageError(f"the current folder: {error.strerror}") from error
    return tuple(found)


def _words(kit: str | None = None, given_by: str = KIT_VARIABLE) -> ByteWords:
    try:
        return byte_words(kit)
    except ValueError as error:
        raise UsageError(f"{given_by}: {error}") from error


def _read(path: str) -> str:
    if not path:
        raise UsageError("@: expected the name of a file after it")
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', 'not UTF-8')}") from error


def _open(option: str, path: str) -> "Trace | None":
    if not path:
        return None
    try:
        if option == "--events":
            from goldlock.lockcalls.events import EventTrace

            return EventTrace(path, _words())
        from goldlock.lockcalls.trace import Trace  # loaded by those who want one

        return Trace(path, _words())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _join(program: list[str], faults: "tuple[Fault, ...]", option: str) -> int:
    """Run under the supervisor that is at work already: a process can have only one.

    *option* is one that it would have to be started with, a word of `goldlock trace` perhaps.
    """
    if option:
        typed = "" if option == "--events" else f"{option}: "
        where = "goldlock trace or faults, or a case, has a supervisor for lock calls here already"
        raise UsageError(f"{typed}{where}: a process can have only one")
    connection = control.Control()
    keys = [connection.add(fault) for fault in faults]
    status = launcher.run_here(program)
    missed = [complaint for key in keys if (complaint := connection.clear(key)[1])]
    return launcher.end_as(status, MISSED, missed)


def _request(verb: str, text: str) -> int:
    connection = control.Control()
    if verb == "--add":
        _say("".join(f"{connection.add(fault)}\n" for fault in _faults([text])))
        return 0
    if not control.is_key(text):
        raise UsageError(f"{text}: not a key that --add printed")
    if verb == "--await":
        try:
            _say(f"{connection.await_hit(int(text), _AWAIT_LIMIT)}\n")
        except TimeoutError:
            return launcher.end_as(0, MISSED, [f"{text}: no such call came in {_AWAIT_LIMIT:g} s"])
        return 0
    hits, missed = connection.clear(int(text))
    _say(f"{hits}\n")
    return launcher.end_as(0, MISSED, [missed] if missed else [])
