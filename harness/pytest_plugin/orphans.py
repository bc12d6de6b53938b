# SPDX-License-Identifier: GPL-2.0-or-later
"""Goldens that no case owns: failures, or removed on request."""

from pathlib import Path
from typing import Any

import pytest
from goldlock.errors import choice
from goldlock.goldens import golden
from goldlock.goldens.golden import GoldenError
from goldlock.pytest_plugin import console
from goldlock.pytest_plugin.run import RUN
from goldlock.reports.repo_paths import here
from goldlock.suite.cases import orphans, read_suite, trait_in
from goldlock.suite.suite_file import suite_file
from goldlock.text import count, for_terminal, printable

_REMOVES = "--remove-orphans removes it"
_REMOVED = "goldlock-removed"


class OrphanItem(pytest.Item):
    """A golden that nobody can use: a failure, unless it is to be removed, and can be."""

    def __init__(self, *, golden: Path, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.golden = golden

    def runtest(self) -> None:
        self.user_properties.append((console.ORPHAN, printable(str(self.golden))))
        settings = self.config.stash[RUN].settings
        if settings.remove_orphans:
            golden.remove(self.golden, force=settings.force)
            self.user_properties.append((_REMOVED, printable(str(self.golden))))
            return
        raise GoldenError(f"{self.golden}: {self._why()}")

    def _why(self) -> str:
        number = self.golden.name.split(".")[0]
        cases = {case.name for case in read_suite(self.golden.parent.parent).cases}
        if number not in cases:
            add = f"add a case {number} to {self.path.parent}"
            return f"no case owns this golden; {_REMOVES}, or {add}"
        trait, traits = trait_in(self.golden.name), suite_file(self.golden.parent.parent).traits
        return f"no program has the trait {trait!r}{choice(trait, traits)}; {_REMOVES}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: object) -> Any:
        if isinstance(excinfo.value, GoldenError):
            return for_terminal(here(self.config.stash[RUN].worded(str(excinfo.value))))
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.golden, 0, printable(self.golden.name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add an item for each golden that no case owns, where that is asked for."""
    if not config.stash[RUN].orphans:
        return
    cases = [item for item in items if hasattr(item, "case")]
    files = {item.case.root: item.parent for item in cases if item.parent}
    for root, file in files.items():
        for path in orphans(root):
            name = printable(path.name).removesuffix(".out").replace(".", "-")
            items.append(OrphanItem.from_parent(file, name=f"orphan-{name}", golden=path))


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    return ("removed", "R", "REMOVED") if report.when == "call" and _removed(report) else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name what was removed."""
    removed = [_removed(each) for each in terminalreporter.stats.get("removed", [])]
    if removed:
        terminalreporter.write_line(f"{count(len(removed), 'golden')} removed:")
        for path in removed:
            terminalreporter.write_line(f"  {printable(here(path))}")


def _removed(report: pytest.TestReport) -> str:
    """Return the golden that was removed; nothing where none was."""
    return str(dict(report.user_properties).get(_REMOVED, ""))
