# SPDX-License-Identifier: GPL-2.0-or-later
"""The folders of the embedded programs know those before them, never those behind."""

import ast

import pytest

from tests.embedded.programs import ROOT

ORDER = ("common", "block", "qcow2", "image", "img io nbd", "system")
EMBEDDED = ROOT / "harness" / "embedded"
LEVEL = {folder: level for level, folders in enumerate(ORDER) for folder in folders.split()}


@pytest.mark.parametrize("folder", LEVEL)
def test_a_folder_knows_only_those_before_it(folder: str) -> None:
    for path in (EMBEDDED / folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = str(node.module) if isinstance(node, ast.ImportFrom) else ""
            if module.startswith("goldlock.embedded."):
                known = module.split(".")[2]
                assert known == folder or LEVEL[known] < LEVEL[folder], f"{path}: {module}"
