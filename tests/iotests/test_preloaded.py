# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts for Python that are started in forks of one that has loaded their modules."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import RunTests
from tests.iotests.test_tree import Results
from tests.iotests.tiny import Tree

pytestmark = pytest.mark.skipif(
    not shutil.which("qemu-system-x86_64") or not shutil.which("qemu-img"), reason="no QEMU"
)

_SCRIPT = """\
#!/usr/bin/env python3
'''What it is.'''
import atexit, json, os, random, sys
loaded = "colorsys" in sys.modules
atexit.register(print, "at exit")
def told(name):
    with open(f"/proc/self/{name}", "rb") as file:
        return sorted(filter(None, file.read().decode().split("\\0")))
def descriptors():
    return [os.readlink(f"/proc/self/fd/{each}").split(":")[0] for each in range(3)]
shown = {
    "argv": sys.argv,
    "original": sys.orig_argv,
    "path": sys.path,
    "names": sorted(set(globals()) - {"shown"}),
    "file": [__file__, __doc__, __name__, type(__loader__).__name__, str(__spec__)],
    "main": sys.modules["__main__"].__dict__ is globals(),
    "environ": sorted(f"{name}={text}" for name, text in os.environ.items()),
    "in /proc": [told("environ"), told("cmdline"), open("/proc/self/comm").read()],
    "session": [os.getpgid(0) == os.getpid(), os.getsid(0)],
    "descriptors": [os.dup(0), *descriptors(), os.getcwd()],
}
with open("FOLDER/" + os.path.basename(sys.argv[0]), "w") as file:
    json.dump([loaded, os.getppid(), random.random(), shown], file)
print("so far")
raise ValueError("no more")
"""


def test_a_fork_is_as_what_is_started(run_tests: RunTests, tmp_path: Path) -> None:
    """The first of a folder is started; what others see is the same, but that modules are there.

    A module that wants the environment of a script is not loaded.
    """
    tree = Tree(tmp_path / "source", "1.2.3")
    (tree.tests / "iotests.py").write_text("import colorsys\nfrom only_in_a_test import FOLDER\n")
    (tree.tests / "only_in_a_test.py").write_text("import os\nFOLDER = os.environ['TEST_DIR']\n")
    names = ("001", "002", "003")
    for name in names:
        tree.add(name, _SCRIPT.replace("FOLDER", str(tmp_path)), "so far\n")
    done = Results(run_tests, tree, "--keep", "-j", "1", "--repeat", "1")
    outputs, seen = [], []
    for name in names:
        loaded, parent, number, shown = json.loads((tmp_path / name).read_text())
        output = Path(done.cases[name]["kept"], "output").read_text()
        alone = re.compile(rf"(?<![\w-]){name}(?!\w)")  # it can be in the name of a directory, too
        outputs.append(alone.sub("N", output))
        seen.append((loaded, parent, number, alone.sub("N", json.dumps(shown))))
    first, second, third = seen
    assert [first[0], second[0], third[0]] == [False, True, True]
    assert first[1] == second[1] == third[1]
    assert len({first[2], second[2], third[2]}) == 3
    assert first[3] == second[3] == third[3]
    assert '"session": [true, ' in first[3]  # the leader of a group, in the same one
    assert outputs[0] == outputs[1] == outputs[2]
    assert outputs[0].splitlines()[-2:] == ["ValueError: no more", "at exit"]
