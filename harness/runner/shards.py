# SPDX-License-Identifier: GPL-2.0-or-later
"""Split a suite over several machines, by durations that all of them see alike.

The durations are in a file of the suite, for git to carry: those that each machine remembers
for itself would have some cases run twice, and others by nobody.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from goldlock import atomic_file, safe_open
from goldlock.errors import UsageError
from goldlock.suite.cases import Case
from goldlock.text import natural, shorten

FILE = ".goldlock-durations.json"
"""A file in the folder of a suite: seconds by case."""


def parse(text: str) -> tuple[int, int]:
    """Return index, from 1 on, and number of shards for ``2/3``; raise UsageError."""
    found = re.fullmatch(r"(\d{1,18})/(\d{1,18})", text)
    index, number = map(int, found.groups()) if found else (0, 0)
    if not 1 <= index <= number:
        raise UsageError(f"--shard takes I/N, the I-th of N from 1/N to N/N, not {shorten(text)}")
    return index, number


def shard(
    cases: Sequence[Case], index: int, number: int, seconds: Mapping[str, float]
) -> list[Case]:
    """Return the cases of a shard, in their order: each case is in one, and all take as long.

    A case whose duration is not known counts as the mean of the others.
    """
    known = [seconds[case.name] for case in cases if case.name in seconds]
    mean = sum(known) / len(known) if known else 1.0
    loads = [0.0] * min(number, len(cases))  # any more have none
    chosen = set()
    in_order = sorted(cases, key=lambda each: natural(each.name))
    for case in sorted(in_order, key=lambda each: -seconds.get(each.name, mean)):
        lightest = loads.index(min(loads))
        loads[lightest] += seconds.get(case.name, mean)
        if lightest == index - 1:
            chosen.add(case)
    return [case for case in cases if case in chosen]


def read_durations(root: Path) -> dict[str, float]:
    """Return the durations of a suite; raise UsageError where the file is not sound."""
    path = root / FILE
    try:
        known = json.loads(safe_open.read(path, follow=True))
        return {str(number): float(seconds) for number, seconds in known.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: {why}; remove it, and --store-durations makes it anew") from None


def store_durations(root: Path, seconds: Mapping[str, float]) -> Path:
    """Write the durations of a suite; return the file. Raises UsageError."""
    path = root / FILE
    ordered = sorted(seconds.items(), key=lambda each: natural(each[0]))
    lines = ",\n".join(f'  "{number}": {took:.2f}' for number, took in ordered)
    try:
        atomic_file.replace(path, f"{{\n{lines}\n}}\n".encode())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    return path
