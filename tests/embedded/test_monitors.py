# SPDX-License-Identifier: GPL-2.0-or-later
"""The monitors, spoken to by a client that is not ours."""

import asyncio
import contextlib
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.embedded.programs import (
    HAVE_REAL,
    QUIET,
    Holder,
    command,
    environment,
    held_bytes,
    run,
)

qmp = pytest.importorskip("qemu.qmp")


def test_the_public_client_negotiates_commands_errors_and_events(images: Path) -> None:
    async def talk() -> None:
        path = str(images / "qmp.sock")
        server = socket.socket(socket.AF_UNIX)
        server.close()
        client = qmp.QMPClient("goldlock")
        await client.start_server(path)
        process = await asyncio.create_subprocess_exec(
            *command("qemu-system-x86_64", "ours"), *QUIET,
            "-drive", "if=none,id=d0,file=t", "-chardev", f"socket,id=m,path={path}",
            "-mon", "chardev=m,mode=control", cwd=images, env=environment(),
        )  # fmt: skip
        try:
            await client.accept()
            assert (await client.execute("query-status"))["status"] == "running"
            blocks = await client.execute("query-block")
            assert blocks[0]["inserted"]["image"]["virtual-size"] == 4 << 20
            node = {"driver": "file", "node-name": "f", "filename": str(images / "raw")}
            assert await client.execute("blockdev-add", node) == {}
            with pytest.raises(qmp.qmp_client.ExecuteError) as refused:
                await client.execute("blockdev-add", node)
            assert str(refused.value) == "Duplicate nodes with node-name='f'"
            with pytest.raises(qmp.qmp_client.ExecuteError) as unknown:
                await client.execute("no-such-command")
            assert unknown.value.error.error.class_ == "CommandNotFound"
            assert await client.execute("blockdev-del", {"node-name": "f"}) == {}
            with client.listener("SHUTDOWN") as events:
                await client.execute("quit")
                assert (await events.get())["data"]["reason"] == "host-qmp-quit"
            assert await process.wait() == 0
            with contextlib.suppress(EOFError):  # the server has hung up first
                await client.disconnect()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # only where the talk above has failed is it still there

    asyncio.run(asyncio.wait_for(talk(), 20))


@pytest.mark.skipif(not HAVE_REAL, reason="needs Debian's qemu-utils")
def test_a_client_of_an_export_is_refused_by_name_and_does_not_wait(images: Path) -> None:
    holder = Holder("ours", "-drive", "if=none,id=d0,file=t", cwd=images)
    holder.say("{'execute':'qmp_capabilities'}")
    path = images / "nbd.sock"
    address = f"{{'type':'unix','data':{{'path':'{path}'}}}}"
    start = f"{{'execute':'nbd-server-start','arguments':{{'addr':{address}}}}}"
    assert holder.say(start) == '{"return": {}}\r\n'
    add = "{'execute':'nbd-server-add','arguments':{'device':'d0','writable':true}}"
    assert holder.say(add) == '{"return": {}}\r\n'
    outcome = run("qemu-io", "real", "-c", "quit", f"nbd+unix:///d0?socket={path}", cwd=images)
    assert outcome.status == 1
    quit_lines = b"{'execute':'quit'}\n"
    _, stderr = holder.process.communicate(quit_lines, timeout=120)
    assert b"A client of the NBD server is not served by the embedded programs" in stderr
    assert holder.process.returncode == 0


@pytest.mark.parametrize("program", ["qemu-img", "qemu-io", "qemu-system-x86_64"])
def test_help_tells_what_is_not_served(program: str, tmp_path: Path) -> None:
    outcome = run(program, "ours", "--help", cwd=tmp_path)
    assert outcome.status == 0
    assert "not served by the" in outcome.stdout


@pytest.mark.parametrize(
    ("program", "words", "named"),
    [
        ("qemu-img", ("bitmap", "--add", "x", "y"), "bitmap"),
        ("qemu-img", ("convert", "-l", "x", "t", "new"), "-l"),
        ("qemu-img", ("create", "-f", "vmdk", "new", "1M"), "vmdk"),
        ("qemu-img", ("create", "-f", "qcow2", "-o", "extended_l2=on", "new", "1M"), "extended_l2"),
        ("qemu-img", ("info", "--object", "secret,id=x", "t"), "--object"),
        ("qemu-img", ("info", "nbd://localhost"), "nbd"),
        ("qemu-io", ("-s", "t"), "-s"),
        ("qemu-system-x86_64", ("-daemonize",), "-daemonize"),
        ("qemu-system-x86_64", ("-incoming", "x"), "-incoming"),
    ],
)
def test_what_is_not_served_is_refused_by_name(
    program: str, words: tuple[str, ...], named: str, images: Path
) -> None:
    outcome = run(program, "ours", *words, cwd=images)
    assert outcome.status == 1
    assert "not served" in outcome.stderr
    assert named in outcome.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_emulator_as_quit_does(number: signal.Signals, images: Path) -> None:
    holder = Holder("ours", "-drive", "if=none,id=d0,file=t", cwd=images)
    holder.say("{'execute':'qmp_capabilities'}")
    holder.process.send_signal(number)
    stdout, stderr = holder.process.communicate(timeout=120)
    assert b'"SHUTDOWN", "data": {"guest": false, "reason": "host-signal"}' in stdout
    assert stderr == b"qemu-system-x86_64: terminating on signal %d\n" % number
    assert holder.process.returncode == 0


@pytest.mark.real
@pytest.mark.parametrize("kind", ["real", "ours"])
def test_images_are_opened_when_the_awaited_client_has_come(kind: str, images: Path) -> None:
    words = ("-drive", "if=none,file=base", "-qmp", "unix:qmp.sock,server=on")
    process = subprocess.Popen(
        [*command("qemu-system-x86_64", kind), *QUIET, *words], cwd=images, env=environment(),
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        waiting = b"info: QEMU waiting for connection on: disconnected:unix:qmp.sock,server=on\n"
        assert process.stderr.readline() == (
            b"qemu-system-x86_64: -qmp unix:qmp.sock,server=on: " + waiting
        )
        assert held_bytes(images / "base") == []
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(images / "qmp.sock"))
            assert b'"QMP"' in client.recv(4096)
            assert len(held_bytes(images / "base")) == 4
    finally:
        process.kill()
        process.communicate()


@pytest.mark.real
@pytest.mark.parametrize("kind", ["real", "ours"])
def test_the_pid_file_is_locked_and_goes_with_its_process(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    words = ("-pidfile", "pid", "-monitor", "none")
    holder = Holder(kind, *words, cwd=tmp_path)
    assert file.read_text() == f"{holder.process.pid}\n"
    second = run("qemu-system-x86_64", kind, *QUIET, *words, cwd=tmp_path)
    assert (second.status, second.stderr) == (
        1,
        "qemu-system-x86_64: cannot create PID file: Cannot lock pid file: "
        "Resource temporarily unavailable\n",
    )
    assert file.read_text() == f"{holder.process.pid}\n"
    assert holder.quit() == 0
    assert not file.exists()
    failed = run("qemu-system-x86_64", kind, *QUIET, *words, "-drive", "if=none,file=no",
                 cwd=tmp_path)  # fmt: skip
    assert (failed.status, file.exists()) == (1, False)
