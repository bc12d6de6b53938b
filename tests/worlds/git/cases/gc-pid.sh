#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# group: stale
# The garbage collector writes who it is into its lock file, so that a dead one is in nobody's way.
. "${0%/*}/repository.sh"
host=$(uname -n)

echo "== A process that lives =="
echo "$$ $host" >.git/gc.pid
goldlock show -- git gc 2>&1 | sed "s/'$host' pid $$/'HOST' pid PID/"

echo "== One that cannot be: the kernel's largest pid is 4194304 =="
echo "4194305 $host" >.git/gc.pid
goldlock show -- git gc --quiet
test -e .git/gc.pid || echo "gc.pid is gone"
