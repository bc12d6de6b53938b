# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's image locking protocol, in words: which byte says what.

Byte 100 + i locked means "I use permission i", byte 200 + i locked means "I do not share
permission i"; see QEMU's block/file-posix.c, and docs/system/images.rst of its manual. The last
permission is of QEMU up to 6.2.
"""

from goldlock.lockcalls.words import ByteWords

PERMISSIONS = ("consistent read", "write", "write unchanged", "resize", "change children")
USES = 100
UNSHARES = 200
_VERBS = (
    *("read consistently", "write", "write what is there already", "resize"),
    "change its children",
)


def uses(permission: str) -> int:
    """Return the byte that says "I use this permission", e.g. 101 for "write".

    A name that QEMU does not have is a ValueError.
    """
    return USES + _index(permission)


def unshares(permission: str) -> int:
    """Return the byte that says "I do not share this permission", e.g. 201 for "write".

    A name that QEMU does not have is a ValueError.
    """
    return UNSHARES + _index(permission)


def _index(permission: str) -> int:
    if permission not in PERMISSIONS:
        raise ValueError(f'no permission "{permission}": there are {", ".join(PERMISSIONS)}')
    return PERMISSIONS.index(permission)


def _all(uses_text: str, unshares_text: str, phrases: tuple[str, ...]) -> dict[int, str]:
    return {
        base + i: f"{text} {phrase}"
        for base, text in ((USES, uses_text), (UNSHARES, unshares_text))
        for i, phrase in enumerate(phrases)
    }


WORDS = ByteWords(
    names=_all("uses", "unshares", PERMISSIONS),
    meanings=_all("it may", "nobody else may", _VERBS),
    pairs={USES + i: UNSHARES + i for i in range(len(PERMISSIONS))},
)
"""The words of plans, traces and tables; see `goldlock.lockcalls.words`."""
