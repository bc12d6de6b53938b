"""Who may know whom: the rules of the house, held against its imports."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted([*(ROOT / "harness").rglob("*.py"), *(ROOT / "filters").rglob("*.py")])

# harness.faults is a tool of both sides, and knows neither.
CASE_SIDE = {
    f"harness.{name}"
    for name in (
        *("case", "ending", "forked", "machine", "part", "parts", "record", "steps", "wrapped"),
    )
}
BOTH_SIDES = {"harness.locks", "harness.processes"}
RUNNER_SIDE = {
    f"harness.{name}"
    for name in (
        *("suite", "execute", "compare", "golden", "judge", "runner", "workers", "schedule"),
        *("wrap", "review", "review_plugin", "orphans", "replay"),
    )
}
FORMATS = {
    f"harness.reports.{name}"
    for name in ("annotations", "chart", "findings", "json_lines", "page", "page_case", "tap")
} | {"harness.reports.side_by_side"}
KNOW_THE_EMBEDDED = {
    "harness.programs": "writes the scripts that start them",
    "harness.forked": "imports for the processes that it forks, and calls nothing before",
}
OWNERS = {
    "pytest": {
        *("harness.cli", "harness.pytest_plugin", "harness.reports.console"),
        *("harness.reports.plugin", "harness.reports.junit", "harness.reports.progress"),
        *("harness.reports.start", "harness.orphans", "harness.review_plugin"),
    },
    "pexpect": {"harness.machine"},
    "deepdiff": {"harness.explain"},
    "psutil": {"harness.leftovers", "harness.situation"},
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
    if name in CASE_SIDE:
        assert not known & RUNNER_SIDE, "the two sides meet in the environment and on stdout"
    if name in BOTH_SIDES:
        assert packages <= {"harness", *sys.stdlib_module_names}, "a case loads nothing more"
        assert not known & (CASE_SIDE | RUNNER_SIDE), "what both sides use knows neither"
    if name in RUNNER_SIDE:
        assert not known & CASE_SIDE, "the two sides meet in the environment and on stdout"
    if name.startswith("harness.faults"):
        foreign = {m for m in known if m.startswith("harness") and m != "harness"}
        assert all(m.startswith("harness.faults") for m in foreign), "it knows neither side"
    if name in FORMATS:
        foreign = {m for m in known if m.startswith("harness.") and not m.startswith(name)}
        theirs = ("harness.reports", "harness.explain")
        assert all(m.startswith(theirs) for m in foreign), "a format is a function of records"
    for package, owners in OWNERS.items():
        assert package not in packages or name in owners, f"{package} has its own room"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_environment_is_not_read_at_import(path: Path) -> None:
    for statement in ast.parse(path.read_text()).body:
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.If):
            assert "os.environ" not in ast.unparse(statement)
