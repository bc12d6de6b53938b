# SPDX-License-Identifier: GPL-2.0-or-later
"""The same cases with several builds, and what differs between them, section by section.

``--build DIR`` more than once, or ``--matrix NAME=DIR,...``: each build has a run of its own, and
a table comes at the end. What stands in place of a DIR may also be ``embedded:POLICY``, for the
embedded programs. With ``--bisect``, the builds are in order, and the first one is found that
changes a section.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from goldlock.environment import OUTPUTS
from goldlock.errors import UsageError, choice
from goldlock.goldens.compare import OWN, Reading
from goldlock.reports import files
from goldlock.reports.builds import Build, Run, difference, page, table
from goldlock.text import for_terminal, sections

_REFUSED = (
    *("update", "review", "remove_orphans", "store_durations", "list", "repeat", "until_fail"),
    *("tap", "junit_xml", "json_lines", "gitlab_report"),
)
"""Options that would be about all builds at once, or are needed here."""


class Comparison(NamedTuple):
    """What to compare; *rest* are the words that are about something else.

    *bisect* are a case and a section of it, or nothing.
    """

    builds: Sequence[Build]
    rest: Sequence[str]
    html: Path | None
    bisect: Sequence[str]


def asked(arguments: Sequence[str], options: argparse.Namespace) -> Comparison:
    """Return what *arguments*, which were parsed to *options*, ask for.

    Raises UsageError for what cannot be.
    """
    for name in _REFUSED:
        if getattr(options, name):
            flag = "-n" if name == "list" else f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag}: not with several builds; run it with one of them")
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--build", action="append", default=[])
    for flag in ("--matrix", "--bisect", "--html"):
        parser.add_argument(flag)
    known, rest = parser.parse_known_args(arguments)
    reports = {"--html": known.html} if known.html else {}
    files.check(reports)
    html = files.asked(reports).get("--html")
    return Comparison(_builds(known), rest, html, _bisected(known.bisect))


def _builds(known: argparse.Namespace) -> list[Build]:
    given = [(Path(each).name, each) for each in known.build]
    for word in known.matrix.split(",") if known.matrix is not None else ():
        name, equals, where = word.partition("=")
        if not equals or not name or not where:
            raise UsageError(f"--matrix {word!r}: NAME=DIR; as in --matrix old=~/old,new=~/new")
        given.append((name, where))
    if len(given) < 2:
        raise UsageError("--matrix and --bisect take two builds or more")
    names = [name for name, _ in given]
    if len(set(names)) < len(names) and known.matrix is None:  # they are all called bin, say
        given = [(where, where) for _, where in given]
    if len({name for name, _ in given}) < len(given):
        raise UsageError(f"two builds have the same name: {', '.join(name for name, _ in given)}")
    return [Build(name, _choosing(where)) for name, where in given]


def _choosing(where: str) -> list[str]:
    kind, _, policy = where.partition(":")
    if kind != "embedded":
        return ["--build", os.path.expanduser(where)]  # noqa: PTH111 - a shell does it for one alone
    return ["--programs", "embedded", *(["--errno-policy", policy] if policy else [])]


def _bisected(given: str | None) -> list[str]:
    if given is None:
        return []
    number, _, title = map(str.strip, given.partition(":"))
    if not number or not title:
        raise UsageError("--bisect takes a case and a section: --bisect '153: Symbolic link'")
    return [number, title]


def main(
    comparison: Comparison,
    command: Sequence[str],
    for_pytest: Sequence[str],
    reading: Reading = OWN,
) -> int:
    """Run *command* with each build, and compare; return 1 if a case failed in one of them.

    Raises UsageError for what cannot be, and KeyboardInterrupt after a signal.
    """
    with tempfile.TemporaryDirectory(prefix="goldlock-builds-") as folder:
        runner = _Runner([*command, *comparison.rest], for_pytest, Path(folder), reading)
        if comparison.bisect:
            return _bisect(comparison, runner)
        runs = [runner.run(build) for build in comparison.builds]
    _say(f"\n{table(runs)}")
    if comparison.html:
        try:
            files.write(comparison.html, page(runs))
        except OSError as error:
            raise UsageError(files.failure(comparison.html, error)) from None
    return int(any(run.failed for run in runs))


class _Runner:
    """Runs the command, and hands on the signals that come here, to end it as they would here."""

    def __init__(
        self, command: Sequence[str], for_pytest: Sequence[str], folder: Path, reading: Reading
    ) -> None:
        self._command, self._for_pytest, self._folder = command, for_pytest, folder
        self._reading = reading
        self._process: subprocess.Popen[bytes] | None = None
        self._seen = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, self._hand_on)
        if signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, self._stop)

    def _hand_on(self, number: int, _: object) -> None:
        self._seen = number
        if self._process:
            self._process.send_signal(number)

    def _stop(self, number: int, _: object) -> None:
        """Have Ctrl-Z stop the run as well, and both go on together."""
        self._to_group(number)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._to_group(signal.SIGCONT)

    def _to_group(self, number: int) -> None:
        if self._process and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def run(self, build: Build, *words: str) -> Run:
        """Run the command with a build, and *words*; a run that comes to nothing says why."""
        _say(f"\n==== {build.name}: {' '.join(build.options)} ====")
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        told, complaints = folder / "results", folder / "complaints"
        options = [*build.options, "--json-lines", str(told), *words, "--", *self._for_pytest]
        status = self._wait_for([*self._command, *options], folder, complaints)
        said = complaints.read_text("utf-8", "replace")
        sys.stderr.write(said)
        text = told.read_text("utf-8") if told.exists() else ""
        events = [json.loads(line) for line in text.splitlines()]
        cases = {event["number"]: event for event in events if event["event"] == "case"}
        if status not in (0, 1) or not cases:
            last = (said.strip().split("\n")[-1]).partition(": ")[2]
            return Run(build, reason=last or f"exit status {status}", failed=True)
        outputs = {
            n: _sections(folder / n, self._reading) for n in cases if cases[n]["state"] != "not run"
        }
        version = str(events[0].get("version", ""))
        return Run(build, version, cases, outputs, failed=status != 0)

    def _wait_for(self, command: Sequence[str], folder: Path, complaints: Path) -> int:
        with complaints.open("wb") as stderr:
            if not self._seen:
                self._process = subprocess.Popen(
                    command,
                    env={**os.environ, OUTPUTS: str(folder)},
                    stderr=stderr,
                    process_group=0,  # a terminal's signals come by way of this process, once
                )
                if self._seen:  # meanwhile
                    self._process.send_signal(self._seen)
                status = self._process.wait()
        if self._seen:
            raise KeyboardInterrupt
        return status


def _sections(output: Path, reading: Reading) -> Mapping[str, Sequence[str]]:
    """Return the lines of each section that a case has printed."""
    if not output.exists():  # it could not be started
        return {}
    lines = reading.lines(output.read_bytes().decode("utf-8", "surrogateescape"))
    return {each.title: lines[each.start : each.stop] for each in sections(lines, reading.heading)}


def _bisect(comparison: Comparison, runner: _Runner) -> int:
    """Find the first build that changes a section, in as few runs as can be."""
    builds, (number, title) = comparison.builds, comparison.bisect
    seen: dict[int, Mapping[str, Sequence[str]]] = {}

    def section(index: int) -> Sequence[str]:
        if index not in seen:
            run = runner.run(builds[index], number)
            name = _called(run, number)
            if why := run.reason or run.why_not_run(name):
                raise UsageError(f"case {name} is not run with {builds[index].name}: {why}")
            seen[index] = run.outputs[name]
        return seen[index].get(title, ())

    first, last = section(0), section(len(builds) - 1)
    known = {each: None for sections in seen.values() for each in sections}
    if title not in known:
        raise UsageError(f"case {number} has no section {title!r}{choice(title, known)}")
    if last == first:
        _say(f"\n{number} [{title}] is the same with {builds[0].name} and {builds[-1].name}")
        return 1
    found = _first_change(len(builds), lambda index: section(index) != first)
    _say(f"\n{number} [{title}] changes with {builds[found].name}, in {len(seen)} runs:")
    _say("\n".join(difference(first, section(found))))
    return 0


def _called(run: Run, word: str) -> str:
    """Return the name of a case that ran, of which *word* is that, its number or its file."""
    file = Path(word).name
    for name, case in run.cases.items():
        same_number = name.isdecimal() and word.isdecimal() and int(name) == int(word)
        if same_number or file in (name, Path(case["path"]).name):
            return name
    return word


def _first_change(count: int, changed: Callable[[int], bool]) -> int:
    """Return the first of *count* that has *changed*; the first has not, and the last has."""
    same, other = 0, count - 1
    while other - same > 1:
        middle = (same + other) // 2
        if changed(middle):
            other = middle
        else:
            same = middle
    return other


def _say(text: str) -> None:
    print(for_terminal(text), flush=True, file=sys.stdout)  # noqa: T201 - the command's own output
