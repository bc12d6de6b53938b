# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths in reports, as a person would type them."""

from pathlib import Path

import pytest
from goldlock.reports.repo_paths import here


@pytest.mark.parametrize(
    "text",
    [
        "CWD/f",
        "file CWD/f differs",
        "'CWD/f', \"CWD/g\": one=CWD/h (CWD/i)\nCWD/j",
    ],
)
def test_what_is_below_the_current_folder_is_shortened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert here(text.replace("CWD", str(tmp_path))) == text.replace("CWD/", "")


@pytest.mark.parametrize(
    "text", ["file /varCWD/f differs", "/a+CWD/f", "file://CWD/f", "CWD.old/f"]
)
def test_what_is_not_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    said = text.replace("CWD", str(tmp_path))
    assert here(said) == said


def test_nothing_is_shortened_at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert here("see https://x.org: //a /b") == "see https://x.org: //a /b"
