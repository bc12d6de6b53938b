# SPDX-License-Identifier: GPL-2.0-or-later
"""What pytest loads of goldlock wherever it is installed: options, and a look whether it is wanted.

It is wanted where a project has suites, in its ``pyproject.toml`` (see `goldlock.suite.project`)
or as pytest's own setting ``goldlock_suites``; and where the command ``goldlock`` has begun a run.
Before that is known nothing else is loaded.
"""

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from goldlock.pytest_plugin import HANDED_OVER

if TYPE_CHECKING:
    from goldlock.pytest_plugin.run import Run

SUITES = "goldlock_suites"
"""The setting of pytest for the folders of a project's suites."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options by names that no other plugin has."""
    from goldlock.options import ORPHANS, for_pytest
    from goldlock.suite import kit

    group = parser.getgroup("goldlock", "golden-output cases (goldlock)")
    parser.addini(SUITES, "folders of goldlock's suites", type="paths", default=[])
    for option in (*kit.options(), ORPHANS):
        group.addoption(for_pytest(option.flag), dest=option.dest, **option.keywords)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Load the rest where there is something to do."""
    if run := _handed_over(config) or _of_project(config):
        from goldlock.pytest_plugin import collection, console, item, orphans, plugin
        from goldlock.pytest_plugin.run import RUN

        config.stash[RUN] = run
        for module in (console, orphans, collection, item, plugin):
            config.pluginmanager.register(module, module.__name__)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand a run on to a worker of pytest-xdist, as it is."""
    if run := _handed_over(node.config):
        node.workerinput["goldlock"] = pickle.dumps(run)


def _handed_over(config: pytest.Config) -> "Run | None":
    """Return the run that the command has begun, or that xdist's controller was to do."""
    if packed := getattr(config, "workerinput", {}).get("goldlock"):
        run: Run = pickle.loads(packed)
        return run
    of_command: Run | None = config.pluginmanager.get_plugin(HANDED_OVER)
    return of_command


def _of_project(config: pytest.Config) -> "Run | None":
    """Return what a project wants to be run; raise pytest.UsageError for what cannot be."""
    from goldlock.errors import UsageError
    from goldlock.options import in_words_of_pytest
    from goldlock.suite import kit, project

    try:
        where = f"{SUITES} in {config.inipath}"
        suites = project.existing([*map(str, config.getini(SUITES))], config.rootpath, where)
        suites = suites or project.declared(config.rootpath)
        if not suites:
            return None
        from goldlock.pytest_plugin.collection import is_bare

        if is_bare(config):  # it runs the cases, too, wherever they are
            args = [Path(config.invocation_params.dir, arg) for arg in config.args]
            cases = [suite / "cases" for suite in suites]
            config.args += [str(each) for each in cases if not any(map(each.is_relative_to, args))]
        from goldlock.pytest_plugin.run import Run

        return Run.of_project(config, suites)
    except UsageError as error:
        from goldlock.text import printable

        said = in_words_of_pytest(str(error), kit.options())
        raise pytest.UsageError(printable(said)) from None
