"""Who may know whom: the rules of the house, held against its imports."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted([*(ROOT / "harness").rglob("*.py"), *(ROOT / "filters").rglob("*.py")])

# harness.faults is a tool of both sides, and knows neither.
CASE_SIDE = ("harness.case", "harness.casework.")
BOTH_SIDES = {"harness.locks", "harness.processes", "harness.stack"}
RUNNER_SIDE = ("harness.suite", "harness.ground", "harness.running.", "harness.goldens.")
TRANSCRIPT = {"harness.running.execute", "harness.running.execute.Transcript"}
"""What goldens know of running: what comes of it."""
FORMATS = {
    f"harness.reports.{name}"
    for name in ("annotations", "chart", "findings", "json_lines", "page", "page_case", "tap")
} | {"harness.reports.side_by_side"}
KNOW_THE_EMBEDDED = {
    "harness.programs": "writes the scripts that start them",
    "harness.casework.forked": "imports for the processes that it forks, and calls nothing before",
}
OWNERS = {
    "pytest": {
        *("harness.cli", "harness.pytest_plugin", "harness.reports.console"),
        *("harness.reports.plugin", "harness.reports.junit", "harness.reports.progress"),
        *("harness.reports.start", "harness.goldens.orphans", "harness.goldens.review_plugin"),
    },
    "pexpect": {"harness.casework.machine"},
    "deepdiff": {"harness.goldens.explain"},
    "psutil": {"harness.running.leftovers", "harness.running.situation"},
}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, here or inside its functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = name_of(path.parent / "__init__.py") if node.level else ""
            assert node.level <= 1, f"{path}: an import from a package above"
            module = ".".join(filter(None, (package, node.module)))
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def some(known: set[str], side: tuple[str, ...]) -> set[str]:
    """Return the modules among *known* that are of a side."""
    return {module for module in known if module.startswith(side)}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_who_knows_whom(path: Path) -> None:
    name, known = name_of(path), imports(path)
    packages = {module.split(".")[0] for module in known}
    if name.startswith("filters"):
        assert packages <= {"filters", *sys.stdlib_module_names}, "filters know nothing but text"
    if name.startswith("harness.embedded") and name != "harness.embedded":
        foreign = {m for m in known if m.startswith("harness.")} - {"harness.embedded"}
        assert all(m.startswith("harness.embedded") for m in foreign), "it is a program of its own"
    elif "harness.embedded" in path.read_text():  # also where it is imported by name
        assert name in KNOW_THE_EMBEDDED, "programs of their own, that nobody calls"
    if name.startswith(CASE_SIDE):
        assert not some(known, RUNNER_SIDE), "the two sides meet in the environment and on stdout"
    if name in BOTH_SIDES:
        assert packages <= {"harness", *sys.stdlib_module_names}, "a case loads nothing more"
        assert not some(known, CASE_SIDE + RUNNER_SIDE), "what both sides use knows neither"
    if name.startswith(RUNNER_SIDE):
        assert not some(known, CASE_SIDE), "the two sides meet in the environment and on stdout"
    if name.startswith("harness.goldens."):
        assert not {m for m in known if m.startswith("harness.running.")} - TRANSCRIPT, "a judge"
    if name.startswith("harness.faults"):
        foreign = {m for m in known if m.startswith("harness") and m != "harness"}
        assert all(m.startswith("harness.faults") for m in foreign), "it knows neither side"
    if name in FORMATS:
        foreign = {m for m in known if m.startswith("harness.") and not m.startswith(name)}
        theirs = ("harness.reports", "harness.goldens.explain", "harness.goldens.compare")
        assert all(m.startswith(theirs) for m in foreign), "a format is a function of records"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_each_package_has_its_own_room(path: Path) -> None:
    packages = {module.split(".")[0] for module in imports(path)}
    for package, owners in OWNERS.items():
        assert package not in packages or name_of(path) in owners, package


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_environment_is_not_read_at_import(path: Path) -> None:
    for statement in ast.parse(path.read_text()).body:
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.If):
            assert "os.environ" not in ast.unparse(statement)
