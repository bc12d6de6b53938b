# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases by number and by name: which files are some, what they are about, how they are chosen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from goldlock.errors import UsageError
from goldlock.suite.cases import case_files, read_case, read_suite
from goldlock.suite.selection import Known, select, suite_of

from tests.conftest import ROOT, MakeSuite, RunTests


@pytest.fixture
def named(suite: MakeSuite) -> MakeSuite:
    """A suite of numbers and names, which stand in the folder in another order."""
    for name in ("busy-timeout.sh", "010.sh", "002", "a_b"):
        suite.case(name, f"# group: quick\necho {name}", golden=f"{name}\n")
    return suite


def test_numbers_come_first_then_names(named: MakeSuite) -> None:
    names = [case.name for case in read_suite(named.root).cases]
    assert names == ["002", "010", "a_b", "busy-timeout"]


def test_a_helper_is_no_case(suite: MakeSuite) -> None:
    folder = suite.root / "cases"
    for name in ("helper.py", "helper.sh", "README", "conftest.py", "_x.sh", ".y.sh", "z.sh~"):
        (folder / name).write_text("#!/bin/sh\n" if name[0] in "_.z" else "x = 1\n")
    for name in ("with-hash-bang.sh", "with-golden.py", "executable.sh"):
        (folder / name).write_text("#!/bin/sh\n" if "bang" in name else "x = 1\n")
    (folder / "calls-run.py").write_text("from goldlock import run\n\n\nrun(print)\n")
    main = 'import goldlock\n\nif __name__ == "__main__":\n    goldlock.run(print)\n'
    (folder / "calls-run-as-main.py").write_text(main)
    (folder / "helps-run.py").write_text("def go():\n    run()\n")
    (folder / "executable.sh").chmod(0o755)
    (suite.root / "expected" / "with-golden.out").write_text("")
    assert [path.name for path in case_files(suite.root)] == [
        "calls-run-as-main.py",
        "calls-run.py",
        "executable.sh",
        "with-golden.py",
        "with-hash-bang.sh",
    ]


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("2", "002.sh", "2: 002.sh has the same number; rename one of them"),
        ("a.sh", "a.py", "a.sh: a.py has the same name; rename one of them"),
        ("a.b.sh", "1", "a.b.sh: not a case's name; as in 153, 153.py or busy-timeout.sh"),
        ("copy.py", "1", "copy.py: copy is a module that scripts import, and they would get this"),
        ("a" * 41, "1", f"{'a' * 41}: a case's name has at most 40 characters"),
    ],
)
def test_names_that_cannot_be(suite: MakeSuite, one: str, other: str, said: str) -> None:
    suite.case(one, "")
    suite.case(other, "")
    with pytest.raises(UsageError) as caught:
        read_suite(suite.root)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("1.sh", "#!/bin/sh\n# group: a\n# Who waits.\n# More.\n", "Who waits."),
        ("1.sh", "#!/bin/sh\n# SPDX-License-Identifier: MIT\n#\n#  Who waits.\n", "Who waits."),
        ("1.sh", "#!/bin/sh\n# Copyright (C) 2020 A\necho\n# Who waits.\n", ""),
        (
            "1.py",
            '#!/usr/bin/env python3\n# needs: faults\n"""Who waits.\n\nMore."""\n',
            "Who waits.",
        ),
        ("1.py", '"""Who waits."""\n', "Who waits."),
        ("1.py", "'''\nWho waits.\n'''\n", "Who waits."),
        ("1.py", '# Who waits.\n"text"\n', "text"),
        ("1.py", "# -*- coding: utf-8 -*-\n# Who waits.\nimport os\n", "Who waits."),
        ("1.lua", "#!/usr/bin/lua\n-- Who waits.\n", "Who waits."),
        ("1.sh", "", ""),
    ],
)
def test_titles(suite: MakeSuite, name: str, text: str, title: str) -> None:
    path = suite.root / "cases" / name
    path.write_text(text)
    assert read_case(path).title == title


@pytest.mark.parametrize("word", ["busy-timeout", "busy-timeout.sh", "cases/busy-timeout.sh"])
def test_a_case_is_found_by_its_name_and_by_its_file(
    named: MakeSuite, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(named.root)
    assert Known(read_suite(named.root)).find(word).name == "busy-timeout"


def test_a_number_needs_no_zeros(named: MakeSuite) -> None:
    suite = read_suite(named.root)
    assert [case.name for case in select(suite, ["2", "10"])] == ["002", "010"]
    with pytest.raises(UsageError, match="unknown case '3'; -n lists them"):
        Known(suite).find("3")
    with pytest.raises(UsageError, match="unknown case '9999"):
        Known(suite).find("9" * 5000)  # of more digits than Python reads
    with pytest.raises(
        UsageError, match="unknown case 'busy-timeuot'; did you mean 'busy-timeout'"
    ):
        Known(suite).find("busy-timeuot")


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ('"""Who waits."""\n# group: quick\n', ("quick",)),
        ("# group: quick\n'''\nWho: waits.\n'''\nx = 1\n# group: no\n", ("quick",)),
        ('"""\n# group: in words\n"""\n', ()),
        ('"""Who waits.\n' + "At length.\n" * 1000 + '"""\n# group: quick\n', ("quick",)),
    ],
)
def test_a_header_before_a_docstring_or_behind_it(
    suite: MakeSuite, text: str, groups: tuple[str, ...]
) -> None:
    path = suite.case("1.py", f"#!/usr/bin/env python3\n{text}")
    assert read_case(path).groups == groups


def test_a_mark_of_the_byte_order_hides_no_header(suite: MakeSuite) -> None:
    path = suite.case("1.py", "#!/usr/bin/env python3")
    path.write_bytes(b"\xef\xbb\xbf# group: quick\n")
    assert read_case(path).groups == ("quick",)


def test_a_slip_behind_a_docstring_is_told_with_its_line(suite: MakeSuite) -> None:
    path = suite.case("1.py", '#!/usr/bin/env python3\n"""Who\nwaits.\n"""\n# needs: flokc\n')
    with pytest.raises(UsageError, match=r"1\.py:5: unknown word in needs: 'flokc'"):
        read_case(path)


def test_a_file_elsewhere_is_not_called_no_case(named: MakeSuite, tmp_path: Path) -> None:
    other = MakeSuite(tmp_path / "other").case("1.sh", "")
    with pytest.raises(UsageError, match=f"{other}: not in {named.root}/cases; a run is of one"):
        Known(read_suite(named.root)).find(str(other))


def test_from_a_case_on(named: MakeSuite) -> None:
    suite = read_suite(named.root)
    assert [case.name for case in select(suite, start_from="10")] == [
        "010",
        "a_b",
        "busy-timeout",
    ]


def test_a_file_tells_the_suite(run_tests: RunTests, named: MakeSuite) -> None:
    done = run_tests(str(named.root / "cases" / "busy-timeout.sh"))
    assert done.returncode == 0, done.stdout
    assert "busy-timeout PASSED (1 section, busy-timeout.out)" in done.stdout


def test_so_does_a_file_in_the_folder_of_cases(
    named: MakeSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(named.root / "cases")
    assert suite_of("busy-timeout.sh") == suite_of("./002") == suite_of("002") == named.root
    assert suite_of("busy-timeout") is suite_of("3") is None


def test_titles_where_more_words_are_wanted(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "# Who waits.\n", golden="")
    suite.case("busy", "# group: quick\n# Who does not.\n", golden="")
    report = suite.root.parent / "report.html"
    where = ("--suite", str(suite.root))
    assert (
        run_tests(*where, "--list").stdout
        == "1            Who waits.\nbusy  quick  Who does not.\n"
    )
    done = run_tests(*where, "--html", str(report), "--", "-v")
    assert "    Who waits.\n" in done.stdout
    assert "Who does not." in report.read_text()
    assert "Who waits." not in run_tests(*where).stdout


def test_a_named_case_goes_all_the_way(run_tests: RunTests, named: MakeSuite) -> None:
    where = ("--suite", str(named.root))
    named.case("busy-timeout.sh", "echo other", golden=None)
    done = run_tests(*where, "--store-durations")
    assert "busy-timeout FAILED (1 of 1 section, busy-timeout.out)" in done.stdout
    assert "/busy-timeout/output" in done.stdout
    assert run_tests(*where, "--update", "busy-timeout").returncode == 0
    done = run_tests(*where, "--seed", "1", "--repeat", "2")
    assert done.returncode == 0, done.stdout
    durations = (named.root / ".goldlock-durations.json").read_text()
    assert [line.split('"')[1] for line in durations.splitlines()[1:-1]] == [
        *("002", "010", "a_b", "busy-timeout")
    ]
    for shard in ("1/2", "2/2"):
        assert run_tests(*where, "--shard", shard).returncode == 0


def test_by_hand_it_says_what_to_type(suite: MakeSuite) -> None:
    text = "from goldlock import run\ndef main(case): pass\nrun(main)\n"
    path = suite.case("1.py", f"#!{sys.executable}\n{text}", golden="")
    environ = {**os.environ, "PYTHONPATH": str(ROOT / ".import")}
    environ.pop("GOLDLOCK_CASE", None)
    done = subprocess.run(
        [sys.executable, path], env=environ, capture_output=True, text=True, check=False
    )
    said = "GOLDLOCK_CASE is not set: a case is started by goldlock, not by hand"
    assert done.stderr == f"{path}: {said}; type: goldlock {path}\n"
    assert done.returncode == 2
