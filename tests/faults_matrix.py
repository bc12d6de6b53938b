#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Print what becomes of each lock fault: site x errno x opener, for real QEMU and the embedded.

Runs cases 401, 402, 403 and 411 with the programs that a plain run would take (QEMU_PROG and its
like name others), and with the embedded ones under both errno policies. Then it tells where
the embedded ones differ from the real ones under the same policy, with the reason. Exit status
1 if a difference has no reason, or a cell was not reached.

usage: tests/faults_matrix.py
"""

import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPENERS = {"401": "read-write", "402": "read-only", "403": "force-share"}
SITES = (
    "lock uses",
    "lock unshares",
    "unlock uses",
    "unlock unshares",
    "test unshares",
    "test uses",
)
ERRNOS = ("EAGAIN", "EACCES", "ENOLCK", "EIO", "EINVAL", "EDEADLK", "ESTALE", "EBADF", "EINTR")
CELLS = len(OPENERS) * len(SITES) * len(ERRNOS)
REASONS = {
    ("test unshares", "EINTR"): "Python's own fcntl calls again",
    ("test uses", "EINTR"): "Python's own fcntl calls again",
}
LEGEND = """\
E  an error that names the errno      W  a warning that names it, and it goes on
e  an error that does not             r  called again: nobody sees it
.  the opener makes no such call      ?  anything else"""

Cell = tuple[str, str, str]  # opener, site, errno
_FAULT = re.compile(r"(lock|unlock|test) (uses|unshares) [a-z ]+ of \S+ fails with (\w+)(?: once)?")
_SEVERAL = re.compile(r"(\w[\w ]+ of \S+ fails with) ((?:E[A-Z]+ )+E[A-Z]+)\n(.*)", re.S)


def each_for_itself(output: str) -> str:
    """Return the output of a case with a block for each fault, where it has one for several."""
    blocks = []
    for block in output.split("\n\n"):
        if found := _SEVERAL.fullmatch(block):
            for errno in found[2].split():
                said = found[3].replace(": ERRNO", f": {errno}")
                blocks.append(f"{found[1]} {errno}\n{said}")
        else:
            blocks.append(block)
    return "\n\n".join(blocks)


def cells(output: str, opener: str) -> dict[Cell, str]:
    """Return what each fault came to, from the output of a case: messages, status, what is held.

    A fault that is tried with several programs counts for the first.
    """
    found: dict[Cell, str] = {}
    for block in each_for_itself(output).split("\n\n"):
        fault, _, outcome = block.partition("\n")
        if match := _FAULT.fullmatch(fault):
            found.setdefault((opener, f"{match[1]} {match[2]}", match[3]), outcome.rstrip())
    return found


def symbol(outcome: str | None, errno: str) -> str:
    """Return an outcome in one letter of the legend."""
    if outcome is None:
        return " "
    if "calls that failed: 0" in outcome:
        return "."
    if "exit status 1" in outcome and "Failed to" in outcome:
        return "E" if f": {errno}" in outcome else "e"
    if "warning: Failed to" in outcome:
        return "W" if f": {errno}" in outcome else "?"
    return "r" if outcome.startswith("exit status 0") else "?"


def run_cases(scratch: Path, *options: str) -> dict[Cell, str]:
    """Run the cases with these options; return what they showed, whatever the goldens say."""
    scratch.mkdir()
    subprocess.run(
        [sys.executable, ROOT / "run_tests.py", "--keep", *options, *OPENERS, "411"],
        env={**os.environ, "TEST_DIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    found: dict[Cell, str] = {}
    for output in scratch.glob("*/*/output"):
        found |= cells_of_case(output.parent.name, output.read_text())
    return found


def cells_of_case(case: str, output: str) -> dict[Cell, str]:
    """Return what the faults of a case came to: 411 has its openers for sections."""
    if opener := OPENERS.get(case):
        return cells(output, opener)
    _, *sections = re.split(r"^== (.+) ==$", output, flags=re.M)
    found = zip(sections[::2], sections[1::2], strict=True)
    return {cell: out for opener, text in found for cell, out in cells(text, opener).items()}


def matrix(results: Mapping[str, Mapping[Cell, str]]) -> Iterator[str]:
    """Yield the lines of the matrix, with a row for each set of programs."""
    for opener in OPENERS.values():
        yield f"\n{opener:<33} {_row(ERRNOS)}"
        for site in SITES:
            for number, (programs, found) in enumerate(results.items()):
                row = [symbol(found.get((opener, site, errno)), errno) for errno in ERRNOS]
                yield f"{'' if number else site:<15} {programs:<17} {_row(row)}"
    yield ""
    for programs, found in results.items():
        yield f"{programs}: {len(found)} of {CELLS} cells reached"


def _row(words: Iterable[str]) -> str:
    return " ".join(f"{word:<7}" for word in words).rstrip()


def differences(real: Mapping[Cell, str], ours: Mapping[Cell, str]) -> list[Cell]:
    """Return the cells in which two sets of programs differ, or that one of them has not."""
    return sorted(cell for cell in real.keys() | ours.keys() if real.get(cell) != ours.get(cell))


def described(cell: Cell, real: Mapping[Cell, str], ours: Mapping[Cell, str]) -> str:
    """Return a difference in full, with its reason."""
    text = f"\n{', '.join(cell)}: {REASONS.get(cell[1:], 'no reason is known')}"
    for programs, found in (("real", real), ("embedded", ours)):
        text += f"\n  {programs}:\n{textwrap.indent(found.get(cell, 'not reached'), '    ')}"
    return text


def main() -> int:
    """Run, print, compare."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        real = run_cases(folder / "real", "--programs", "system")
        tells = ": EAGAIN" in real.get(("read-write", "lock uses", "EAGAIN"), "")
        policy = "errno" if tells else "elided"
        results = {f"real, {policy}": real}
        for each in ("errno", "elided"):
            options = ("--programs", "embedded", "--errno-policy", each)
            results[f"embedded, {each}"] = run_cases(folder / each, *options)
    ours = results[f"embedded, {policy}"]
    different = differences(real, ours)
    lines = [LEGEND, *matrix(results)]
    lines += [f"differences of real and embedded, {policy}: {len(different) or 'none'}"]
    lines += [described(cell, real, ours) for cell in different]
    sys.stdout.write("\n".join(lines) + "\n")
    complete = all(len(found) == CELLS for found in results.values())
    return int(not complete or any(cell[1:] not in REASONS for cell in different))


if __name__ == "__main__":
    sys.exit(main())
