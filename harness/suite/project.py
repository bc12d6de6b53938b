# SPDX-License-Identifier: GPL-2.0-or-later
"""Where suites are: named, declared by a project, at hand, or one that comes with goldlock.

A project declares its suites in its ``pyproject.toml``, by their paths below it:

    [tool.goldlock]
    suites = ["tests/locks"]
"""

import glob
import os
import shutil
import time
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from goldlock.errors import NotFoundError, UsageError, choice, suggest
from goldlock.suite.suite_file import suite_file

FILE = "pyproject.toml"
_OF = "suite"
"""The link to a suite in the folder with what is remembered of it."""
_KEPT = 90 * 24 * 3600
"""For how many seconds after its last run it is remembered."""
_KEYS = ("suites",)
_BUNDLED = Path(__file__).resolve().parent.parent / "suites"
_WAYS = "name one with --suite DIR, or make one: goldlock --new tests/locks"


def find_suite(given: str | None, here: Path, checkout: Path | None) -> Path:
    """Return the folder of the suite to run; *given* is a folder, or the name of a bundled suite.

    For None it is that of the *checkout*, that in the folder *here*, or the one that the project
    there declares. Raises UsageError where there is none, or more than one.
    """
    if given is not None:
        if given in bundled_suites() and not _is_dir(here / given / "cases"):
            return (_BUNDLED / given / "cases").resolve().parent  # in a checkout, its own suite
        return (here / given).resolve()
    if checkout:
        return checkout
    if _is_dir(here / "cases") or suite_file(here).kit.dialect:
        return here
    for folder in (here, *here.parents):
        if os.path.isfile(folder / FILE):  # noqa: PTH113 - pathlib raises for what it may not look at
            return _only(folder, declared(folder))
    raise NotFoundError(f"{here}: no cases/ and no {FILE} here; {_WAYS}")


def _is_dir(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - as above


def _only(project: Path, suites: list[Path]) -> Path:
    if not suites:
        raise UsageError(f"{project / FILE}: no suites in [tool.goldlock]; {_WAYS}")
    if len(suites) > 1:
        names = ", ".join(os.path.relpath(path, project) for path in suites)
        raise UsageError(
            f"{project / FILE} has several suites: choose one of them with --suite, or run all"
            f" with pytest: {names}"
        )
    return suites[0].resolve()


def bundled_suites() -> list[str]:
    """Return the names of the suites that come with goldlock."""
    return sorted(path.name for path in _BUNDLED.iterdir())


def cache_folder(root: Path) -> Path:
    """Return where pytest keeps what it remembers of a suite: beside it, if that is anybody's."""
    is_another_s = bool(suite_file(root).kit.dialect)
    if root.parent != _BUNDLED and not is_another_s:
        return root / ".pytest_cache"
    which = f"-{zlib.crc32(os.fsencode(root)):08x}" if is_another_s else ""
    return own_cache(os.environ) / f"{root.name}{which}"


def own_cache(environ: Mapping[str, str]) -> Path:
    """Return the folder for what goldlock keeps between runs of suites that it may not write to.

    Raises UsageError where the user has no home, and the environment names none.
    """
    given = environ.get("XDG_CACHE_HOME")
    try:
        return Path(given or Path.home() / ".cache", "goldlock").absolute()
    except RuntimeError:
        raise UsageError("no home folder is known: set HOME, or XDG_CACHE_HOME") from None


def bytecode_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder for the bytecode of Python's that is kept out of such suites."""
    return own_cache(environ) / "bytecode"


def tidy_cache(root: Path) -> None:
    """Remove what is remembered of suites of others that were not run for so long; note *root*.

    They are not looked at: they may be on a server that hangs, or on a disk that is away today.
    """
    if not suite_file(root).kit.dialect:
        return
    folder, kept = cache_folder(root), bytecode_folder(os.environ)
    with suppress(OSError):  # the folder was not made
        (folder / _OF).unlink(missing_ok=True)
        (folder / _OF).symlink_to(root)  # anew: its age is how long ago that was
    found = glob.glob(f"*/{_OF}", root_dir=folder.parent)  # noqa: PTH207 - pathlib raises as above
    for link in map(folder.parent.joinpath, found):
        with suppress(OSError):  # another run removes it
            if link.lstat().st_mtime < time.time() - _KEPT:
                of = os.path.abspath(link.readlink())  # noqa: PTH100 - without dots
                shutil.rmtree(kept / of.lstrip("/"), ignore_errors=True)
                shutil.rmtree(link.parent, ignore_errors=True)


def declared(project: Path) -> list[Path]:
    """Return the suites that a project declares; none where it has no ``[tool.goldlock]``.

    Raises UsageError, with the file, for what cannot be.
    """
    path = project / FILE
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', error)}") from None
    if "goldlock" not in text:  # most are of projects that do without
        return []
    import tomllib  # takes a while to load

    try:
        tool = tomllib.loads(text).get("tool")
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from None
    table = tool.get("goldlock", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.goldlock is a table, [tool.goldlock]")
    for key in table:
        if key not in _KEYS:
            raise UsageError(f"{path}: unknown key {key!r} in [tool.goldlock]{choice(key, _KEYS)}")
    return existing(table.get("suites", []), project, f"{path}: suites in [tool.goldlock]")


def existing(names: Iterable[str], project: Path, where: str) -> list[Path]:
    """Return the folders of suites called *names*; raise UsageError where one is not there."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError(f'{where} takes a list of folders, such as ["tests/locks"]')
    for name in names:
        cases = project / name / "cases"
        if not _is_dir(cases):
            near = [str(each.parent.relative_to(project)) for each in project.glob("*/*/cases")]
            raise UsageError(f"{where}: {name}: no such suite{suggest(name, near)}")
        if not os.access(cases, os.R_OK | os.X_OK):
            raise UsageError(f"{cases}: Permission denied")
    # By the names that pytest has for them, which does not look where links lead.
    return list(dict.fromkeys(Path(os.path.abspath(project / name)) for name in names))  # noqa: PTH100 - as above
