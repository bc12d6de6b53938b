# SPDX-License-Identifier: GPL-2.0-or-later
"""Classic BPF programs, with names for where a jump leads to."""

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

BPF_LOAD, BPF_JUMP_EQUAL, BPF_JUMP_SET, BPF_RETURN = 0x20, 0x15, 0x45, 0x06

BpfLine = str | tuple[int, int] | tuple[int, int, str, str]


def bpf_program(lines: "Iterable[BpfLine]") -> bytes:
    """Return a classic BPF program, of instructions and of names that jumps lead to.

    A line is a name, or an operation with a value; a jump has two names more, for where to go
    on if the test is true, and if not: an empty one is the next instruction. Only forward.
    """
    names: dict[str, int] = {}
    code: list[tuple[int, int, str, str]] = []
    for line in lines:
        if isinstance(line, str):
            names[line] = len(code)
        else:
            operation, value, *targets = line
            yes, no = targets or ("", "")
            code.append((operation, value, yes, no))
    return b"".join(_instructions(code, names))


def _instructions(
    code: list[tuple[int, int, str, str]], names: "Mapping[str, int]"
) -> "Iterator[bytes]":
    for here, (operation, value, *targets) in enumerate(code):
        steps = [names[name] - here - 1 if name else 0 for name in targets]
        yield struct.pack("=HBBI", operation, *steps, value)  # struct.error past 255 steps
