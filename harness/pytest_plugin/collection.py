# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases as pytest collects them: a folder of cases at once, and of it what was selected.

pytest looks at each file of a folder, and does so again for each file of it that is named. Here
a folder is read once, and files that were not selected are not looked at.
"""

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark.expression import Expression  # as pytest itself compiles -k
from _pytest.pathlib import fnmatch_ex  # as it holds folders against norecursedirs
from goldlock.errors import UsageError
from goldlock.pytest_plugin.item import CaseItem
from goldlock.pytest_plugin.run import RUN, UNSOUND
from goldlock.suite.cases import Case, case_files, read_case
from goldlock.text import printable


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the folder of a suite's cases as such, and nothing else in it."""
    is_ours = parent.config.stash[RUN].has(path)
    return CasesFolder.from_parent(parent, path=path) if is_ours else None


def is_bare(config: pytest.Config) -> bool:
    """Tell whether pytest was started in the project's folder, and told of no tests."""
    named = config.args_source is config.ArgsSource.ARGS
    return not named and config.invocation_params.dir == config.rootpath


def not_found(config: pytest.Config) -> list[str]:
    """Return a line for each suite that bare pytest does not find, for its ``norecursedirs``."""
    if not is_bare(config):
        return []
    roots = [Path(config.invocation_params.dir, arg) for arg in config.args]
    patterns = config.getini("norecursedirs")
    lines = []
    for cases in (suite / "cases" for suite in config.stash[RUN].suites):
        hidden = [
            folder
            for root in roots
            if cases.is_relative_to(root)
            for folder in (cases, *cases.parents)
            if folder != root and folder.is_relative_to(root)
            if any(fnmatch_ex(pattern, folder) for pattern in patterns)
        ]
        if hidden:
            lines.append(
                f"{cases}: not run, as norecursedirs keeps pytest out of {hidden[-1].name};"
                " name the folder to pytest, or take that out"
            )
    return lines


class CasesFolder(pytest.Directory):
    """The ``cases/`` of a suite."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        return self._nodes

    @cached_property
    def _nodes(self) -> Sequence[pytest.Item | pytest.Collector]:
        is_named, run = self.session.isinitpath, self.config.stash[RUN]
        paths: Iterable[Path]
        if (selected := run.selected.get(self.path)) is not None:
            if run.by_command and (keyword := self.config.option.keyword):
                selected = self._matching(keyword, selected)
            paths = [case.path for case in selected]
        else:
            paths = case_files(self.path.parent)
            if not any(is_named(folder) for folder in (self.path, *self.path.parents)):
                paths = [path for path in paths if is_named(path)]
            if not run.by_command:
                paths = [path for path in paths if is_named(path) or not self._is_ignored(path)]
        nodes: list[pytest.Item | pytest.Collector] = []
        for path in paths:
            shown: dict[str, Any] = {}
            if not path.name.isprintable():
                shown["nodeid"] = printable(str(path))
            elif not (run.by_command or path.is_relative_to(self.config.rootpath)):
                shown["nodeid"] = os.path.relpath(path, self.config.rootpath)
            file: CaseFile = CaseFile.from_parent(self, path=path, **shown)
            try:  # pytest would take as long again for a report on each file
                nodes += [file] if is_named(path) else file.collect()
            except CaseFile.CollectError:
                nodes.append(file)
        return nodes

    def _is_ignored(self, path: Path) -> bool:
        """Tell whether the project, or ``--ignore``, has pytest pass over a file."""
        config, hooks = self.config, self.ihook
        return bool(hooks.pytest_ignore_collect(collection_path=path, config=config))

    def _matching(self, keyword: str, cases: Sequence[Case]) -> Sequence[Case]:
        """Return the cases that ``-k`` selects: pytest would make an item of each to find out.

        By the names that pytest goes by. The command loads no conftest.py that could add some.
        """
        try:
            selects = Expression.compile(keyword)
        except SyntaxError:  # pytest says so
            return cases
        nodes = [node for node in self.listchain()[1:] if node.parent is not self.session]
        common = [node.name for node in nodes]
        found = []
        for case in cases:
            # No word of an expression has a line end in it.
            names = "\n".join([*common, case.path.name, case.name, *case.groups]).lower()
            if selects.evaluate(lambda word, /, **_: word.lower() in names):  # noqa: B023 - asked at once
                found.append(case)
        return found


class CaseFile(pytest.File):
    """A case's file, which holds one item."""

    def collect(self) -> Iterable[pytest.Item]:
        try:
            case = self.config.stash[RUN].case(self.path) or read_case(self.path)
        except UsageError as error:
            self.config.stash.setdefault(UNSOUND, set()).add(self.path)
            raise self.CollectError(printable(str(error))) from None
        return [CaseItem.of(self, case)]
