# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that stays, and is spoken to in a language of its own; here, a shell with a prompt."""

from pathlib import Path

import pytest
from goldlock.case.session import Session
from goldlock.errors import CaseError

from tests.case.support import make_case

SHELL = "printf '> '; while read -r line; do eval \"$line\"; printf '> '; done"


class Shell(Session):
    def _greet(self) -> None:
        self._until(b"> ", "to greet")

    def ask(self, line: str) -> str:
        self._send(line)
        return self._until(b"> ", f"to answer {line!r}")


def start(folder: Path, script: str = SHELL) -> Shell:
    return Shell(make_case(folder).program("sh", "-c"), script)


def test_what_is_said_is_returned_and_logged(tmp_path: Path) -> None:
    with start(tmp_path) as shell:
        assert shell.ask("echo one; echo two >&2") == "one\ntwo\n"
    assert shell.process.returncode == -9
    said = (tmp_path / "log").read_text()
    assert said.endswith("-> echo one; echo two >&2\none\ntwo\n")


def test_a_program_that_was_told_to_end_is_waited_for(tmp_path: Path) -> None:
    with start(tmp_path) as shell:
        shell._send("echo bye; exit 3")
        assert shell.wait() == 3
    assert (tmp_path / "log").read_text().endswith("<- bye\n[sh: exit status 3]\n")


@pytest.mark.parametrize(
    ("script", "line", "told"),
    [
        ("echo no; exit 2", "", "sh failed to greet (exit status 2); it printed:\n  no"),
        (
            SHELL,
            "echo a; exit 4",
            "sh failed to answer 'echo a; exit 4' (exit status 4); it printed",
        ),
        ("printf '> '; exec <&-; exec sleep 1000", "x" * 100_000, "sh failed to take 'xxx"),
        # It goes when it has read a part.
        (
            "printf '> '; head -c 9 >/dev/null; exec <&-; exec sleep 1000",
            "x" * 100_000,
            "sh failed to take 'xxx",
        ),
    ],
)
def test_a_program_that_is_silent(tmp_path: Path, script: str, line: str, told: str) -> None:
    with pytest.raises(CaseError) as caught, start(tmp_path, script) as shell:
        shell.ask(line)
    assert str(caught.value).startswith(told)


def test_one_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldlock.case.session.ANSWER_LIMIT", 0.2)
    with pytest.raises(
        CaseError, match=r"sh failed to greet within 0.2 s; it printed:\n  nothing; .* stdbuf "
    ):
        start(tmp_path, "exec sleep 1000")
