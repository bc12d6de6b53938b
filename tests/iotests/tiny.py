# SPDX-License-Identifier: GPL-2.0-or-later
"""A tree in the layout of QEMU's tests, with a ``check`` of few lines; all of it our own text."""

import textwrap
from pathlib import Path

_CHECK = """\
#!/usr/bin/env python3
import os, sys
at = sys.argv.index("--")
options = sys.argv[1:at]
if "bad" in options:
    sys.exit("no such AIO mode: bad")
mode = options[options.index("-c") + 1] if "-c" in options else "writeback"
told = {"IMGFMT": options[0][1:], "CACHEMODE": mode, "QEMU_DEFAULT_MACHINE": "pc"}
told |= {"PYTHON": sys.executable, "CHECKED": " ".join(options)}
told |= {"OUTPUT_DIR": os.getcwd()}  # as until QEMU 6.2
os.execve(sys.argv[at + 1], sys.argv[at + 1 :], {**os.environ, **told})
"""

_FINDTESTS = """\
import glob, os

class TestFinder:
    def __init__(self, folder):
        os.chdir(folder)
        named = [f[:-4] for f in glob.glob("tests/*.out")]
        self.all_tests = sorted(glob.glob("[0-9][0-9][0-9]") + named)
        self.groups = {}
        for test in self.all_tests:
            for line in open(test):
                if line.startswith("# group: "):
                    for group in line.split()[2:]:
                        self.groups.setdefault(group, set()).add(test)

    def find_tests(self, groups=None, exclude_groups=None, tests=None, start_from=None):
        names = [f"{int(t):03}" if t.isdigit() else f"tests/{t}" for t in tests or ()]
        if unknown := [name for name in names if name not in self.all_tests]:
            raise ValueError(f'Test "{unknown[0]}" is not found')
        wanted = set(names) if names else set(self.all_tests)
        if groups:
            wanted = set(names).union(*(self.groups[g] for g in groups))
        return sorted(wanted.difference(*(self.groups[g] for g in exclude_groups or ())))
"""


class Tree:
    """A tree below *root*; *tests* is the folder that a person names."""

    def __init__(self, root: Path, version: str) -> None:
        self.tests = root / "tests/qemu-iotests"
        (self.tests / "tests").mkdir(parents=True)
        (root / "VERSION").write_text(f"{version}\n")
        (self.tests / "common.rc").touch()
        (self.tests / "check").write_text(_CHECK)
        (self.tests / "check").chmod(0o755)
        (self.tests / "findtests.py").write_text(_FINDTESTS)

    def add(self, name: str, script: str, golden: str | None = "", groups: str = "quick") -> Path:
        """Add a test, and its golden unless that is None; a script is the shell's by default."""
        path = self.tests / name
        text = textwrap.dedent(script)
        if not text.startswith("#!"):
            text = f"#!/bin/sh\n{text}"
        first, rest = text.split("\n", 1)
        path.write_text(f"{first}\n# group: {groups}\n{rest}")
        path.chmod(0o755)
        if golden is not None:
            path.with_name(f"{path.name}.out").write_text(textwrap.dedent(golden))
        return path

    def files(self) -> dict[str, bytes]:
        """Return all files of the tree, with what is in them."""
        found = (path for path in self.tests.rglob("*") if path.is_file())
        return {str(path.relative_to(self.tests)): path.read_bytes() for path in found}
