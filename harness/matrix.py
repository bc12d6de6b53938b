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
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from goldlock.errors import UsageError, choice
from goldlock.reports.builds import Build, Run, page, table
from goldlock.reports.files import write
from goldlock.text import sections

_REFUSED = ("--update", "--review", "--remove-orphans", "--json-lines", "--repeat", "--until-fail")
"""Options that would be about all builds at once, or are needed here."""


class _Options(NamedTuple):
    builds: Sequence[Build]
    rest: Sequence[str]
    html: str
    bisect: str


def main(arguments: Sequence[str], command: Sequence[str]) -> int:
    """Run *command* with each build, and compare; return 1 if a case failed in one of them.

    Raises UsageError for what cannot be.
    """
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="goldlock-builds-") as folder:
        if options.bisect:
            return _bisect(options, command, Path(folder))
        runs = []
        for build in options.builds:
            _say(f"\n==== {build.name}: {' '.join(build.options)} ====")
            runs.append(_run(build, [*command, *options.rest], Path(folder)))
    _say(f"\n{table(runs)}")
    if options.html:
        write(Path(options.html), page(runs))
    return int(any(run.failed for run in runs))


def _options(arguments: Sequence[str]) -> _Options:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--build", action="append", default=[])
    parser.add_argument("--matrix", default="")
    parser.add_argument("--bisect", default="")
    parser.add_argument("--html", default="")
    known, rest = parser.parse_known_args(arguments)
    for word in rest:
        if word.partition("=")[0] in _REFUSED:
            raise UsageError(f"{word}: not with several builds; run it with one of them")
    given = [(Path(each).name, each) for each in known.build]
    for word in filter(None, known.matrix.split(",")):
        name, equals, where = word.partition("=")
        if not equals or not name or not where:
            raise UsageError(f"--matrix {word!r}: NAME=DIR; as in --matrix old=~/old,new=~/new")
        given.append((name, where))
    if len(given) < 2:
        raise UsageError("--matrix and --bisect take two builds or more")
    names = [name for name, _ in given]
    if len(set(names)) < len(names):  # all of them are called build, or bin
        given = [(where, where) for _, where in given] if not known.matrix else given
    if len({name for name, _ in given}) < len(given):
        raise UsageError(f"two builds have the same name: {', '.join(name for name, _ in given)}")
    return _Options(
        [Build(n, _choosing(where)) for n, where in given], rest, known.html, known.bisect
    )


def _choosing(where: str) -> list[str]:
    kind, _, policy = where.partition(":")
    if kind != "embedded":
        return ["--build", os.path.expanduser(where)]  # noqa: PTH111 - a shell does it for one alone
    return ["--programs", "embedded", *(["--errno-policy", policy] if policy else [])]


def _run(build: Build, command: Sequence[str], folder: Path) -> Run:
    """Run *command* with a build, in a directory of its own below *folder*; keep what it printed.

    Raises UsageError where it came to nothing.
    """
    scratch = Path(tempfile.mkdtemp(dir=folder))
    told = scratch / "results"
    options = [*build.options, "--keep", "--json-lines", str(told)]
    status = subprocess.run(
        [*command, *options], env={**os.environ, "TEST_DIR": str(scratch)}, check=False
    ).returncode
    events = [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []
    if status not in (0, 1) or not events:
        raise UsageError(f"{build.name}: the run with this build ended with exit status {status}")
    cases = {event["number"]: event for event in events if event["event"] == "case"}
    outputs = {
        number: _sections(Path(case["kept"])) if case["state"] != "not run" else {}
        for number, case in cases.items()
    }
    return Run(build, str(events[0].get("version", "")), cases, outputs)


def _sections(kept: Path) -> Mapping[str, Sequence[str]]:
    """Return the lines of each section that a case has printed."""
    try:
        text = (kept / "output").read_bytes().decode("utf-8", "surrogateescape")
    except OSError:  # it was not run
        return {}
    lines = [line.rstrip() for line in text.split("\n")]
    return {each.title: lines[each.start : each.stop] for each in sections(lines)}


def _bisect(options: _Options, command: Sequence[str], folder: Path) -> int:
    """Find the first build that changes a section, in as few runs as can be."""
    number, _, title = options.bisect.partition(":")
    number, title = number.strip(), title.strip()
    if not number or not title:
        raise UsageError("--bisect takes a case and a section: --bisect '153: Symbolic link'")
    builds = options.builds
    seen: dict[int, Sequence[str]] = {}

    def section(index: int) -> Sequence[str]:
        if index not in seen:
            _say(f"\n==== {builds[index].name} ====")
            run = _run(builds[index], [*command, *options.rest, number], folder)
            known = run.outputs.get(number, {})
            if not known:
                raise UsageError(f"case {number} is not run with {builds[index].name}")
            if title not in known:
                raise UsageError(f"case {number} has no section {title!r}{choice(title, known)}")
            seen[index] = known[title]
        return seen[index]

    first = section(0)
    if section(len(builds) - 1) == first:
        _say(f"\n{number} [{title}] is the same with {builds[0].name} and {builds[-1].name}")
        return 1
    found = _first_change(len(builds), lambda index: section(index) != first)
    _say(f"\n{number} [{title}] changes with {builds[found].name}, in {len(seen)} runs:")
    for line in first:
        _say(f"- {line}") if line not in seen[found] else None
    for line in seen[found]:
        _say(f"+ {line}") if line not in first else None
    return 0


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
    print(text, flush=True, file=sys.stdout)  # noqa: T201 - the command's own output
