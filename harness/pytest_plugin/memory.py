# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run leaves for the next one: how each case went, and how long it took."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest
from goldlock.errors import UsageError
from goldlock.pytest_plugin.item import CaseItem
from goldlock.pytest_plugin.run import RUN, history_file, past_of, say
from goldlock.runner import history, shards
from goldlock.text import count


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remember how the cases went, for the order of the next run."""
    config = session.config
    if hasattr(config, "workerinput"):
        return
    items = [item for item in session.items if isinstance(item, CaseItem)]
    now = {item.case: past for item in items if (past := item.past) and past.seconds}
    if cache := getattr(config, "cache", None):
        known = {**past_of(config), **{str(case.path): past for case, past in now.items()}}
        try:
            cache.mkdir("goldlock")  # with the files that pytest puts beside
            history.write(history_file(config), config.rootpath, known)
        except OSError as error:
            say(config, f"{error.filename}: {error.strerror}; nothing is remembered")
    if config.stash[RUN].settings.store_durations:
        seconds: defaultdict[Path, dict[str, float]] = defaultdict(dict)
        for case, each in now.items():
            seconds[case.root][case.name] = each.seconds
        for root, durations in seconds.items():
            _store_durations(session, root, durations)


def _store_durations(session: pytest.Session, root: Path, seconds: Mapping[str, float]) -> None:
    try:
        path = shards.store_durations(root, {**shards.read_durations(root), **seconds})
        said = f"stored the durations of {count(len(seconds), 'case')}: {path}"
    except UsageError as error:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
        said = str(error)
    say(session.config, said)
