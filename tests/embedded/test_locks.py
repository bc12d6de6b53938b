# SPDX-License-Identifier: GPL-2.0-or-later
"""The six places where a lock call can fail, under both errno policies, without real QEMU."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from goldlock.embedded.block import locks
from goldlock.embedded.block.locks import ALL, CONSISTENT_READ, RESIZE, WRITE, ImageLocks
from goldlock.embedded.common.report import ERRNO_POLICY_VARIABLE, BlockError

SETLK, GETLK = 37, 36
Fail = Callable[[int, int, int, int], None]


@pytest.fixture
def descriptor(tmp_path: Path) -> int:
    path = tmp_path / "image"
    path.write_bytes(bytes(512))
    return os.open(path, os.O_RDWR)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Let one lock call fail: command, kind of lock, byte, errno."""
    real = locks.fcntl.fcntl

    def install(call: int, kind: int, byte: int, code: int) -> None:
        def fcntl(fd: int, command: int, argument: bytes) -> bytes:
            found, _, start, _, _ = locks._FLOCK.unpack(argument)
            if (command, found, start) == (call, kind, byte):
                raise OSError(code, os.strerror(code))
            return real(fd, command, argument)

        monkeypatch.setattr(locks.fcntl, "fcntl", fcntl)

    return install


READ, UNLOCK, WRITE_LOCK = locks.fcntl.F_RDLCK, locks.fcntl.F_UNLCK, locks.fcntl.F_WRLCK


@pytest.mark.parametrize("policy", ["errno", "elided", "none"])
@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EACCES, errno.ENOLCK])
@pytest.mark.parametrize(
    ("call", "byte", "message"),
    [
        (SETLK, 101, "Failed to lock byte 101"),
        (SETLK, 203, "Failed to lock byte 203"),
        (GETLK, 201, 'Failed to get "write" lock'),
        (GETLK, 103, 'Failed to get shared "resize" lock'),
    ],
)
def test_a_failed_lock_or_test_is_reported_and_rolled_back(  # noqa: PLR0917 - fixtures
    call: int, byte: int, message: str, code: int, policy: str,
    descriptor: int, fail: Fail, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(ERRNO_POLICY_VARIABLE, policy)
    fail(call, READ if call == SETLK else WRITE_LOCK, byte, code)
    held = ImageLocks()
    with pytest.raises(BlockError) as failure:
        held.prepare(descriptor, CONSISTENT_READ | WRITE, ALL & ~RESIZE, "image")
    elided = policy == "none" or (policy == "elided" and code != errno.ENOLCK)
    assert failure.value.message == (message if elided else f"{message}: {os.strerror(code)}")
    hint = "Is another process using the image [image]?\n" if call == GETLK else ""
    assert failure.value.hint == hint
    assert (held._used.held, held._unshared.held) == (0, 0)


@pytest.mark.parametrize("policy", ["errno", "elided", "none"])
@pytest.mark.parametrize("byte", [101, 203])
def test_a_failed_unlock_is_a_warning_with_its_errno_but_under_the_policy_none(  # noqa: PLR0917
    byte: int, policy: str, descriptor: int, fail: Fail,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv(ERRNO_POLICY_VARIABLE, policy)
    held = ImageLocks()
    held.prepare(descriptor, CONSISTENT_READ | WRITE, ALL & ~RESIZE, "image")
    held.commit(descriptor, CONSISTENT_READ | WRITE, ALL & ~RESIZE)
    fail(SETLK, UNLOCK, byte, errno.EAGAIN)
    held.commit(descriptor, 0, ALL)
    text = "" if policy == "none" else f": {os.strerror(errno.EAGAIN)}"
    assert f"warning: Failed to unlock byte {byte}{text}\n" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["auto", "on", "off"])
def test_without_ofd_locks_auto_is_silent_and_on_warns(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(locks, "_ofd_available", False)
    assert locks.locking_wanted(option) == (option == "on")
    assert ("falling back to POSIX" in capsys.readouterr().err) == (option == "on")
