# SPDX-License-Identifier: GPL-2.0-or-later
"""The command that people type: options in, pytest started, an exit status out.

The options are spelled as those of qemu-iotests' ``check`` wherever it has them.
"""

import argparse
import errno
import gc
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from goldlock import __version__
from goldlock.bootstrap import NO_SETUP, enter_environment
from goldlock.errors import UsageError, suggest
from goldlock.options import GROUPS, HOW, WHICH
from goldlock.reports import files
from goldlock.runner import shards
from goldlock.settings import Settings, check_names
from goldlock.suite import kit as kits
from goldlock.suite.cases import Case, Suite, read_suite, select
from goldlock.suite.project import cache_folder, find_suite

_EPILOG = """\
After "--", options go to pytest as they are: %(prog)s -- -k 153

Programs: QEMU_PROG, QEMU_IMG_PROG, QEMU_IO_PROG and QEMU_NBD_PROG name them; what is not
named is looked up on PATH. TEST_DIR is where directories for the cases are made.

Exit status: 0 when all cases passed or could not run here, 1 when one failed, 2 for
anything wrong with what was given here or with the suite, 130 when interrupted, 3 for
a bug in here.
"""


_NAME_IN_CHECKOUT = "run_tests.py"

_SWITCH = 0.0002
"""Seconds that pytest may keep the interpreter from threads that have cases to hand out."""

_NOT_FOR_CASES = (
    "logging",
    "unraisableexception",
    "threadexception",
    "faulthandler",
    "warnings",
    "doctest",
    "unittest",
)
"""Plugins of pytest that look after tests in this process; cases run in their own."""

_PYTEST = (
    *("-p", "goldlock.pytest_plugin.entry", "-p", "no:goldlock"),  # which is what pip installs
    *("-c", str(Path(__file__).with_name("pytest.ini")), "-v", "-rN", "--no-header"),
    "--noconftest",
    *(f"-pno:{name}" for name in _NOT_FOR_CASES),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if found := re.fullmatch(r"argument (\S+): invalid (?:int|float) value: (.*)", message):
            message = f"{found[1]} takes a number, not {found[2]}"
        raise UsageError(message)


def main(arguments: Sequence[str], checkout: Path | None = None) -> int:
    """Do what *arguments* ask for; return the exit status.

    *checkout* is the folder of the ``run_tests.py`` that was started, if it was that.
    """
    _open_standard_files()
    name = _NAME_IN_CHECKOUT if checkout else "goldlock"
    try:
        if _names_builds(arguments):
            return _run_builds(arguments, checkout)
        return _main(arguments, checkout)
    except UsageError as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - to the person who started it
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"{name}: the output cannot be written: {error.strerror}", file=sys.stderr)  # noqa: T201 - as above
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1


def _names_builds(arguments: Sequence[str]) -> bool:
    """Tell whether *arguments* name several builds to compare."""
    flags = [word.partition("=")[0] for word in _split(arguments)[0]]
    return flags.count("--build") > 1 or "--matrix" in flags or "--bisect" in flags


def _run_builds(arguments: Sequence[str], checkout: Path | None) -> int:
    if checkout:
        enter_environment(checkout, checkout / _NAME_IN_CHECKOUT, arguments, tests=False)
    from goldlock import matrix  # few runs compare

    return matrix.main(arguments, [sys.executable, sys.argv[0]])


def _open_standard_files() -> None:
    """Let no other file take the place of a standard one that was closed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def _main(arguments: Sequence[str], checkout: Path | None) -> int:
    ours, for_pytest = _split(arguments)
    options = _parse(ours, checkout)
    check_names(options)
    if checkout and options.self_test:
        _check_alone(options)
        enter_environment(checkout, checkout / _NAME_IN_CHECKOUT, arguments, tests=True)
        return _self_test(checkout, for_pytest)
    suite = read_suite(find_suite(options.suite, Path.cwd(), checkout))
    if not suite.cases:
        raise UsageError(
            f"{suite.root / 'cases'}: no cases; a case is a file called 001.py, or 001"
        )
    cases = select(
        suite, options.cases, _words(options.groups), _words(options.exclude), options.start_from
    )
    if not cases:
        raise UsageError("no case is left: the options exclude all")
    cases = _shard(options, suite, cases)
    if options.list:
        _list(cases)
    if options.list or not cases:
        return 0
    settings = kits.settings(options, os.environ)
    files.check(settings.reports)
    if checkout:
        enter_environment(checkout, checkout / _NAME_IN_CHECKOUT, arguments, tests=False)
    whole = options.shard is None and len(cases) == len(suite.cases)
    if options.remove_orphans and not whole:
        raise UsageError("--remove-orphans: not on a run of some cases; run all of them")
    if options.review:
        from goldlock.goldens.review import require_terminal  # only for those who want it

        require_terminal()
    return _run(settings, suite, cases if not whole else None, for_pytest)


def _shard(options: argparse.Namespace, suite: Suite, cases: list[Case]) -> list[Case]:
    if options.store_durations:
        shards.read_durations(suite.root)  # what is damaged is not found out after the run
    if options.shard is None:
        return cases
    index, number = shards.parse(options.shard)
    part = shards.shard(cases, index, number, shards.read_durations(suite.root))
    of = f"{len(part) or 'none'} of {len(cases)} case{'s' * (len(cases) != 1)}"
    print(f"shard {index}/{number}: {of}", flush=True)  # noqa: T201 - says what is left out
    return part


def _self_test(checkout: Path, for_pytest: Sequence[str]) -> int:
    some = any(Path(word.partition("::")[0]).exists() for word in for_pytest)
    tests = [] if some else [str(checkout / "tests")]
    return _pytest(["-c", str(checkout / "pyproject.toml"), *tests, *for_pytest])


def _run(
    settings: Settings, suite: Suite, selected: Sequence[Case] | None, for_pytest: Sequence[str]
) -> int:
    """Start cases, which takes as long as to import pytest; then pytest, to judge them.

    Without *selected* they are all of the suite.
    """
    signals = _Signals()
    sys.setswitchinterval(_SWITCH)
    from goldlock.runner.run_context import RunContext  # before the others, which take long

    context = RunContext(settings, os.environ, [suite.kit])
    # These need packages, which may just have been set up, and time, while the programs answer.
    from goldlock.runner.history import in_best_order, read_history
    from goldlock.runner.scheduler import Ahead

    ahead = Ahead(settings, os.environ, context)
    try:
        signals.end_cases_with(ahead.interrupt)
        # Options for pytest may choose among the cases, or hand them to other processes; and
        # who looks at the terminal is to know which case it is.
        if not (for_pytest or settings.print or settings.gdb):
            cases = suite.cases if selected is None else selected
            if settings.jobs != 1:  # one job runs them in the order in which they are judged
                cases = in_best_order(cases, read_history(suite.root))
            ahead.start(cases)
        from goldlock.pytest_plugin.run import Run  # and pytest: now, while cases start

        context.programs(suite.kit)
        folder = suite.root / "cases"
        run = Run(
            settings,
            suites=[suite.root],
            selected={} if selected is None else {folder: selected},
            orphans=selected is None,
            by_command=True,
            ahead=ahead,
        )
        asked = for_pytest or _alone()
        return _pytest(
            [*_PYTEST, *_of_suite(suite.root, for_pytest), *asked, str(folder)],
            [run],
        )
    finally:
        ahead.close()


class _Signals:
    """Lets a signal end the cases; who waits for one is then interrupted.

    The handler raises nothing the first time: in the midst of an import or a destructor, an
    exception gets lost, or becomes another. A second signal does not wait.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._end_cases: Callable[[], None] | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._handle)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a caller may ignore it

    def end_cases_with(self, end_cases: Callable[[], None]) -> None:
        """Say how the cases are ended, also for a signal that came before."""
        self._end_cases = end_cases
        if self._seen:
            end_cases()

    def _handle(self, *_: object) -> None:
        self._seen += 1
        if self._end_cases:
            self._end_cases()
        if self._seen > 1:
            raise KeyboardInterrupt


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split at ``--``: what is ours, what is for pytest."""
    if "--" not in arguments:
        return list(arguments), []
    at = list(arguments).index("--")
    return list(arguments[:at]), list(arguments[at + 1 :])


def _parse(arguments: Sequence[str], checkout: Path | None) -> argparse.Namespace:
    parser = _parser(checkout)
    options, unknown = parser.parse_known_intermixed_args(arguments)
    for word in unknown:
        flags = [flag for action in parser._actions for flag in action.option_strings]
        raise UsageError(f"unknown option {word!r}{suggest(word, flags)}")
    return options


def _check_alone(options: argparse.Namespace) -> None:
    """Raise UsageError for what is given beside ``--self-test``, which would not heed it."""
    given, alone = vars(options), vars(_parse(["--self-test"], Path()))
    others = [name for name in given if given[name] != alone[name] and name != "no_setup"]
    if others:
        what = "cases" if others[0] == "cases" else f"--{others[0].replace('_', '-')}"
        raise UsageError(
            f"--self-test runs goldlock's own tests, and takes no {what};"
            " '--self-test -- -k WORD' chooses among them"
        )


def _parser(checkout: Path | None) -> _Parser:
    parser = _Parser(
        prog=_NAME_IN_CHECKOUT if checkout else "goldlock",
        description="Run cases, and hold what they print against their goldens.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="%(prog)s [OPTION ...] [CASE ...] [-- PYTEST OPTION ...]",
    )
    groups = {name: parser.add_argument_group(name) for name in GROUPS}
    choose = groups[WHICH]
    choose.add_argument("cases", nargs="*", metavar="CASE", help="number of a case, such as 153")
    choose.add_argument("-g", dest="groups", metavar="GROUP,...", help="the cases of these groups")
    choose.add_argument("-x", dest="exclude", metavar="GROUP,...", help="but not of these groups")
    choose.add_argument("--start-from", metavar="CASE", help="from this case on")
    choose.add_argument("-n", dest="list", action="store_true", help="list them, run nothing")
    choose.add_argument("--shard", metavar="I/N", help="the I-th of N parts that take as long")
    choose.add_argument("--suite", metavar="DIR", help="the suite in DIR, or that called qemu")
    builds = groups[HOW]  # for the help; several builds are not run here
    builds.add_argument(
        "--matrix", metavar="NAME=DIR,...", help="run with each of these builds, and compare"
    )
    builds.add_argument(
        "--bisect",
        metavar="'CASE: SECTION'",
        help="find the first of the builds, in their order, that changes a section",
    )
    for option in kits.options():
        flags = [option.short, option.flag] if option.short else [option.flag]
        groups[option.group].add_argument(*flags, **option.keywords)
    _add_short_words(parser)
    rest = parser.add_argument_group("this program")
    if checkout:
        rest.add_argument("--self-test", action="store_true", help="run goldlock's own tests")
        rest.add_argument(NO_SETUP, action="store_true", help="use this Python's packages, or fail")
    rest.add_argument("--version", action="version", version=f"goldlock {__version__}")
    return parser


def _add_short_words(parser: _Parser) -> None:
    """Let values that can stand alone do so: -raw for --imgfmt raw."""
    options = [option for option in kits.options() if option.words]
    lines = "\n".join(" ".join(f"-{word}" for word in option.words) for option in options)
    group = parser.add_argument_group("image formats and protocols, for short", lines)
    for option in options:
        for word in option.words:
            help_ = argparse.SUPPRESS
            group.add_argument(
                f"-{word}", dest=option.name, action="store_const", const=word, help=help_
            )


def _words(given: str | None) -> list[str]:
    words = [word for word in (given or "").split(",") if word]
    if given is not None and not words:
        raise UsageError(f"no group in {given!r}")
    return words


def _list(cases: Sequence[Case]) -> None:
    for case in cases:
        print(f"{case.number}  {' '.join(case.groups)}".rstrip())  # noqa: T201 - what was asked for


def _alone() -> list[str]:
    """Let plugins that are there for other tests stay out of it, but for what we need of them."""
    import pytest

    subtests = ["-p", "subtests"] if pytest.version_tuple < (9,) else []
    return ["--disable-plugin-autoload", *subtests]


def _of_suite(root: Path, for_pytest: Sequence[str]) -> list[str]:
    folder = cache_folder(root)
    elsewhere = folder.parent != root and not any("no:cacheprovider" in word for word in for_pytest)
    return [f"--rootdir={root}", *(["-o", f"cache_dir={folder}"] if elsewhere else [])]


def _pytest(arguments: Sequence[str], plugins: Sequence[object] = ()) -> int:
    import pytest  # may not be there before the packages are set up

    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):  # are meant for other tests
        os.environ.pop(name, None)
    gc.freeze()  # what was loaded stays: no collection need look at it
    gc.enable()
    code = pytest.ExitCode
    ours = {code.USAGE_ERROR: 2, code.NO_TESTS_COLLECTED: 2, code.INTERRUPTED: 130}
    status = pytest.main(list(arguments), plugins)
    return int(ours.get(code(status), status))
