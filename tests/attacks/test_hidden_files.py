# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of the kernel's and folders of the system's that a container masks or leaves out."""

from pathlib import Path

import pytest

from tests.attacks.places import ALL, check, fill, has_namespaces, run
from tests.conftest import MakeSuite

_FILES = (
    *("loadavg", "locks", "meminfo", "pressure/cpu", "stat", "uptime"),
    *("self/comm", "self/mountinfo", "version"),
)
_FOLDERS = ("/dev/pts", "/dev/shm", "/etc", "/sys", "/var/tmp")
PLACES = {
    **{f"/proc/{name} is empty": f"mount --bind /dev/null /proc/{name}" for name in _FILES},
    **{
        f"/proc/{name} is unreadable": f"mount --bind {{unreadable}} /proc/{name}"
        for name in _FILES
    },
    **{f"{name} is empty and read-only": f"mount -t tmpfs -o ro t {name}" for name in _FOLDERS},
    "/dev/null is a file": "mount --bind {empty} /dev/null",
    "ProcSubset=pid": "umount -l /proc; mount -t proc -o subset=pid proc /proc",
    "hidepid": "mount -o remount,hidepid=invisible /proc",
    "no /proc": "mount -t tmpfs t /proc",
    "another namespace's /proc": "umount /proc",
    "/proc/sys is read-only": "mount --bind -o ro /proc/sys /proc/sys",
}
USUAL = (
    *("/proc/loadavg is empty", "/proc/locks is unreadable", "/proc/stat is empty"),
    *("ProcSubset=pid", "hidepid", "no /proc", "another namespace's /proc"),
    "/dev/shm is empty and read-only",
)
"""Those that somebody has."""

EXPECTED = {
    "/proc/locks is empty": "not run",
    "/proc/locks is unreadable": "not run",
    "ProcSubset=pid": "not run",
    "no /proc": "one line",
    "another namespace's /proc": "one line",
}
"""What comes of it, where all is not as without."""

WHO = {
    "the superuser": "",
    "a superuser without capabilities": "setpriv --bounding-set=-all --inh-caps=-all",
}


@pytest.mark.parametrize("who", WHO if ALL else [*WHO][1:])
@pytest.mark.parametrize("place", PLACES if ALL else USUAL)
def test_a_hidden_file(suite: MakeSuite, tmp_path: Path, place: str, who: str) -> None:
    """Promised: all as without, or not run with a reason, or one line and exit status 2."""
    if not has_namespaces():
        pytest.skip("needs the right to mount in a namespace")
    for name, mode in (("empty", 0o644), ("unreadable", 0)):
        (tmp_path / name).touch(mode)
    fill(suite)
    hide = PLACES[place].format(empty=tmp_path / "empty", unreadable=tmp_path / "unreadable")
    script = f'{hide}\nexec {WHO[who]} "$@"'
    before = ["unshare", "--mount", "sh", "-ec", script, "sh"]
    came_to = check(run(suite.root, tmp_path / "scratch", before), tmp_path / "scratch")
    readable = "unreadable" in place and not WHO[who]  # nothing is refused to the superuser
    if readable:
        assert came_to in {"as without", EXPECTED.get(place)}
    else:
        assert came_to == EXPECTED.get(place, "as without")


def test_an_update_where_no_process_id_is_told(suite: MakeSuite, tmp_path: Path) -> None:
    """Promised: a golden that has what only may be one is written."""
    if not has_namespaces():
        pytest.skip("needs the right to mount in a namespace")
    suite.case("1", "echo pid 0, pid 812")
    script = 'mount --bind /dev/null /proc/loadavg; exec "$@"'
    before = ["unshare", "--mount", "sh", "-ec", script, "sh"]
    done = run(suite.root, tmp_path / "scratch", before, "--update")
    assert done.returncode == 0, done.stdout
    assert (suite.root / "expected" / "1.out").read_text() == "pid 0, pid 812\n"
