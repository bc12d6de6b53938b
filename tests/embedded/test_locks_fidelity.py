# SPDX-License-Identifier: GPL-2.0-or-later
"""The same locks on the same bytes, in the same order, as the real programs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.embedded.conftest import make_images
from tests.embedded.programs import QUIET, Holder, held_bytes, lock_trace, run

pytestmark = pytest.mark.real

# program, words, standard input; `t` is an overlay on `base`, both qcow2.
SYSTEM = "qemu-system-x86_64"
DISK = ("-device", "virtio-blk,drive=d")
# Test 182's way: an overlay makes its node read-only, an export takes permissions.
REOPENING = """\
{'execute':'qmp_capabilities'}
{'execute':'blockdev-add','arguments':{'node-name':'n0','driver':'file','filename':'t'}}
{'execute':'blockdev-snapshot-sync','arguments':{
    'node-name':'n0','snapshot-file':'ov','snapshot-node-name':'n1'}}
{'execute':'blockdev-add','arguments':{'node-name':'n1','driver':'file','filename':'t'}}
{'execute':'nbd-server-start','arguments':{'addr':{'type':'unix','data':{'path':'nbd.sock'}}}}
{'execute':'nbd-server-add','arguments':{'device':'n1'}}
{'execute':'quit'}
"""
SNAPSHOT = """\
{'execute':'qmp_capabilities'}
{'execute':'blockdev-snapshot-sync','arguments':{'device':'d','snapshot-file':'ov'}}
{'execute':'human-monitor-command','arguments':{'command-line':'drive_del d'}}
{'execute':'quit'}
"""
NODES = """\
{'execute':'qmp_capabilities'}
{'execute':'blockdev-add','arguments':{'node-name':'f','driver':'file','filename':'other'}}
{'execute':'blockdev-add','arguments':{'node-name':'q','driver':'qcow2','file':'f'}}
{'execute':'blockdev-reopen','arguments':{'options':[
    {'node-name':'q','driver':'qcow2','file':'f','read-only':true}]}}
{'execute':'blockdev-del','arguments':{'node-name':'q'}}
{'execute':'blockdev-del','arguments':{'node-name':'f'}}
{'execute':'quit'}
"""
TRACED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("qemu-io", ("-c", "read 0 512", "t"), ""),
    ("qemu-io", ("-c", "write 0 512", "t"), ""),
    ("qemu-io", ("-r", "-c", "read 0 512", "t"), ""),
    ("qemu-io", ("-r", "-U", "-c", "read 0 512", "t"), ""),
    ("qemu-io", ("-c", "open t", "-c", "read 0 512"), ""),
    ("qemu-io", ("-c", "open -r t", "-c", "read 0 512", "-c", "close"), ""),
    ("qemu-io", ("-f", "raw", "-c", "truncate 2M", "raw"), ""),
    ("qemu-io", ("-r", "-f", "raw", "-c", "write 0 512", "raw"), ""),
    ("qemu-io", ("-c", "reopen -r", "-c", "reopen -w", "t"), ""),
    ("qemu-io", ("-c", "reopen", "-c", "reopen -w", "-c", "reopen -r", "t"), ""),
    ("qemu-io", ("-r", "-c", "reopen", "-c", "reopen -r", "t"), ""),
    ("qemu-io", ("-f", "raw", "-c", "reopen", "raw"), ""),
    ("qemu-io", ("-c", "reopen -w", "onraw"), ""),
    ("qemu-img", ("info", "t"), ""),
    ("qemu-img", ("info", "-U", "t"), ""),
    ("qemu-img", ("info", "--backing-chain", "t"), ""),
    ("qemu-img", ("check", "t"), ""),
    ("qemu-img", ("check", "-U", "t"), ""),
    ("qemu-img", ("compare", "t", "t"), ""),
    ("qemu-img", ("compare", "-U", "t", "base"), ""),
    ("qemu-img", ("map", "t"), ""),
    ("qemu-img", ("map", "-U", "t"), ""),
    ("qemu-img", ("amend", "-o", "size=4M", "t"), ""),
    ("qemu-img", ("commit", "t"), ""),
    ("qemu-img", ("commit", "-d", "t"), ""),
    ("qemu-img", ("commit", "onraw"), ""),
    ("qemu-img", ("resize", "t", "8M"), ""),
    ("qemu-img", ("resize", "-f", "raw", "raw", "2M"), ""),
    ("qemu-img", ("rebase", "-b", "base", "-F", "qcow2", "t"), ""),
    ("qemu-img", ("rebase", "-u", "-b", "other", "-F", "qcow2", "t"), ""),
    ("qemu-img", ("rebase", "-b", "other", "-F", "qcow2", "t"), ""),
    ("qemu-img", ("rebase", "-b", "", "t"), ""),
    ("qemu-img", ("snapshot", "-l", "t"), ""),
    ("qemu-img", ("snapshot", "-l", "-U", "t"), ""),
    ("qemu-img", ("convert", "t", "new"), ""),
    ("qemu-img", ("convert", "-U", "t", "new"), ""),
    ("qemu-img", ("convert", "-O", "qcow2", "t", "new"), ""),
    ("qemu-img", ("convert", "-f", "raw", "-O", "raw", "raw", "new"), ""),
    ("qemu-img", ("convert", "-n", "-O", "qcow2", "base", "t"), ""),
    ("qemu-img", ("dd", "if=t", "of=new", "bs=512", "count=1"), ""),
    ("qemu-img", ("bench", "-c", "1", "t"), ""),
    ("qemu-img", ("bench", "-U", "-c", "1", "t"), ""),
    ("qemu-img", ("bench", "-w", "-c", "1", "t"), ""),
    ("qemu-img", ("create", "-f", "qcow2", "new", "1M"), ""),
    ("qemu-img", ("create", "-f", "qcow2", "-b", "base", "-F", "qcow2", "new"), ""),
    ("qemu-img", ("create", "-f", "qcow2", "-u", "-b", "base", "-F", "qcow2", "new", "1M"), ""),
    ("qemu-img", ("create", "-f", "qcow2", "-b", "base", "-F", "qcow2", "t"), ""),
    ("qemu-img", ("create", "-f", "raw", "new", "1M"), ""),
    (SYSTEM, ("-drive", "if=none,file=t"), "quit\n"),
    (SYSTEM, ("-drive", "if=none,file=t,read-only=on"), "quit\n"),
    (SYSTEM, ("-drive", "if=none,file=t,read-only=on,force-share=on"), "quit\n"),
    (SYSTEM, ("-drive", "if=none,file=t,file.locking=off"), "quit\n"),
    (SYSTEM, ("-drive", "if=none,file=raw,format=raw"), "quit\n"),
    (SYSTEM, ("-drive", "if=none,file=onraw"), "quit\n"),
    (SYSTEM, ("-drive", "if=none,file=t", "-drive", "if=none,file=t"), "quit\n"),
    (SYSTEM, ("-drive", "if=none,file=t,readonly=on", "-drive", "if=none,file=t"), "quit\n"),
    (SYSTEM, ("-drive", "if=none,file=t", "-drive", "if=none,file=base"), "quit\n"),
    (SYSTEM, ("-drive", "file=t,if=none,id=d,file.locking=on", *DISK), "info block\nquit\n"),
    (SYSTEM, ("-drive", "file=onraw,if=none,id=d", *DISK), "quit\n"),
    (SYSTEM, ("-drive", "file=raw,format=raw,if=none,id=d", *DISK), "quit\n"),
    (SYSTEM, ("-drive", "file=raw,format=raw,if=none,id=d,read-only=on", *DISK), "quit\n"),
    (SYSTEM, ("-drive", "file=raw,format=raw,if=none,media=cdrom"), "quit\n"),
    (SYSTEM, ("-drive", "file=t,if=none,id=d", "-device", "ide-cd,drive=d"), "quit\n"),
    (SYSTEM, ("-qmp", "stdio"), REOPENING),
    (SYSTEM, ("-qmp", "stdio"), NODES),
    (SYSTEM, ("-qmp", "stdio", "-drive", "file=t,if=none,id=d"), SNAPSHOT),
    (SYSTEM, (), "drive_add 0 if=none,id=d,file=t\ndrive_del d\nquit\n"),
)


def _started(program: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words with what a system emulator needs: a PCI bus only for a device."""
    if program != SYSTEM:
        return words
    quiet = QUIET[:3] if "-device" in words else QUIET
    return (*quiet, *(() if "-qmp" in words else ("-monitor", "stdio")), *words)


@pytest.mark.strace
@pytest.mark.parametrize(
    ("program", "words", "stdin"), TRACED, ids=[f"{p} {' '.join(w)}" for p, w, _ in TRACED]
)
def test_the_lock_calls_are_those_of_the_real_program(
    program: str, words: tuple[str, ...], stdin: str, tmp_path: Path
) -> None:
    traces = {}
    for kind in ("real", "ours"):
        folder = tmp_path / kind
        folder.mkdir()
        make_images(folder)
        traces[kind] = lock_trace(program, kind, *_started(program, words), cwd=folder, stdin=stdin)
    assert traces["ours"] == traces["real"]


DRIVES = {
    "read-write": ("-drive", "if=none,file=t"),
    "read-only": ("-drive", "if=none,file=t,read-only=on"),
    "force-share": ("-drive", "if=none,file=t,read-only=on,force-share=on"),
    "over raw": ("-drive", "if=none,file=onraw"),
    "node": ("-blockdev", "driver=file,node-name=f,filename=t"),
}


@pytest.mark.parametrize("drive", DRIVES)
def test_a_waiting_holder_holds_the_same_bytes(drive: str, images: Path) -> None:
    held = {}
    for kind in ("real", "ours"):
        holder = Holder(kind, *DRIVES[drive], cwd=images)
        held[kind] = {name: held_bytes(images / name) for name in ("t", "base", "onraw", "raw")}
        assert holder.quit() == 0
    assert held["ours"] == held["real"]


CONTENDERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("qemu-io", ("-c", "read 0 512", "t")),
    ("qemu-io", ("-r", "-c", "read 0 512", "t")),
    ("qemu-io", ("-U", "-r", "-c", "read 0 512", "t")),
    ("qemu-io", ("-c", "open t", "-c", "read 0 512")),
    ("qemu-io", ("-c", "open -r -U t", "-c", "read 0 512")),
    ("qemu-img", ("info", "t")),
    ("qemu-img", ("info", "-U", "t")),
    ("qemu-img", ("check", "t")),
    ("qemu-img", ("check", "-U", "t")),
    ("qemu-img", ("compare", "t", "t")),
    ("qemu-img", ("compare", "-U", "t", "t")),
    ("qemu-img", ("map", "t")),
    ("qemu-img", ("map", "-U", "t")),
    ("qemu-img", ("amend", "-o", "size=4M", "t")),
    ("qemu-img", ("amend", "-o", "size=4M", "-U", "t")),
    ("qemu-img", ("commit", "t")),
    ("qemu-img", ("commit", "-U", "t")),
    ("qemu-img", ("resize", "t", "4M")),
    ("qemu-img", ("rebase", "t", "-b", "base", "-F", "qcow2")),
    ("qemu-img", ("rebase", "-U", "t", "-b", "base", "-F", "qcow2")),
    ("qemu-img", ("snapshot", "-l", "t")),
    ("qemu-img", ("snapshot", "-l", "-U", "t")),
    ("qemu-img", ("convert", "t", "new")),
    ("qemu-img", ("convert", "-U", "t", "new")),
    ("qemu-img", ("dd", "if=t", "of=new", "bs=512", "count=1")),
    ("qemu-img", ("dd", "-U", "if=t", "of=new", "bs=512", "count=1")),
    ("qemu-img", ("bench", "-c", "1", "t")),
    ("qemu-img", ("bench", "-U", "-c", "1", "t")),
    ("qemu-img", ("bench", "-w", "-c", "1", "t")),
    ("qemu-img", ("bench", "-U", "-w", "-c", "1", "t")),
    ("qemu-img", ("create", "-f", "qcow2", "t", "-b", "base", "-F", "qcow2")),
    (SYSTEM, ("-drive", "file=t,if=none")),
    (SYSTEM, ("-drive", "file=t,if=none,read-only=on")),
    (SYSTEM, ("-drive", "file=t,if=none,read-only=on,force-share=on")),
)


@pytest.mark.parametrize("drive", ["read-write", "read-only", "force-share"])
def test_mixed_pairs_give_the_verdict_of_two_real_programs(
    drive: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    verdicts: dict[tuple[str, str], list[object]] = {}
    for pair in (("real", "real"), ("real", "ours"), ("ours", "real"), ("ours", "ours")):
        folder = tmp_path / "-".join(pair)
        folder.mkdir()
        make_images(folder)
        holder = Holder(pair[0], *DRIVES[drive], cwd=folder)
        found: list[object] = []
        for program, words in CONTENDERS:
            before = (*QUIET, "-monitor", "stdio") if program == SYSTEM else ()
            outcome = run(program, pair[1], *before, *words, cwd=folder, stdin="quit\n")
            found.append((program, words, outcome.status, outcome.stderr))
        verdicts[pair] = found
        assert holder.quit() == 0
    assert verdicts["real", "ours"] == verdicts["real", "real"]
    assert verdicts["ours", "real"] == verdicts["real", "real"]
    assert verdicts["ours", "ours"] == verdicts["real", "real"]
    record_property("pairs", 3 * len(CONTENDERS))


@pytest.mark.parametrize("kind", ["real", "ours"])
def test_a_killed_holder_frees_its_locks_for_the_other_kind(kind: str, images: Path) -> None:
    holder = Holder(kind, *DRIVES["read-write"], cwd=images)
    other = "ours" if kind == "real" else "real"
    assert run("qemu-img", other, "check", "t", cwd=images).status == 1
    holder.kill()
    assert held_bytes(images / "t") == []
    assert run("qemu-img", other, "check", "t", cwd=images).status == 0
