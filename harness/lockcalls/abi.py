# SPDX-License-Identifier: GPL-2.0-or-later
"""The ABIs that programs may speak, and the numbers that the calls about locks have in them."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

X86_64, I386 = 0xC000003E, 0x40000003  # AUDIT_ARCH_*: machine | 64 bit | little-endian
AARCH64, ARM = 0xC00000B7, 0x40000028

FCNTL64_32BIT = 221  # fcntl64 of i386 and of arm
X32_BIT = 0x40000000  # of x32's system call numbers on x86_64

FCNTL_NUMBERS: dict[str, dict[int, tuple[int, ...]]] = {
    "x86_64": {X86_64: (72, X32_BIT | 72), I386: (55, FCNTL64_32BIT)},
    "aarch64": {AARCH64: (25,), ARM: (55, FCNTL64_32BIT)},
}
"""For each machine the numbers of fcntl, for each of the ABIs that its programs may speak."""

FLOCK_NUMBERS = {X86_64: (73, X32_BIT | 73), I386: (143,), AARCH64: (32,), ARM: (143,)}
"""The numbers of flock, for each ABI."""

_ABIS = ((X86_64, 0), (X86_64, X32_BIT), (AARCH64, 0), (I386, 0), (ARM, 0))


def names_by_number(calls: "Mapping[str, tuple[int, ...]]") -> dict[int, dict[int, str]]:
    """Return, for each ABI, calls by their numbers.

    *calls* has for each name its numbers in x86_64, x32, aarch64, i386 and arm; -1: there is none.
    """
    found: dict[int, dict[int, str]] = {arch: {} for arch, _ in _ABIS}
    for name, numbers in calls.items():
        for (arch, bit), number in zip(_ABIS, numbers, strict=True):
            if number >= 0:
                found[arch][number | bit] = name
    return found
