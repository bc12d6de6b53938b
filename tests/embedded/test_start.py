# SPDX-License-Identifier: GPL-2.0-or-later
"""Start-up is fast because little is imported: a module more is a decision, made here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.embedded.programs import MODULES, QUIET, ROOT, environment

# What the interpreter and `os` bring, and what every program is made of.
_STANDARD = {
    "__future__", "_collections_abc", "_signal", "_stat", "_struct", "errno", "fcntl",
    "genericpath", "os", "os.path", "posixpath", "stat", "struct",
}  # fmt: skip
_OURS = {
    "block", "block.files", "block.graph", "block.locks", "block.registry",
    "common", "common.options", "common.report",
    "image", "image.backend", "image.open_node", "image.probe",
}  # fmt: skip
_QCOW2 = {"qcow2", "qcow2.node", "qcow2.header", "qcow2.map", "qcow2.refcounts"}
_IO = {"common.getopt", "io", "io.commands", "io.main", "io.requests", "io.session", "io.table"}
_SYSTEM = {"system", "system.drives", "system.main", "system.options"}
_QMP = {
    "common.json_parse", "common.json_split", "common.json_writer",
    "system.qmp", "system.qmp_commands", "system.qmp_schema",
}  # fmt: skip

STARTS: dict[str, tuple[tuple[str, ...], str, set[str], set[str]]] = {
    "qemu-img info": (
        ("qemu-img", "info", "t"), "", set(),
        {"common.getopt", "image.describe", "img", "img.common", "img.info", "img.main"},
    ),
    "qemu-io": (("qemu-io", "-c", "quit", "t"), "", {"time"}, _IO),
    "qemu-system, human monitor": (
        ("qemu-system-x86_64", *QUIET, "-monitor", "stdio", "-drive", "if=none,file=t"),
        "quit\n", {"select"}, {"system.hmp", *_SYSTEM},
    ),
    "qemu-system, QMP": (
        ("qemu-system-x86_64", *QUIET, "-qmp", "stdio", "-drive", "if=none,file=t"),
        "{'execute':'qmp_capabilities'}{'execute':'quit'}\n", {"select", "time"},
        {*_QMP, *_SYSTEM},
    ),
}  # fmt: skip


@pytest.mark.parametrize("start", STARTS)
def test_a_program_imports_what_is_listed_and_no_more(start: str, images: Path) -> None:
    (name, *words), stdin, standard, ours = STARTS[start]
    program = f"""
import sys
before = set(sys.modules)
sys.path.insert(0, {str(ROOT / ".import")!r})
from goldlock.embedded.{MODULES[name]}.main import main
status = main({[name, *words]!r})
loaded = sorted(set(sys.modules) - before)
import json
print("\\n" + json.dumps(loaded))
sys.exit(status)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=images, env=environment(),
        input=stdin.encode(), capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    packages = {"goldlock", "goldlock.embedded"}
    own = {f"goldlock.embedded.{module}" for module in (*_OURS, *_QCOW2, *ours)}
    assert loaded <= own | packages | _STANDARD | standard
    assert own <= loaded, "no longer imported: take it off the list"
