# SPDX-License-Identifier: GPL-2.0-or-later
"""Each of the six places where QEMU fails over a lock has a case, with every errno.

What the cases reach is read off their goldens: the messages that they show, and the calls in
their traces that were made to fail. The suite holds the programs to those.
"""

import itertools
import re
from itertools import product
from pathlib import Path

import pytest
from goldlock.goldens import variants

from tests.faults_matrix import ERRNOS, OPENERS, SITES, Cell, cells_of_case, each_for_itself

EXPECTED = Path(__file__).resolve().parent.parent / "expected"
GOLDENS = {
    path.stem: each_for_itself(path.read_text()) for path in sorted(EXPECTED.glob("4??.out"))
}
PROGRAMS = ("qemu-io", "qemu-img", "QEMU_PROG")

# Each ends in the name of an errno.
MESSAGES = {
    "lock uses": r"Failed to lock byte 1\d\d: (E\w+)",
    "lock unshares": r"Failed to lock byte 2\d\d: (E\w+)",
    "unlock uses": r"Failed to unlock byte 1\d\d: (E\w+)",
    "unlock unshares": r"Failed to unlock byte 2\d\d: (E\w+)",
    "test unshares": r'Failed to get "[a-z ]+" lock: (E\w+)',
    "test uses": r'Failed to get shared "[a-z ]+" lock: (E\w+)',
}
TRACED = r"(lock|unlock|test) \d+ \((uses|unshares) [^)]*\) of .*: (E\w+) \(injected\)"


def reached(text: str) -> set[tuple[str, str]]:
    """Return the places that a golden shows to have failed, each with its errno."""
    found = {(f"{call} {group}", errno) for call, group, errno in re.findall(TRACED, text)}
    for site, message in MESSAGES.items():
        found |= {(site, errno) for errno in re.findall(message, text)}
    return found


def cases_of(site: str, errno: str, goldens: dict[str, str]) -> list[str]:
    """Return the cases that reach a place with an errno."""
    return [case for case, text in goldens.items() if (site, errno) in reached(text)]


@pytest.mark.parametrize("errno", ERRNOS)
@pytest.mark.parametrize("site", SITES)
def test_some_case_reaches(site: str, errno: str) -> None:
    assert cases_of(site, errno, GOLDENS), f"no case makes '{site}' fail with {errno}"


@pytest.mark.parametrize("site", SITES)
def test_a_place_without_a_case_would_be_missed(site: str) -> None:
    """All that this test knows of a place is in the goldens."""
    call, group = site.split()
    without = {
        case: re.sub(rf"\b{call} \d+ \({group} .*", "", re.sub(MESSAGES[site], "", text))
        for case, text in GOLDENS.items()
    }
    assert [errno for errno in ERRNOS if cases_of(site, errno, without)] == []


# What else must be shown, each with a case and what its golden has of it, in this order.
SHOWN = {
    "an unlock fails at drive_del": ("405", "drive_del d0", "warning: Failed to unlock byte 1"),
    "an unlock fails at a reopen": ("405", "'blockdev-reopen'", "warning: Failed to unlock byte 1"),
    "an unlock fails at a close": ("405", "'blockdev-del'", "warning: Failed to unlock", "nothing"),
    "an unlock fails at a snapshot": ("405", "'blockdev-snapshot-sync'", "warning: Failed to un"),
    "a lock fails at blockdev-add": ("406", "'blockdev-add'", "Failed to lock byte 1", "nothing"),
    "a test fails at blockdev-add": ("406", "'blockdev-add'", r"Failed to get \"", "nothing"),
    "a lock fails at a reopen": ("406", "'read-only': false", "Failed to lock byte 101: ENOLCK"),
    "a lock fails at an export": ("406", "'nbd-server-add'", "Failed to lock byte 101: ENOLCK"),
    "a lock fails after a migration": ("409", "Coming back", "'cont'", "Failed to lock byte 101"),
    "no OFD locks, locking=on": ("407", "locking=on", "falling back to POSIX", "POSIX"),
    "no OFD locks, locking=auto": ("407", "locking=auto", "failed: 1", "while it runs: nothing"),
    "no OFD locks, locking=off": ("407", "locking=off", "failed: 0", "while it runs: nothing"),
    "who holds which locks": ("408", "qemu-io", "uses consistent read, write", "unshares write"),
    "a fault in the holder": ("410", "drive_add", "Failed to get shared", "held: nothing"),
    "a fault in the contender": ("410", "Failed to lock byte 103: ENOLCK", "held: 100 101 103"),
}


@pytest.mark.parametrize("what", SHOWN)
def test_some_section_shows(what: str) -> None:
    case, *parts = SHOWN[what]
    pattern = ".*".join(map(re.escape, parts))
    sections = re.split(r"^(?=== )", GOLDENS[case], flags=re.M)
    assert any(re.search(pattern, section, re.S) for section in sections)


ROLL_BACK = (
    r"(lock|test) any byte fails with ENOLCK from call (\d+)\n(?:.*\n)+?"
    r"exit status 1; .*; held: (.*)\nlocked: (.*)\nunlocked: (.*)\nthe next one: exit status (\d)"
)


def test_each_call_of_an_opener_is_rolled_back() -> None:
    found = re.findall(ROLL_BACK, GOLDENS["404"])
    calls = [(call, int(number)) for call, number, *_ in found]
    starts = [n for n, (_, number) in enumerate(calls) if number == 1]
    assert len(starts) == 2 * len(OPENERS)  # locks and tests of each
    for start, end in itertools.pairwise([*starts, len(calls)]):
        assert [n for _, n in calls[start:end]] == list(range(1, end - start + 1))  # none left out
    for _, _, held, locked, unlocked, status in found:
        assert (held, status) == ("nothing", "0")
        assert set(unlocked.split("; ")) == set(locked.split("; "))


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("site", SITES)
def test_each_program_reaches(site: str, program: str) -> None:
    lines = [line for text in GOLDENS.values() for line in text.splitlines()]
    assert any(line.startswith(program) and re.search(MESSAGES[site], line) for line in lines)


def test_the_matrix_has_no_hole() -> None:
    found: dict[Cell, str] = {}
    for case in (*OPENERS, "411"):
        found |= cells_of_case(case, GOLDENS[case])
    assert found.keys() == set(product(OPENERS.values(), SITES, ERRNOS))
    assert all(outcome.partition("held: ")[2].startswith("nothing") for outcome in found.values())


@pytest.mark.parametrize("case", GOLDENS)
def test_the_policies_differ_in_nothing_else(case: str) -> None:
    """An elided message is one without the two errnos that say that somebody has the lock."""
    told = r'(Failed to (?:lock byte \d+|get (?:shared )?\\?"[a-z ]+\\?" lock)): (?:EAGAIN|EACCES)'
    elided = variants.load(variants.files(EXPECTED, case, ["elided"])).lines
    text = each_for_itself("".join(f"{line}\n" for line in elided))
    assert re.sub(told, r"\1", GOLDENS[case]) == text
