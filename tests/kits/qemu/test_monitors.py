# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that stay, and are talked to; also those that do not do what they are told."""

import re
import sys
from pathlib import Path

import pytest
from goldlock.errors import CaseError
from goldlock.kits.qemu.case import QemuCase
from goldlock.kits.qemu.environment import QemuEnvironment
from goldlock.kits.qemu.monitors import _json
from goldlock.suite.programs import Programs

from tests.kits.qemu.support import make_case

GREETS = "print('{\"QMP\": {}}', flush=True)\n"


@pytest.fixture
def fake(tmp_path: Path) -> "Fake":
    return Fake(tmp_path)


class Fake:
    """Cases whose qemu-system is a few lines of Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def case(self, program: str) -> QemuCase:
        path = self.folder / "qemu-fake"
        path.write_text(f"#!{sys.executable}\nimport sys\n{program}")
        path.chmod(0o755)
        return make_case(self.folder, qemu_prog=str(path))


@pytest.fixture
def real(tmp_path: Path, qemu: Programs) -> QemuCase:
    return make_case(tmp_path, QemuEnvironment.from_environ(qemu.variables_for(qemu.paths)))


Capture = pytest.CaptureFixture[bytes]


def test_an_answer_that_does_not_come_names_command_program_status_and_output(fake: Fake) -> None:
    program = GREETS + "sys.stdin.readline(); print('out of order', flush=True); sys.exit(3)"
    with fake.case(program).holder() as holder, pytest.raises(CaseError) as caught:
        holder.qmp("{ 'execute':\n   'stop' }")
    assert str(caught.value) == (
        "qemu-fake failed to answer { 'execute': 'stop' } (exit status 3); it printed:\n"
        '  {"QMP": {}}\n'
        "  out of order"
    )


def test_an_answer_that_takes_too_long(fake: Fake) -> None:
    holder = fake.case(GREETS + "sys.stdin.read()").holder()
    holder.limit = holder._stream.timeout = 0.2  # it has greeted, however long that took
    said = r"qemu-fake failed to answer { 'execute': 'stop' } within 0.2 s; it"
    with holder, pytest.raises(CaseError, match=said):
        holder.qmp("stop")
    assert holder.process.returncode == -9


def test_a_program_that_ends_before_it_greets(fake: Fake) -> None:
    with pytest.raises(CaseError) as caught:
        fake.case("sys.exit('no such image')").holder()
    assert str(caught.value) == (
        "qemu-fake failed to greet (exit status 1); it printed:\n  no such image"
    )


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="qemu-system is not installed; with '# needs: qemu-sys"):
        make_case(tmp_path).holder()
    with pytest.raises(CaseError, match=r"cannot start gone: .*No such file"):
        make_case(tmp_path, qemu_prog="/no/such/gone").holder()
    with pytest.raises(CaseError, match=r"cannot start qemu-img: .*No such file"):
        make_case(tmp_path, qemu_img_prog="/no/such/gone").qemu_img("info")


@pytest.mark.parametrize("order", ["answer, event", "event, answer"])
def test_the_answer_is_shown_before_the_events(
    fake: Fake, capfdbinary: Capture, order: str
) -> None:
    said = {"answer": '{"return": {}}', "event": '{"event": "SHUTDOWN"}'}
    lines = "".join(f"print('{said[each]}')\n" for each in order.split(", "))
    with fake.case(GREETS + "sys.stdin.readline()\n" + lines).holder() as holder:
        assert holder.qmp("quit") == {"return": {}}
        assert holder.wait() == 0
    out, _ = capfdbinary.readouterr()
    assert out.decode() == '{ \'execute\': \'quit\' }\n{"return": {}}\n{"event": "SHUTDOWN"}\n'


def test_an_event_can_be_waited_for(fake: Fake, capfdbinary: Capture) -> None:
    events = 'print(\'{"event": "A"}\\n{"event": "B"}\\n{"return": 1}\', flush=True)\n'
    later = 'sys.stdin.readline(); print(\'{"event": "C"}\\nplain\', flush=True)\n'
    with fake.case(GREETS + "sys.stdin.readline()\n" + events + later).holder() as holder:
        holder.qmp("one")
        holder.send("two")
        assert holder.event("B") == {"event": "B"}
        assert holder.event("C") == {"event": "C"}
        holder.wait()
    out, _ = capfdbinary.readouterr()
    assert out.decode().split("\n")[2:] == [
        "{ 'execute': 'two' }",
        '{"event": "B"}',
        '{"event": "C"}',
        "plain",
        '{"event": "A"}',
        "",
    ]


def test_what_is_not_a_message_is_shown_as_it_is(fake: Fake, capfdbinary: Capture) -> None:
    noise = "print('{oops\\n[1]\\n{\"return\": {}}', flush=True)\n"
    with fake.case(GREETS + "sys.stdin.readline()\n" + noise).holder() as holder:
        holder.qmp("x")
    assert capfdbinary.readouterr()[0].decode().split("\n")[1:3] == ["{oops", "[1]"]


def test_the_end_of_the_with_statement_frees_the_locks(real: QemuCase) -> None:
    real.qemu_img("create", "-f", "qcow2", real.image, "1M")
    with real.holder("-drive", f"file={real.image},if=none") as holder:
        assert real.qemu_io("-c", "read 0 512", real.image).status == 1
    assert holder.process.returncode == -9
    assert real.qemu_io("-c", "read 0 512", real.image).status == 0


def test_a_human_monitor(real: QemuCase, capfdbinary: Capture) -> None:
    real.qemu_img("create", "-f", "qcow2", real.image, "1M")
    with real.human_monitor("-drive", f"file={real.image},if=none,id=d0") as monitor:
        monitor.hmp("info status")
        assert real.image in monitor.hmp("info block")
        assert monitor.hmp("drive_del d0") == ""
        monitor.hmp("nonsense")
    out, _ = capfdbinary.readouterr()
    shown = out.decode().split("\n")
    assert shown[0] == "(qemu) info status"
    assert shown[1].startswith("VM status: ")
    assert "d0 (NODE_NAME): TEST_DIR/t.qcow2 (qcow2)" in shown
    assert shown[-3:] == ["(qemu) nonsense", "unknown command: 'nonsense'", ""]


def test_all_that_was_said_is_in_the_log(real: QemuCase, tmp_path: Path) -> None:
    with real.holder() as holder:
        holder.qmp("{'execute': 'qmp_capabilities'}")
    log = (tmp_path / "log").read_text().split("\n")
    assert log[0].startswith(f"$ {real.qemu.command[0]} ")
    assert log[1].startswith('<- {"QMP": {"version": {"qemu": ')
    assert log[2:4] == ["-> {'execute': 'qmp_capabilities'}", '<- {"return": {}}']


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('it\'s "so"', "'it\\'s \"so\"'"),
        ("a\\b\nü", "'a\\\\b\\nü'"),
        (True, "true"),
        (None, "null"),
        (-7, "-7"),
        ({}, "{}"),
        ([], "[]"),
        ({"a-b": [1, {"c_d": False}]}, "{ 'a-b': [ 1, { 'c_d': false } ] }"),
    ],
)
def test_json_as_the_tests_of_qemu_write_it(value: object, text: str) -> None:
    assert _json(value) == text


def test_qemu_reads_each_form_of_a_command(real: QemuCase, capfdbinary: Capture) -> None:
    odd = 'it\'s "odd" \\ \u00fc'
    with real.holder() as holder:
        holder.qmp("{ 'execute':\n    'qmp_capabilities' }")
        assert holder.hmp(f"print {odd}")["return"].count(odd) <= 1
        answer = holder.qmp("blockdev-add", node_name="n", driver="file", filename=odd)
        assert odd in answer["error"]["desc"]
        holder.tight = True
        holder.qmp("blockdev-add", node_name="n", driver="null-co", read_zeroes=True)
        holder.qmp("stop")
    out, _ = capfdbinary.readouterr()
    lines = [line for line in out.decode().split("\n") if "execute" in line]
    assert lines[0] == "{ 'execute': 'qmp_capabilities' }"
    assert lines[2].endswith("'filename': 'it\\'s \"odd\" \\\\ \u00fc' } }")
    assert lines[3:] == [
        "{'execute': 'blockdev-add', 'arguments':"
        " { 'node-name': 'n', 'driver': 'null-co', 'read-zeroes': true } }",
        "{'execute': 'stop'}",
    ]


def test_a_session_of_permutations_speaks_qmp_and_as_people_do(
    real: QemuCase, capfdbinary: Capture
) -> None:
    """Events come after the answer; so does the end, after what is still said."""
    steps = {"cont": "{ 'execute': 'cont' }", "info": "info status", "quit": "{'execute': 'quit'}"}
    real.permutations(real.qmp_session(name="vm", steps=steps))
    shown = capfdbinary.readouterr().out.decode()
    assert re.sub(r"\{.*TIMESTAMP.*\"event\": \"(\w+)\".*\}", r"\1", shown).splitlines()[2:] == [
        "== cont info quit ==",
        "step cont: { 'execute': 'cont' }",
        '{"return": {}}',
        "RESUME",
        "step info: info status",
        "VM status: running",
        "step quit: {'execute': 'quit'}",
        '{"return": {}}',
        "SHUTDOWN",
        "",
        "1 permutation: all orders of the steps",
    ]
