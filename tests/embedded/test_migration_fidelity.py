# SPDX-License-Identifier: GPL-2.0-or-later
"""Images given up to another emulator and taken back: as the real one does it, byte by byte."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.embedded.programs import Holder, held_bytes, run

IMAGES = ("t", "base", "onraw", "raw", "other")
EVENTS = {
    "execute": "migrate-set-capabilities",
    "arguments": {"capabilities": [{"capability": "events", "state": True}]},
}
STATUS = {"execute": "query-status"}
MIGRATE = {"execute": "migrate", "arguments": {"uri": "exec:cat > sent"}}
HOLDERS = {
    "chain": ("-drive", "if=none,file=t,id=d"),
    "paused": ("-S", "-drive", "if=none,file=t,id=d"),
    "read-only, on raw": (
        *("-drive", "if=none,file=t,id=d", "-drive", "if=none,file=onraw,read-only=on"),
    ),
    "named": (
        *("-blockdev", "driver=file,filename=other,node-name=f"),
        *("-blockdev", "driver=qcow2,file=f,node-name=q"),
    ),
}


def _told(holder: Holder, command: object, until: str = "") -> list[str]:
    """Send a command; return its answer and the events, the answer first, up to one of a status."""
    assert holder.process.stdout is not None
    line = holder.say(json.dumps(command))
    answer, events = "", []
    while True:
        message = json.loads(line)
        if "event" in message:
            status = message.get("data", {}).get("status", "")
            if message["event"] != "MIGRATION_PASS":  # of the guest's memory: there is none
                events.append(f"{message['event']} {status}".rstrip())
        else:
            answer = line
        if answer and (not until or f"MIGRATION {until}" in events):
            return [answer, *sorted(events)]
        line = holder.process.stdout.readline().decode()


def _held(folder: Path) -> dict[str, list[str]]:
    return {name: held_bytes(folder / name) for name in IMAGES}


def _migrated(holder: Holder) -> Iterable[object]:
    """Negotiate, migrate, and yield what was told."""
    yield _told(holder, {"execute": "qmp_capabilities"})
    yield _told(holder, EVENTS)
    yield _told(holder, MIGRATE, "completed")
    # QEMU says so some instructions before it is so, and then nothing more: ask until it is.
    while '"finish-migrate"' in (status := _told(holder, STATUS)[0]):
        pass
    yield status


@pytest.mark.real
@pytest.mark.parametrize("what", HOLDERS)
def test_a_migration_gives_up_what_the_real_one_does_and_takes_it_back(
    what: str, images: Path
) -> None:
    found = {}
    for kind in ("real", "ours"):
        holder = Holder(kind, *HOLDERS[what], cwd=images)
        seen: list[object] = [_held(images), *_migrated(holder), _held(images)]
        seen += [_told(holder, MIGRATE), _told(holder, {"execute": "cont"}), _held(images)]
        seen += [_told(holder, STATUS)]
        assert holder.quit() == 0
        found[kind] = seen
    assert found["ours"] == found["real"]


@pytest.mark.real
@pytest.mark.parametrize("kind", ["real", "ours"])
def test_what_another_has_taken_meanwhile_is_not_had_back(kind: str, images: Path) -> None:
    """The other one writes; the first goes on when it has gone, and reads what was written."""
    other = "ours" if kind == "real" else "real"
    holder = Holder(kind, *HOLDERS["chain"], cwd=images)
    assert list(_migrated(holder))
    taker = Holder(other, *HOLDERS["chain"], cwd=images)
    refused = _told(holder, {"execute": "cont"})
    assert len(refused) == 1
    assert 'Failed to get \\"write\\" lock' in refused[0]
    assert taker.quit() == 0
    assert run("qemu-io", other, "-c", "write -P 9 0 64k", "t", cwd=images).status == 0
    assert _told(holder, {"execute": "cont"})[1:] == ["RESUME"]
    assert run("qemu-io", other, "-c", "quit", "t", cwd=images).status == 1
    assert holder.quit() == 0
    for checker in ("real", "ours"):
        assert run("qemu-img", checker, "check", "t", cwd=images).status == 0
    read = run("qemu-io", "real", "-c", "read -P 9 0 64k", "t", cwd=images)
    assert read.status == 0
    assert "Pattern verification failed" not in read.stdout


@pytest.mark.parametrize("uri", ["tcp:localhost:1", "unix:/x", "fd:5"])
def test_another_way_to_migrate_is_refused_by_name(uri: str, images: Path) -> None:
    holder = Holder("ours", *HOLDERS["chain"], cwd=images)
    before = _held(images)
    _told(holder, {"execute": "qmp_capabilities"})
    answer = _told(holder, {"execute": "migrate", "arguments": {"uri": uri}})[0]
    assert f"Migration to '{uri}' is not served by the embedded programs" in answer
    assert _held(images) == before
    assert holder.quit() == 0
