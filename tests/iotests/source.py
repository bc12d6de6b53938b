# SPDX-License-Identifier: GPL-2.0-or-later
"""A tree of QEMU's tests, made from Debian's source package of the installed QEMU."""

import platform
import re
import shutil
import subprocess
from pathlib import Path

from tests.versions.__main__ import KEYRING, Failed, do, mirror

_WANTED = ("VERSION", "python", "tests/qemu-iotests")
"""What the tests need of a source tree."""


def tree(folder: Path) -> Path:
    """Return the tree below *folder*; make it if need be, with all of it committed to a git.

    Raises Failed where apt has not the source of the QEMU that is installed.
    """
    version = _installed()
    plain = re.sub("[^0-9a-z.]", "-", version)  # some tests refuse other paths
    made = folder / plain / "tree"
    if not (made / ".git").exists():
        unpacked = _unpacked(folder / "apt", version)
        shutil.rmtree(made, ignore_errors=True)
        for name in _WANTED:
            wanted = made / name
            wanted.parent.mkdir(parents=True, exist_ok=True)
            (unpacked / name).rename(wanted)
        shutil.rmtree(unpacked)
        _commit(made)
    return made


def _installed() -> str:
    """Return the version of the source package that the installed QEMU was made from."""
    command = ["dpkg-query", "-W", "-f", "${source:Version}", "qemu-utils"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout:
        raise Failed("no package qemu-utils: apt-get install qemu-utils qemu-system-x86")
    return done.stdout


def _unpacked(state: Path, version: str) -> Path:
    """Download a source package, and unpack it with Debian's patches; return its folder."""
    if not shutil.which("dpkg-source"):
        raise Failed("no dpkg-source: apt-get install dpkg-dev")
    for each in ("lists/partial", "archives/partial", "source"):
        (state / each).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "stable")
    security = mirror().rstrip("/") + "-security"
    sources = state / "sources.list"
    signed = f"deb-src [signed-by={KEYRING}]"
    sources.write_text(
        f"{signed} {mirror()} {release} main\n{signed} {security} {release}-security main\n"
    )
    apt = ["apt-get", "-qq", "-o", f"Dir::State={state}", "-o", f"Dir::Cache={state}"]
    apt += ["-o", f"Dir::State::status={state}/status", "-o", f"Dir::Etc::SourceList={sources}"]
    apt += ["-o", "Dir::Etc::SourceParts=-", "-o", "APT::Sandbox::User="]
    apt += ["-o", "Debug::NoLocking=true", "-o", "APT::Get::List-Cleanup=false"]
    do([*apt, "update"])
    do([*apt, "--only-source", "--download-only", "source", f"qemu={version}"], state / "source")
    (description,) = (state / "source").glob("*.dsc")
    shutil.rmtree(state / "unpacked", ignore_errors=True)
    do(["dpkg-source", "--no-check", "-x", description, state / "unpacked"])
    shutil.rmtree(state / "source")
    return state / "unpacked"


def _commit(made: Path) -> None:
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    for words in (["init", "-q"], ["add", "-Af", "."], [*who, "commit", "-qm", "as it was"]):
        do(["git", "-C", made, *words])
