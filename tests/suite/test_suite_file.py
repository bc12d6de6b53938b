# SPDX-License-Identifier: GPL-2.0-or-later
"""What a suite says of itself, and what is said of it where it is wrong."""

from pathlib import Path

import pytest
from goldlock.errors import UsageError
from goldlock.suite.declared import SuiteFile
from goldlock.suite.kit import load
from goldlock.suite.suite_file import suite_file

WHOLE = """\
# [programs.sqlite3] is not here.
kit = "qemu"
needs = ["sqlite3", "qemu-img"]
filters = ["errno_names"]
environment = ["LANG"]

[programs.sqlite3]
command = ["../build/sqlite3", "-batch"]
version = ["--version"]

[programs.pg_ctl]
command = "pg_ctl -s"
variable = "PG_CTL"
version = "pg_config --version"

[programs."lockfile-create"]
version = "--version"

[traits]
musl = "ldd --version 2>&1 | grep -q musl"

[locks."*.db"]
0x40000000 = "PENDING"
"0x40000002-0x400001ff" = "SHARED"

[locks."lock.mdb"]
pid = "READER"
"""


def read(folder: Path, text: str) -> SuiteFile:
    (folder / "suite.toml").write_text(text)
    return suite_file(folder)


def test_what_it_says(tmp_path: Path) -> None:
    file = read(tmp_path, WHOLE)
    assert file.kit.name == "qemu"
    assert (file.needs, file.filters) == (("sqlite3", "qemu-img"), (("errno_names",),))
    assert file.environment == ("LANG",)
    one, two, three = file.programs.values()
    assert (one.command, one.variable) == (("../build/sqlite3", "-batch"), "SQLITE3_PROG")
    assert (one.version, one.where) == (("--version",), f"{tmp_path}/suite.toml:7")
    assert (two.command, two.variable) == (("pg_ctl", "-s"), "PG_CTL")
    assert two.version == "pg_config --version"
    assert (three.command, three.variable) == (("lockfile-create",), "LOCKFILE_CREATE_PROG")
    assert three.version == ("--version",)
    assert file.traits[0] == "musl"
    assert [(w.pattern, w.first, w.last, w.name) for w in file.locks] == [
        ("*.db", 0x40000000, 0x40000000, "PENDING"),
        ("*.db", 0x40000002, 0x400001FF, "SHARED"),
        ("lock.mdb", None, None, "READER"),
    ]


def test_a_mark_of_the_byte_order_is_no_part_of_it(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff[programs.git]").programs


def test_a_suite_without_one_is_of_plain_programs(tmp_path: Path) -> None:
    file = suite_file(tmp_path)
    assert (file.kit.name, file.program_names) == ("", ())
    assert file.known_needs == load("").needs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = ", ":1: invalid value"),
        (f"a = {'1' * 5000}", ": Exceeds the limit"),
        ("\na = 1 b", ":2: expected newline or end of document after a statement"),
        ('\nkti = "qemu"', ":2: unknown key 'kti'; did you mean 'kit'?"),
        (
            'kit = "qmeu"',
            ":1: unknown kit 'qmeu'; did you mean 'qemu'? There are: qemu, qemu_iotests",
        ),
        ("kit = 1", ":1: kit takes a name, such as 'qemu', not 1"),
        (
            'needs = ["git"]\n[programs.gti]',
            ":1: unknown word in needs: 'git'; did you mean 'gti'?",
        ),
        ('needs = "git"', ":1: needs takes a list of names"),
        (
            'filters = ["errno_name"]',
            ":1: filters: unknown filter 'errno_name'; did you mean 'errno_names'?",
        ),
        ('environment = ["a b"]', ":1: not the name of a variable: 'a b'"),
        ('environment = ["HOME"]', ":1: HOME is each case's own"),
        ("programs = 1", ":1: programs is a table, as in [programs]"),
        ("[programs]\ngit = 1", ":2: [programs.git] is a table, as in [programs.git]"),
        (
            '[programs."a b"]',
            ":1: the name of a program, 'a b', has letters, digits and . _ + -",
        ),
        ("[programs.faults]", ":1: the name of a program, 'faults', is taken"),
        (
            '[programs.git]\n[programs.dpkg]\ncomand = "git"',
            ":3: unknown key 'comand'; did you mean 'command'?",
        ),
        ("[programs.git]\ncommand = 1", ":2: command takes words: a string, or a list of strings"),
        ("[programs.git]\ncommand = []", ":2: command takes words: a string, or a list of strings"),
        ('[programs.git]\ncommand = ""', ":2: command takes words: a string, or a list of strings"),
        (
            '[programs.git]\ncommand = "it\'s"',
            ":2: command: no closing quotation; write it as for a shell",
        ),
        ('[programs.git]\nvariable = "1"', ":2: not the name of a variable: '1'"),
        ('[programs.git]\nvariable = "GOLDLOCK_X"', ":2: GOLDLOCK_X is each case's own"),
        (
            '[programs.a]\nvariable = "X"\n[programs.b]\nvariable = "X"',
            ":1: X names another program, too",
        ),
        ("[traits]\nmusl = 1", ":2: musl takes a command, as for a shell"),
        ('[traits]\n"a.b" = "x"', ":2: a trait's name has letters, digits, _ and -, not 'a.b'"),
        ('kit = "qemu"\n[traits]\nnone = "x"', ":3: the kit qemu has the trait 'none'"),
        ('[locks]\n"*.db" = 1', ':2: a table for each kind of file, as in [locks."*.db"]'),
        ('[locks."*.db"]\n1x = "A"', ":2: '1x' is no byte; as in 100, 0x64, 100-109, 100-, or pid"),
        ('[locks."*.db"]\n010 = "A"', ":2: '010' is no byte; as in 100, 0x64, 100-109, 100-, or"),
        (
            '[locks."*.db"]\n5-4 = "A"',
            ":2: '5-4': bytes are up to 9223372036854775807, the last not before the first",
        ),
        ('[locks."*.db"]\n5 = 1', ':2: a byte\'s name begins with a letter, as in 5 = "PENDING"'),
        ('[locks."*.db"]\n5 = "any"', ":2: 'any' means something else in a plan"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/suite.toml:")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
