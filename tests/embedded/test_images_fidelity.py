# SPDX-License-Identifier: GPL-2.0-or-later
"""Guest bytes written through one program are read through the other; metadata stays sound."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.embedded.programs import Holder, run

pytestmark = pytest.mark.real

SIZE = 2 << 20
_OFFSETS = st.integers(0, SIZE // 512 - 1).map(lambda sector: sector * 512)
_WRITES = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "write", "zero", "unmap", "discard"]),
        _OFFSETS | st.integers(0, SIZE - 1),
        st.integers(1, 200_000),
        st.integers(1, 255),
    ),
    min_size=1,
    max_size=8,
)
_LOOK = settings(
    max_examples=7, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def _command(kind: str, offset: int, length: int, pattern: int) -> str:
    length = min(length, SIZE - offset)
    if kind == "write":
        return f"write -q -P {pattern} {offset} {length}"
    return f"{ {'zero': 'write -q -z', 'unmap': 'write -q -zu', 'discard': 'discard -q'}[kind] } " \
           f"{offset} {length}"  # fmt: skip


def _write(kind: str, folder: Path, image: str, writes: list[tuple[str, int, int, int]]) -> None:
    words = [word for write in writes for word in ("-c", _command(*write))]
    outcome = run("qemu-io", kind, "-f", "qcow2", *words, image, cwd=folder)
    assert outcome.status == 0, outcome


@pytest.mark.parametrize("cluster", [512, 4096, 65536])
@_LOOK
@given(below=_WRITES, above=_WRITES, again=_WRITES)
def test_what_one_writes_the_other_reads(
    cluster: int,
    below: list[tuple[str, int, int, int]],
    above: list[tuple[str, int, int, int]],
    again: list[tuple[str, int, int, int]],
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        layout = f"cluster_size={cluster}"
        create = ("create", "-q", "-f", "qcow2", "-o", layout)
        for kind, other in (("real", "ours"), ("ours", "real")):
            base, top = f"base.{kind}", f"top.{kind}"
            assert run("qemu-img", kind, *create, base, str(SIZE), cwd=folder).status == 0
            _write(kind, folder, base, below)
            words = (*create, "-b", base, "-F", "qcow2", top)
            assert run("qemu-img", other, *words, cwd=folder).status == 0
            _write(kind, folder, top, above)
            _write(other, folder, top, again)
            for checker in ("real", "ours"):
                outcome = run("qemu-img", checker, "check", top, cwd=folder)
                assert outcome.status == 0, outcome
        for comparer in ("real", "ours"):
            words = ("compare", "top.real", "top.ours")
            outcome = run("qemu-img", comparer, *words, cwd=folder)
            assert outcome.status == 0, outcome
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("commands", range(0, 12, 3))
def test_a_writer_killed_at_any_moment_leaves_an_image_that_can_be_repaired(
    commands: int, images: Path
) -> None:
    """The writer is killed as soon as it has said that so many of its writes are done."""
    import subprocess

    from tests.embedded.programs import command, environment

    writer = subprocess.Popen(
        [*command("qemu-io", "ours"), "t"], cwd=images, env=environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert writer.stdin is not None
    assert writer.stdout is not None
    lines = [f"write -P 7 {n * 130}k 100k\n" for n in range(30)]
    writer.stdin.write("".join(lines).encode())
    writer.stdin.flush()
    for _ in range(commands):
        writer.stdout.readline()
    writer.kill()
    writer.communicate()
    outcome = run("qemu-img", "real", "check", "-r", "all", "t", cwd=images)
    assert outcome.status == 0, outcome
    assert "corruptions" not in outcome.stdout or "    0 corruptions" in outcome.stdout


def test_a_running_holder_s_writes_are_seen_after_it_was_killed(images: Path) -> None:
    holder = Holder("ours", "-drive", "if=none,file=t", cwd=images)
    holder.kill()
    assert run("qemu-img", "real", "check", "t", cwd=images).status == 0
