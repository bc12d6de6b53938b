# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-nbd itself: what it serves on a socket is read and written by the real clients."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.embedded.programs import TIME_LIMIT, Outcome, command, environment, run

pytestmark = pytest.mark.real
Serve = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def serve(images: Path) -> Iterator[Serve]:
    """Return a function that starts our qemu-nbd and returns when clients can connect."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        os.mkfifo(images / "pid")
        start_words = ("-k", str(images / "sock"), "--pid-file", "pid", *words)
        process = subprocess.Popen(
            [*command("qemu-nbd", "ours"), *start_words], cwd=images, env=environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        assert (images / "pid").read_text() == f"{process.pid}\n"  # a fifo: this waits
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _client(images: Path, *words: str) -> Outcome:
    uri = f"nbd+unix:///?socket={images / 'sock'}"
    return run("qemu-io", "real", "-f", "raw", *words, uri, cwd=images)


def test_a_served_image_is_written_and_the_end_of_the_client_ends_it(
    serve: Serve, images: Path
) -> None:
    process = serve("-f", "qcow2", "t")
    outcome = _client(images, "-c", "read -P 3 64k 64k", "-c", "write -P 8 300k 5k")
    assert outcome.status == 0, outcome
    process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == 0
    assert run("qemu-io", "real", "-c", "read -P 8 300k 5k", "t", cwd=images).status == 0
    assert run("qemu-img", "real", "check", "t", cwd=images).status == 0


def test_a_persistent_server_outlives_its_clients_and_keeps_its_locks(
    serve: Serve, images: Path
) -> None:
    process = serve("--persistent", "-f", "qcow2", "t")
    for pattern in (5, 6):
        outcome = _client(images, "-c", f"write -P {pattern} 0 4k", "-c", f"read -P {pattern} 0 4k")
        assert outcome.status == 0, outcome
    assert process.poll() is None
    refused = run("qemu-io", "real", "-c", "quit", "t", cwd=images)
    assert refused.status == 1
    assert 'Failed to get "write" lock' in refused.stderr


def test_a_read_only_server_takes_no_writes_and_shares_with_readers(
    serve: Serve, images: Path
) -> None:
    serve("-t", "-r", "-f", "qcow2", "t")
    before = (images / "t").read_bytes()
    assert _client(images, "-r", "-c", "read -P 3 64k 64k").status == 0
    assert _client(images, "-c", "write 0 4k").status == 1
    assert run("qemu-io", "real", "-r", "-c", "quit", "t", cwd=images).status == 0
    assert (images / "t").read_bytes() == before


def test_a_served_image_is_compared_and_converted(serve: Serve, images: Path) -> None:
    serve("-t", "-r", "-f", "qcow2", "t")
    uri = f"nbd+unix:///?socket={images / 'sock'}"
    assert run("qemu-img", "real", "compare", "-f", "raw", uri, "t", cwd=images).status == 0
    words = ("convert", "-f", "raw", "-O", "qcow2", uri, "copy")
    assert run("qemu-img", "real", *words, cwd=images).status == 0
    assert run("qemu-img", "real", "compare", "copy", "t", cwd=images).status == 0
