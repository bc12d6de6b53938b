# SPDX-License-Identifier: GPL-2.0-or-later
"""A tree of QEMU's tests, made from the Debian source package that a qemu-img was built from."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.versions.__main__ import KEYRING, Failed, do, mirror

_WANTED = ("VERSION", "python", "tests/qemu-iotests")
"""What the tests need of a source tree."""


def tree(folder: Path, qemu_img: str, release: str) -> Path:
    """Return the tree of a qemu-img below *folder*; make it if need be, committed to a git.

    Raises Failed where apt has not its source in Debian's *release*.
    """
    version = _version(qemu_img)
    plain = re.sub("[^0-9a-z.]", "-", version)  # some tests refuse other paths
    made = folder / plain / "tree"
    if not (made / ".git").exists():
        unpacked = _unpacked(folder / f"apt-{release}", version, release)
        shutil.rmtree(made, ignore_errors=True)
        for name in _WANTED:
            wanted = made / name
            wanted.parent.mkdir(parents=True, exist_ok=True)
            (unpacked / name).rename(wanted)
        shutil.rmtree(unpacked)
        _commit(made)
    return made


def _version(qemu_img: str) -> str:
    """Return the version of the source package that a program of Debian was made from."""
    said = subprocess.run([qemu_img, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\(Debian (\S+?)(?:\+b\d+)?\)", said.stdout)
    if not found:
        raise Failed(f"{qemu_img}: not Debian's: apt-get install qemu-utils qemu-system-x86")
    return found[1]


def _unpacked(state: Path, version: str, release: str) -> Path:
    """Download a source package, and unpack it with Debian's patches; return its folder."""
    if not shutil.which("dpkg-source"):
        raise Failed("no dpkg-source: apt-get install dpkg-dev")
    for each in ("lists/partial", "archives/partial", "source"):
        (state / each).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    sources = state / "sources.list"
    signed, from_ = f"deb-src [signed-by={KEYRING}]", mirror()
    wanted = [f"{signed} {from_} {release} main\n"]
    if release != "sid":  # which has no other
        wanted.append(f"{signed} {from_.rstrip('/')}-security {release}-security main\n")
    sources.write_text("".join(wanted))
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
