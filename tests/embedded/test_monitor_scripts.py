# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts for the machine monitor, made at random: answered as by the real one, or refused.

What comes behind a refusal is not compared: the two have parted there.
"""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.embedded.left_behind import differences
from tests.embedded.programs import QUIET, filtered, run
from tests.embedded.test_command_lines import make_all_images

pytestmark = pytest.mark.real

SCRIPTS = Path(__file__).with_name("monitor_scripts.jsonl").read_text().splitlines()
REFUSAL = "not served by the embedded programs"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh")
    make_all_images(folder)
    return folder


def _answers(kind: str, folder: Path, words: list[str], commands: list[object]) -> list[str]:
    whole = [{"execute": "qmp_capabilities"}, *commands, {"execute": "quit"}]
    stdin = "".join(f"{json.dumps(command)}\n" for command in whole)
    words = [*QUIET, *words, "-qmp", "stdio"]
    outcome = run("qemu-system-x86_64", kind, *words, cwd=folder, stdin=stdin)
    lines = [line for line in outcome.stdout.splitlines() if '"QMP"' not in line]
    lines = [re.sub(r'"timestamp": \{[^}]*\}', "TIME", line) for line in lines]
    return [filtered(line) for line in (*lines, str(outcome.status), outcome.stderr)]


@pytest.mark.parametrize("script", SCRIPTS, ids=[str(number) for number in range(len(SCRIPTS))])
def test_a_script_is_answered_as_by_the_real_monitor(
    script: str, fresh: Path, tmp_path: Path
) -> None:
    parts = json.loads(script)
    answers = {}
    for kind in ("real", "ours"):
        shutil.copytree(fresh, tmp_path / kind)
        answers[kind] = _answers(kind, tmp_path / kind, parts["words"], parts["commands"])
    until = next((n for n, line in enumerate(answers["ours"]) if REFUSAL in line), None)
    assert answers["ours"][:until] == answers["real"][:until]
    if until is None:
        assert not differences(tmp_path / "real", tmp_path / "ours")
