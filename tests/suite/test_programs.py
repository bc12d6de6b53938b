# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that a suite declares: found, asked and named where a case needs them, only there."""

import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from goldlock.errors import UsageError
from goldlock.suite import question
from goldlock.suite.probe import DeclaredProbe
from goldlock.suite.suite_file import suite_file

from tests.conftest import MakeSuite, RunTests

TOML = """\
[programs.mytool]
version = ["--version"]

[programs.other]
command = "../bin/other -v"
version = "mytool --version; echo more"
"""
PYTHON = """# needs: mytool
from goldlock import Case, run


def main(case: Case) -> None:
    case.show(case.program("mytool", name="one"), "a")


run(main)
"""
MYTOOL = '#!/bin/sh\n[ "$1" = --version ] && echo "mytool 1.2" || echo "mytool:$*"\n'


@pytest.fixture
def tools(suite: MakeSuite) -> MakeSuite:
    """A suite of two programs, neither of which is on PATH, with a case for each of them."""
    (suite.root / "suite.toml").write_text(TOML)
    suite.case("1", '# needs: mytool\nmytool a; "$MYTOOL_PROG" b', golden="mytool:a\nmytool:b\n")
    suite.case("2", "# needs: other\nother a", golden="other:-v a\n")
    suite.case("3", 'echo "[$MYTOOL_PROG]"', golden="[]\n")
    program(suite.root.parent / "bin" / "mytool", MYTOOL)
    program(suite.root.parent / "bin" / "other", '#!/bin/sh\necho "other:$*"\n')
    return suite


def program(path: Path, text: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def path_with(suite: MakeSuite) -> str:
    return f"{suite.root.parent / 'bin'}:{os.environ['PATH']}"


def test_cases_start_them_by_name_and_by_variable(run_tests: RunTests, tools: MakeSuite) -> None:
    report = tools.root.parent / "report"
    options = ("--json-lines", f"{report}.jsonl", "--junit-xml", f"{report}.xml")
    done = run_tests(
        *("--suite", str(tools.root), "--html", f"{report}.html", *options), PATH=path_with(tools)
    )
    folder = tools.root.parent / "bin"
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(
        f"program mytool: mytool 1.2 ({folder}/mytool)\n"
        f"program other: mytool 1.2 ({folder}/other -v)\n"
    )
    start = json.loads(report.with_suffix(".jsonl").read_text().splitlines()[0])
    assert start["versions"] == {"mytool": "mytool 1.2", "other": "mytool 1.2"}
    assert start["programs"] == {"mytool": f"{folder}/mytool", "other": f"{folder}/other -v"}
    properties = ET.parse(report.with_suffix(".xml")).findall("testsuite/properties/property")
    told = {each.get("name"): each.get("value") for each in properties}
    assert told["mytool, version"] == "mytool 1.2"
    assert "mytool 1.2" in report.with_suffix(".html").read_text()


def test_a_variable_names_another(run_tests: RunTests, tools: MakeSuite) -> None:
    other = program(tools.root.parent / "x" / "my-own-tool", MYTOOL)
    done = run_tests("--suite", str(tools.root), "1", MYTOOL_PROG=other)
    assert done.returncode == 0, done.stdout
    assert f"program mytool: mytool 1.2 ({other})\n" in done.stdout
    done = run_tests("--suite", str(tools.root), "1", MYTOOL_PROG="/no/such")
    said = "MYTOOL_PROG: /no/such is not there; name another program, or unset MYTOOL_PROG"
    assert (done.returncode, done.stdout) == (2, f"run_tests.py: {said}\n")


def test_a_pattern_finds_the_newest(run_tests: RunTests, tools: MakeSuite) -> None:
    (tools.root / "suite.toml").write_text('[programs.mytool]\ncommand = "../lib/*/mytool"\n')
    for version in ("9", "15", "15.2"):
        (tools.root.parent / "lib" / version).mkdir(parents=True)
        program(tools.root.parent / "lib" / version / "mytool", f"#!/bin/sh\necho {version}\n")
    tools.case("1", "# needs: mytool\nmytool", golden="15.2\n")
    (tools.root / "cases" / "2").unlink()
    done = run_tests("--suite", str(tools.root), "1")
    assert done.returncode == 0, done.stdout


def test_what_is_missing_keeps_the_cases_that_need_it_from_running(
    run_tests: RunTests, tools: MakeSuite
) -> None:
    (tools.root.parent / "bin" / "other").unlink()
    done = run_tests("--suite", str(tools.root), PATH=path_with(tools))
    why = f"{tools.root.parent}/bin/other is not there; OTHER_PROG can name one"
    assert f"program other: {why}\n" in done.stdout
    assert f"not run: 2: {why}\n" in done.stdout
    assert done.returncode == 0
    done = run_tests("--suite", str(tools.root), "--require", "other", PATH=path_with(tools))
    assert f"case 2 must run (--require): {why}" in done.stdout
    assert done.returncode == 1


def test_nothing_is_started_that_no_selected_case_needs(
    run_tests: RunTests, tools: MakeSuite, tmp_path: Path
) -> None:
    mark = tmp_path / "started"
    for name in ("mytool", "qemu-img", "qemu-system-x86_64"):
        program(tools.root.parent / "bin" / name, f"#!/bin/sh\ntouch {mark}\nexec sleep 1000\n")
    done = run_tests("--suite", str(tools.root), "3", PATH=path_with(tools))
    assert done.returncode == 0, done.stdout
    assert not mark.exists()
    assert "mytool" not in done.stdout


def test_a_suite_says_what_all_its_cases_need(run_tests: RunTests, tools: MakeSuite) -> None:
    (tools.root / "suite.toml").write_text(f'needs = ["mytool"]\n{TOML}')
    done = run_tests("--suite", str(tools.root), "3")
    assert "not run: 3: no mytool on PATH; MYTOOL_PROG can name one\n" in done.stdout


def test_one_that_cannot_tell_its_version_is_named_with_its_line(
    run_tests: RunTests, tools: MakeSuite
) -> None:
    program(tools.root.parent / "bin" / "mytool", "#!/bin/sh\necho no such option; exit 3\n")
    done = run_tests("--suite", str(tools.root), "1", PATH=path_with(tools))
    said = f"{tools.root}/suite.toml:1: version of mytool: exit status 3: no such option"
    assert (done.returncode, done.stdout) == (2, f"run_tests.py: {said}\n")


@pytest.mark.parametrize(
    ("declared", "subject"),
    [
        ('[programs.a]\ncommand = "sleep"\nversion = ["1000"]', "1: version of a"),
        ('\n[traits]\nb = "sleep 1000"', "3: trait b"),
    ],
)
def test_one_that_does_not_answer_is_named_with_its_line(
    declared: str, subject: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question, "LIMIT", 0.1)  # nothing that answers is asked
    (tmp_path / "suite.toml").write_text(declared)
    probe = DeclaredProbe(suite_file(tmp_path), os.environ, tmp_path / "scripts")
    probe.need(["a"])
    said = re.escape(f"{tmp_path}/suite.toml:{subject}: no answer in 0.1 s")
    for _ in range(2):  # whoever asks is told so
        with pytest.raises(UsageError, match=f"^{said}$"):
            probe.programs()


def test_a_probe_that_is_stopped_waits_for_nobody(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text('[traits]\nb = "sleep 1000"')
    probe = DeclaredProbe(suite_file(tmp_path), os.environ, tmp_path / "scripts")
    probe.stop()
    probe.need([])
    with pytest.raises(KeyboardInterrupt):
        probe.programs()


def test_what_is_needed_later_is_asked_then(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(
        '[programs.sh]\nversion = "echo 1"\n[programs.cat]\nversion = "echo 2"\n'
        '[traits]\nb = "true"'
    )
    probe = DeclaredProbe(suite_file(tmp_path), os.environ, tmp_path / "scripts")
    probe.need(["sh"])
    first = probe.programs()
    probe.need(["sh"])
    assert probe.programs() is first
    assert (list(first.paths), first.traits) == (["sh"], ("b",))
    probe.need(["cat"])
    second = probe.programs()
    assert second.facts["versions"] == {"sh": "1", "cat": "2"}


@pytest.mark.parametrize("words", ["mytool=env X=1", "env X=1"])
def test_a_command_before_them(run_tests: RunTests, tools: MakeSuite, words: str) -> None:
    program(tools.root.parent / "bin" / "mytool", '#!/bin/sh\necho "$X"\n')
    (tools.root / "suite.toml").write_text("[programs.mytool]\n")
    tools.case("1", '# needs: mytool\nmytool; "$MYTOOL_PROG"', golden="1\n1\n")
    (tools.root / "cases" / "2").unlink()
    options = ("--suite", str(tools.root), "--wrap", words)
    done = run_tests(*options, "1", PATH=path_with(tools))
    assert done.returncode == 0, done.stdout


def test_a_command_before_one_that_stands_for_more(run_tests: RunTests, tools: MakeSuite) -> None:
    tools.case("2", "# needs: other\nother $X", golden="other:-v 1\n")
    before = program(tools.root.parent / "x" / "before", '#!/bin/sh\n"$@" 1\n')
    options = ("--suite", str(tools.root), "--wrap", f"other={before}")
    done = run_tests(*options, "2", PATH=path_with(tools))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("option", [(), ("--wrap", "env Y=2"), ("--gdb",)])
def test_a_command_that_has_its_own_name_in_it(
    run_tests: RunTests, tools: MakeSuite, option: tuple[str, ...]
) -> None:
    """As ``stdbuf -o0 tdbtool`` has, for a program that holds back what it prints."""
    program(
        tools.root.parent / "bin" / "mytool", '#!/bin/sh\necho "$X $*" "$(cat /proc/$$/comm)"\n'
    )
    program(tools.root.parent / "bin" / "gdbserver", '#!/bin/sh\nshift 5; exec "$@"\n')
    toml = '[programs.mytool]\ncommand = "env X=1 mytool -v"\nversion = "--version"\n'
    (tools.root / "suite.toml").write_text(toml)
    tools.case("1", '# needs: mytool\nmytool; "$MYTOOL_PROG"', golden="1 -v mytool\n1 -v mytool\n")
    tools.case("2.py", PYTHON, golden="$ one a\n1 -v a one\n")
    (tools.root / "cases" / "2").unlink()
    done = run_tests("--suite", str(tools.root), *option, "1", "2", PATH=path_with(tools))
    assert done.returncode == 0, done.stdout
    assert "program mytool: 1 -v --version mytool (" in done.stdout


def test_gdb_stands_before_the_one_that_is_declared_first(
    run_tests: RunTests, tools: MakeSuite
) -> None:
    program(tools.root.parent / "bin" / "gdbserver", '#!/bin/sh\necho gdb; shift 5; exec "$@"\n')
    tools.case(
        "1", "# needs: mytool other\nmytool a; other b", golden="gdb\nmytool:a\nother:-v b\n"
    )
    done = run_tests("--suite", str(tools.root), "--gdb", "1", PATH=path_with(tools))
    assert done.returncode == 0, done.stdout
    assert "goldlock: case 1 waits for gdb " in done.stdout


def test_traits_choose_goldens(run_tests: RunTests, tools: MakeSuite) -> None:
    traits = '[traits]\nyes = "[ -e cases/3 ]"\nno = "false"\n'
    (tools.root / "suite.toml").write_text(traits)
    for number in ("1", "2"):
        (tools.root / "cases" / number).unlink()
        (tools.root / "expected" / f"{number}.out").unlink()
    (tools.root / "expected" / "3.out").write_text("other\n")
    (tools.root / "expected" / "3.yes.out").write_text("[]\n")
    (tools.root / "expected" / "3.no.out").write_text("none\n")
    done = run_tests("--suite", str(tools.root))
    assert done.returncode == 0, done.stdout
    assert "traits: yes\n" in done.stdout


def test_variables_of_the_caller(run_tests: RunTests, suite: MakeSuite) -> None:
    (suite.root / "suite.toml").write_text('environment = ["MY_OWN", "LC_ALL"]\n')
    suite.case("1", 'echo "$MY_OWN $OTHER $LC_ALL"', golden="a  C.UTF-8\n")
    done = run_tests("--suite", str(suite.root), MY_OWN="a", OTHER="b", LC_ALL="C.UTF-8")
    assert done.returncode == 0, done.stdout


def test_a_program_that_is_not_declared(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "# needs: sqlite3", golden="")
    done = run_tests("--suite", str(suite.root))
    said = f"{suite.root}/cases/1:2: unknown word in needs: 'sqlite3'; [programs.sqlite3] in"
    assert done.stdout == f"run_tests.py: {said} suite.toml declares a program\n"
    assert done.returncode == 2


def test_filters_of_all_cases(run_tests: RunTests, suite: MakeSuite) -> None:
    toml = """filters = ["paths", "errno_names", "volatile ': E(IO)' NAME", "volatile NAME IO"]\n"""
    (suite.root / "suite.toml").write_text(toml)
    said = 'echo "$TEST_DIR/t: Input/output error"'
    suite.case("1", said, golden="TEST_DIR/t: EIO\n")
    suite.case("2", f"# filters: one_line\n{said}; echo", golden="TEST_DIR/t: EIO\n")
    header = "# filters: errno_names, volatile 'took ([0-9]+) s' SECONDS"
    suite.case("3", f"{header}\necho took $$ s", golden="took SECONDS s\n")
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout
