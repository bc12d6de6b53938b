#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# group: index
# needs: lock-files
# A git that is killed leaves its lock file, which keeps everybody out until somebody removes it.
. "${0%/*}/repository.sh"
echo 2 >a
mkfifo .git/names
git update-index --stdin <.git/names &
exec 3>.git/names
goldlock wait --exists .git/index.lock
kill -KILL $!
wait $! 2>/dev/null # some shells say that it was killed

echo "== It is dead, and its lock is there =="
goldlock locks
goldlock show -- git add a
goldlock show -- git status --short

echo "== Removed by hand =="
rm .git/index.lock
goldlock show -- git add a
goldlock show -- git status --short
