# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may know whom: rooms know those below them, never above, and nowhere in a circle."""

import ast
import re
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ORDER = (
    {"__main__"},
    {"cli"},
    {
        "command_line",
        "faults_command",
        "matrix",
        "orders_command",
        "pytest_plugin",
        "trace_command",
    },
    {"runner", "kits"},
    {"dialects"},
    {"goldens", "reports", "suite", "case"},
    {"inspect", "options", "orders", "settings"},
    {"lockcalls", "bootstrap"},
    {"atomic_file", "filters", "kernel_locks", "result"},
    {"environment", "errors", "linux", "safe_open", "stand_ins", "text"},
)
"""The rooms from the top down; those of one line do not know each other."""
APART = "embedded"
"""Programs of their own: they know nobody, and whoever starts them loads them by name."""
PACKAGES = {
    "pytest": {"pytest_plugin"},
    "pexpect": {"case", "kits"},
    "deepdiff": {"goldens"},
    "jinja2": {"reports"},
    "markupsafe": {"reports"},
}
"""The rooms that may know a package that is not of the standard library."""
NO_QEMU = {
    "case",
    "dialects",
    "filters",
    "goldens",
    "inspect",
    "pytest_plugin",
    "reports",
    "result",
    "suite",
}
"""The rooms whose code has no word of QEMU: that is for its kit, and for examples in docstrings."""


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "harness").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(p): p for p in (ROOT / "harness").glob("**/*.py")}
MODULES |= {
    f"filters.{p.stem}".removesuffix(".__init__"): p for p in (ROOT / "filters").glob("*.py")
}


@cache
def imports(name: str) -> set[str]:
    """Return what a module imports, also in its functions, and for types only."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = whole.removeprefix("goldlock.") in MODULES
                found.add(whole if is_module else str(node.module))
    return found


def ours(name: str) -> set[str]:
    """Return the modules of goldlock that a module imports, by their names below it."""
    known = {
        each.removeprefix("goldlock.") for each in imports(name) if each.startswith("goldlock.")
    }
    return known & {*MODULES}


def room(name: str) -> str:
    return name.partition(".")[0]


LEVEL = {each: level for level, rooms in enumerate(ORDER) for each in rooms}


def may_know(one: str, other: str) -> bool:
    """Tell whether one room may know another."""
    if one == APART:
        return other == APART
    return other in (one, APART) or LEVEL[one] < LEVEL[other]


def test_a_room_knows_only_those_below() -> None:
    wrong = []
    for name in sorted({*MODULES} - {""}):
        wrong += [
            f"{name} knows {each}" for each in ours(name) if not may_know(room(name), room(each))
        ]
        for package in {room(each) for each in imports(name)} - {*sys.stdlib_module_names}:
            if room(name) not in PACKAGES.get(package, {room(name)}):
                wrong.append(f"{name} knows {package}")
    assert wrong == []


def test_no_circle() -> None:
    TopologicalSorter({each: ours(each) - {each} for each in MODULES}).prepare()


def test_qemu_is_known_in_its_kit() -> None:
    wrong = []
    for name in MODULES:
        if room(name) != "kits":
            wrong += [f"{name} knows {known}" for known in ours(name) if known.startswith("kits.")]
        if room(name) in NO_QEMU:
            tree = ast.parse(MODULES[name].read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                    node.value.value = "a docstring"
            words = re.findall("qemu|qcow|qmp|hmp|imgfmt", ast.unparse(tree), re.I)
            wrong += [f"{name} says {word}" for word in words]
    assert wrong == []


def test_the_environment_is_not_read_at_import() -> None:
    wrong = []
    for name, path in MODULES.items():
        for statement in ast.parse(path.read_text()).body:
            runs_now = not isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.If)
            if runs_now and "os.environ" in ast.unparse(statement):
                wrong.append(f"{name}:{statement.lineno}")
    assert wrong == []
