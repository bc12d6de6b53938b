# SPDX-License-Identifier: GPL-2.0-or-later
"""goldlock's own layout: ``cases/NUMBER``, ``expected/NUMBER.out``, and variants for traits."""

import os
import re
import site
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from goldlock import IMPORTED_FROM, safe_open
from goldlock.dialects.dialect import Asked, Dialect, Verdict
from goldlock.environment import NOTRUN_STATUS
from goldlock.goldens import variants
from goldlock.settings import Settings
from goldlock.suite import cases, selection
from goldlock.suite.cases import Case, Suite
from goldlock.suite.programs import Programs
from goldlock.text import shorten

NOT_SERVED = "not-served"
"""A file beside the output: a line for each thing that the embedded programs have refused."""

_PASSED_ON = re.compile(r"PATH|LD_LIBRARY_PATH|GLIBC_TUNABLES|MALLOC_\w+|(?:A|HWA|L|M|T|UB)SAN_\w+")
"""What a case sees of the caller's environment: the variables of the loader, of sanitizers and of
glibc's allocator; no locale, HOME or git configuration."""


class OwnDialect(Dialect):
    """The dialect of suites that are written for goldlock."""

    def read(self, folder: Path) -> Suite:
        return cases.read_suite(folder)

    def select(self, suite: Suite, asked: Asked) -> list[Case]:
        return selection.select(suite, *asked)

    def collected(self, suite: Suite) -> Path:
        return suite.root / "cases"

    def goldens(self, case: Case, programs: Programs, settings: Settings) -> Sequence[Path]:
        traits, variant = programs.traits, settings.variant
        return variants.files(case.expected, case.name, traits, variant, writing=settings.writes)

    def command(self, case: Case, settings: Settings) -> list[str]:
        path = str(case.path)
        return [sys.executable, path] if case.path.suffix == ".py" else [path]

    def surroundings(self, environ: Mapping[str, str], scratch: Path) -> dict[str, str]:
        passed_on = {name: text for name, text in environ.items() if _PASSED_ON.fullmatch(name)}
        return {
            **passed_on,
            "PATH": f"{IMPORTED_FROM}/goldlock/bin:{environ.get('PATH', os.defpath)}",
            "LC_ALL": "C",
            "TZ": "UTC",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHON": sys.executable,
            **({} if IMPORTED_FROM in site.getsitepackages() else {"PYTHONPATH": IMPORTED_FROM}),
            "PYTHONUTF8": "1",
        }

    def verdict(self, case: Case, status: int | None, output: Path, scratch: Path) -> Verdict:
        if status == NOTRUN_STATUS:
            said = tail(output, 1).strip()
            return Verdict(said or f"it ended with status {NOTRUN_STATUS}, and did not say why")
        if refused := safe_open.text(output.with_name(NOT_SERVED)).splitlines():
            return Verdict(
                f"not served by the embedded programs: {'; '.join(dict.fromkeys(refused))}"
            )
        return Verdict()


DIALECT = OwnDialect()


def tail(path: Path, count: int = 10) -> str:
    """Return the last lines of a file, for a person."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 100_000))
        lines = file.read().decode("utf-8", "surrogateescape").split("\n")
    last = [line for line in lines if line.strip()][-count:]
    return "\n".join(f"    {shorten(line.rstrip())}" for line in last)
