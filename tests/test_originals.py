# SPDX-License-Identifier: GPL-2.0-or-later
"""153 and 182 have the sections of QEMU's tests of these numbers, in their order.

They are those of the patch "block: report errno when flock fcntl fails" (David Edmondson, 2020),
which added the errno to 38 messages of 153.out and to one of 182.out.
"""

from collections.abc import Iterator
from itertools import product

import pytest
from goldlock.text import heading

from tests.conftest import ROOT

SHARES = ("", "read-only=on", "read-only=on,force-share=on")


def sections_of_153() -> Iterator[str]:
    yield "readonly=off,force-share=on should be rejected"
    for held in SHARES:
        yield from ("Creating base image", "Creating test image", f"Launching QEMU, opts: '{held}'")
        for tried in SHARES:
            yield f"Launching another QEMU, opts: '{tried}'"
        yield from ("Running utility commands", "Running utility commands -U")
    for first, second in product(("read-only=off", *SHARES[1:]), repeat=2):
        yield f"Two devices with the same image ({first} - {second})"
    yield "Creating TEST_DIR/t.qcow2.[abc]"
    yield "Two devices sharing the same file in backing chain"
    yield "Backing image also as an active device"
    yield "Backing image also as an active device (ro)"
    yield "Symbolic link"
    yield "Active commit to intermediate layer should work when base in use"
    yield "Closing an image should unlock it"
    yield "Detecting -U and force-share conflicts"


def sections_of_182() -> Iterator[str]:
    yield "Testing reopen"
    yield "Testing failure to loosen restrictions"


@pytest.mark.parametrize(
    ("case", "sections", "messages"),
    [("153", [*sections_of_153()], 38), ("182", [*sections_of_182()], 1)],
)
def test_a_golden_has_what_the_original_has(case: str, sections: list[str], messages: int) -> None:
    lines = (ROOT / "expected" / f"{case}.out").read_text().splitlines()
    assert lines[0] == f"QA output created by {case}"
    assert [words for line in lines if (words := heading(line))] == sections
    told = [line for line in lines if line.endswith(" lock: Resource temporarily unavailable")]
    assert len(told) == messages
    assert lines[-1] == "*** done"
