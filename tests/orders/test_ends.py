# SPDX-License-Identifier: GPL-2.0-or-later
"""What is left of a lock when others are there."""

import pytest
from goldlock.kernel_locks import KernelLock
from goldlock.orders.ends import _lost


def lock(first: int, last: str, kind: str = "READ") -> KernelLock:
    return KernelLock(f"OFDLCK ADVISORY {kind} -1 fe:00:1 {first} {last}")


@pytest.mark.parametrize(
    ("now", "lost"),
    [
        ([], [(10, 19)]),
        ([lock(0, "99")], []),
        ([lock(12, "13")], [(10, 11), (14, 19)]),
        ([lock(10, "11"), lock(18, "EOF")], [(12, 17)]),
        ([lock(0, "9"), lock(20, "30")], [(10, 19)]),
        ([lock(10, "19", "WRITE")], [(10, 19)]),
    ],
)
def test_what_is_lost_of_a_lock(now: list[KernelLock], lost: list[tuple[int, int]]) -> None:
    assert _lost(lock(10, "19"), now) == lost


def test_what_is_lost_up_to_the_end_of_the_file() -> None:
    assert _lost(lock(10, "EOF"), [lock(12, "13")]) == [(10, 11), (14, None)]
