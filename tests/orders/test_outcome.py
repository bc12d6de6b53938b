# SPDX-License-Identifier: GPL-2.0-or-later
"""What came of an order is told in words that are the same on each run."""

import pytest
from goldlock.orders.outcome import ending, without_pids


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("held by 4682 (git)", "held by PID (git)"),
        (".lk4682host, tmp_4682", ".lkPIDhost, tmp_PID"),
        ("file4682: 14682, 46820", "filePID: 14682, 46820"),
        ("HEAD is at 80aa89b4468282aff9", "HEAD is at 80aa89b4468282aff9"),
        ("HEAD is at 80aa89b4682aff9", "HEAD is at 80aa89b4682aff9"),
    ],
)
def test_a_process_id_is_a_whole_number(text: str, clean: str) -> None:
    assert without_pids(text, {4682}) == clean


def test_a_signal_without_a_name_has_its_number() -> None:
    assert [ending(status) for status in (9, 40, 3 << 8)] == [
        "ended by SIGKILL",
        "ended by signal 40",
        "exit status 3",
    ]
