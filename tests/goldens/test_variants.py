# SPDX-License-Identifier: GPL-2.0-or-later
"""A variant has the sections that differ; for each, the first trait that has it counts."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from goldlock.goldens import variants
from goldlock.goldens.compare import to_lines
from goldlock.goldens.golden import GoldenError
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT, MakeSuite, RunTests

PLAIN = "before\n== one ==\n1\n== two ==\n2\n== one ==\n11\n== three ==\n3\n"


def made(folder: Path, texts: Mapping[str, str], *traits: str) -> variants.Golden:
    """Write goldens of case 1 by their traits, "" for none, and load what counts for *traits*."""
    for trait, text in texts.items():
        (folder / (f"1.{trait}.out" if trait else "1.out")).write_text(text)
    return variants.load(variants.files(folder, "1", traits))


@pytest.mark.parametrize(
    ("variant", "counts"),
    [
        ("", PLAIN),
        ("== two ==\n22\n", PLAIN.replace("\n2\n", "\n22\n")),
        ("other\n== three ==\n", PLAIN.replace("before", "other").removesuffix("3\n")),
        ("== one ==\na\n== one ==\nb\n",
         PLAIN.replace("\n1\n", "\na\n").replace("\n11\n", "\nb\n")),
        ("== one ==\na\n", PLAIN.replace("\n1\n", "\na\n").replace("== one ==\n11\n", "")),
        ("== one ==\na\n== one ==\nb\n== one ==\nc\n== three ==\n3\n",
         "before\n== one ==\na\n== two ==\n2\n== one ==\nb\n== one ==\nc\n== three ==\n3\n"),
        ("== two ==\n2\n== new ==\n4\n", PLAIN.replace("\n2\n", "\n2\n== new ==\n4\n")),
        ("== new ==\n4\n", f"== new ==\n4\n{PLAIN}"),
    ],
)  # fmt: skip
def test_the_sections_of_a_variant_count(tmp_path: Path, variant: str, counts: str) -> None:
    assert made(tmp_path, {"": PLAIN, "a": variant}, "a").lines == to_lines(counts)


def test_for_each_section_the_first_trait_that_has_it_counts(tmp_path: Path) -> None:
    texts = {"": PLAIN, "a": "== two ==\na\n", "b": "== two ==\nb\n== three ==\nb\n", "c": ""}
    wanted = PLAIN.replace("\n2\n", "\na\n").replace("\n3\n", "\nb\n")
    assert made(tmp_path, texts, "a", "b").lines == to_lines(wanted)
    assert made(tmp_path, texts, "none of them").lines == to_lines(PLAIN)


def test_each_line_has_its_place(tmp_path: Path) -> None:
    golden = made(tmp_path, {"": PLAIN, "a": "== two ==\nx\ny\n"}, "a")
    places = [f"{path.name}:{number}" for path, number in map(golden.place, range(9))]
    names = ["1.out:1", "1.out:2", "1.out:3", "1.a.out:1", "1.a.out:2", "1.a.out:3", "1.out:6"]
    assert places == [*names, "1.out:7", "1.out:8"]


Titled = list[tuple[str, str]]
SECTIONS = st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from("123")), max_size=6)


def text(sections: Titled) -> str:
    return "".join(f"== {title} ==\n{line}\n" for title, line in sections)


@given(plain=SECTIONS, output=SECTIONS)
def test_what_is_written_for_an_output_makes_it_count(
    tmp_path_factory: pytest.TempPathFactory,
    plain: list[tuple[str, str]],
    output: list[tuple[str, str]],
) -> None:
    folder = tmp_path_factory.mktemp("goldens")
    (folder / "1.out").write_text(text(plain))
    files = variants.files(folder, "1", (), "a")
    try:
        written = variants.load(files).text(text(output))
    except GoldenError:
        lacking = {title for title, _ in plain} - {title for title, _ in output}
        assert lacking or [t for t, _ in plain] != [t for t, _ in output]
        return
    if written:  # else there is none
        (folder / "1.a.out").write_text(written)
    golden = variants.load(files)
    assert golden.lines == to_lines(text(output))
    assert not golden.stale


def test_a_section_that_only_a_variant_has(tmp_path: Path) -> None:
    (tmp_path / "1.out").write_text("== a ==\n1\n== b ==\n2\n")
    files = variants.files(tmp_path, "1", (), "x")
    output = "== a ==\n1\n== new ==\n3\n== b ==\n2\n"
    written = variants.load(files).text(output)
    assert written == "== a ==\n1\n== new ==\n3\n"
    files[0].write_text(written)
    golden = variants.load(files)
    assert (golden.lines, golden.stale) == (to_lines(output), [])


def test_what_is_right_for_one_trait_is_not_written_for_another(tmp_path: Path) -> None:
    for name in ("1.out", "1.elided.out", "2.out"):
        (tmp_path / name).write_text("a\n")

    def names(number: str, *traits: str) -> list[str]:
        return [path.name for path in variants.files(tmp_path, number, traits, writing=True)]

    assert names("1", "none", "elided") == ["1.none.out", "1.elided.out", "1.out"]
    assert names("1", "elided") == ["1.elided.out", "1.out"]
    assert names("1", "errno") == ["1.out"]
    assert names("2", "none", "elided") == ["2.out"]


@pytest.mark.parametrize("traits", [("errno",), ("elided",), ("none", "elided")])
def test_no_variant_of_ours_is_stale(traits: tuple[str, ...]) -> None:
    expected = ROOT / "expected"
    numbers = {path.name.partition(".")[0] for path in expected.glob("*.out")}
    for number in sorted(numbers):
        assert not variants.load(variants.files(expected, number, traits)).stale


CASE = """#!/bin/sh
# needs: qemu-img
printf '== a ==\\n1\\n== b ==\\n%s\\n' "$("$QEMU_IMG_PROG" b)"
"""


@pytest.fixture
def options(suite: MakeSuite, tmp_path: Path) -> list[str]:
    """A case for a qemu-img that says no errno, with a golden for one that does."""
    suite.case("1", CASE, golden="== a ==\n1\n== b ==\n2\n")
    program = tmp_path / "qemu-img"
    program.write_text(
        '#!/bin/sh\n[ $1 = map ] && echo \'x: Failed to get "write" lock\' || echo "${SAYS:-3}"\n'
    )
    program.chmod(0o755)
    return ["--suite", str(suite.root), "--build", str(tmp_path)]


def test_update_keeps_a_variant_to_what_differs(
    run_tests: RunTests, suite: MakeSuite, options: list[str], tmp_path: Path
) -> None:
    variant = suite.root / "expected" / "1.elided.out"
    assert run_tests(*options).returncode == 1
    assert run_tests(*options, "--update", "--variant", "elided").returncode == 0
    assert variant.read_text() == "== b ==\n3\n"
    assert "2 sections, 1.elided.out" in run_tests(*options).stdout

    variant.write_text("== a ==\n1\n== b ==\n4\n")
    done = run_tests(*options)
    assert f"{variant}:1: this section says nothing that is not said in 1.out" in done.stdout
    assert f"{variant}:4: the output differs from the golden" in done.stdout
    assert run_tests(*options, "--update").returncode == 0
    assert variant.read_text() == "== b ==\n3\n"

    (suite.root / "expected" / "1.out").write_text("== a ==\n1\n== b ==\n3\n")
    assert run_tests(*options, "--update").returncode == 0
    assert not variant.exists()


def test_a_variant_needs_a_golden(
    run_tests: RunTests, suite: MakeSuite, options: list[str], tmp_path: Path
) -> None:
    plain = suite.root / "expected" / "1.out"
    plain.unlink()
    done = run_tests(*options, "--update", "--variant", "elided")
    assert f"{plain}: there is no golden; a variant has what differs from it" in done.stdout
    assert done.returncode == 1
