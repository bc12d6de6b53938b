# SPDX-License-Identifier: GPL-2.0-or-later
"""A share of Samba, and a client that opens its file f: samba_share.py FOLDER.

Both are in a network of their own, as no other port will do: run it by unshare --net. The client
asks for an oplock, for which smbd takes a lease of the kernel on the file.
"""

import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

from samba import credentials  # of the system's Python
from samba.samba3 import libsmb_samba_internal as libsmb
from samba.samba3 import param

SERVER = """[global]
server role = standalone server
private dir = {0}/private
lock directory = {0}/lock
state directory = {0}/lock
cache directory = {0}/lock
pid directory = {0}/lock
ncalrpc dir = {0}/ncalrpc
log file = {0}/log
map to guest = bad user
guest account = root
kernel oplocks = yes
smb2 leases = no
load printers = no
disable spoolss = yes
[share]
path = {0}/share
read only = no
guest ok = yes
"""
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
EXCLUSIVE_OPLOCK, FILE_READ_DATA, SHARE_ALL = 2, 1, 7


def serve(listener: socket.socket, config: Path) -> None:
    """Become the server of the one client that will come, as inetd has it."""
    os.setsid()  # it ends its whole group
    connection, _ = listener.accept()
    os.dup2(connection.fileno(), 0)
    log = os.open(config.with_name("smbd"), os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.execv("/usr/sbin/smbd", ["smbd", "-F", "--no-process-group", "-s", str(config)])


def main(folder: Path) -> None:
    config = folder / "smb.conf"
    config.write_text(SERVER.format(folder))
    for name in ("private", "lock", "ncalrpc", "share"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "share/f").touch()
    listener = socket.socket()
    fcntl.ioctl(listener, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    listener.bind(("127.0.0.1", 445))
    listener.listen(1)
    if not (server := os.fork()):
        serve(listener, config)
    known = param.get_context()
    known.load(str(config))
    nobody = credentials.Credentials()
    nobody.set_anonymous()
    client = libsmb.Conn("127.0.0.1", "share", lp=known, creds=nobody)
    oplock = {"CreateFlags": EXCLUSIVE_OPLOCK}
    file = client.create("f", DesiredAccess=FILE_READ_DATA, ShareAccess=SHARE_ALL, **oplock)
    client.close(file)
    print("opened and closed")  # noqa: T201 - what it is for
    del client
    os.waitpid(server, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
