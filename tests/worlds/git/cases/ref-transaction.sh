#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# group: refs
# A transaction that is prepared has locked its branches, and no others.
. "${0%/*}/repository.sh"
git branch topic
mkfifo .git/say
git update-ref --stdin <.git/say >.git/said &
exec 3>.git/say
printf 'start\ndelete refs/heads/topic\nprepare\n' >&3
goldlock wait --line 'prepare: ok' --of .git/said

echo "== The branch is locked =="
goldlock show -- git -c core.filesRefLockTimeout=0 update-ref refs/heads/topic main
echo "== Others are not, and reading it goes on =="
goldlock show -- git update-ref refs/heads/other main
goldlock show -- git branch

echo "== Committed =="
echo commit >&3
exec 3>&-
wait $!
goldlock show -- git branch
