#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# group: index bug
# A `git status` in the background makes `git add` fail, unless it is told to take no lock.
# Reported against a prompt: https://github.com/woefe/git-prompt.zsh/issues/18
. "${0%/*}/repository.sh"
# Renamed in the work tree: status reads the file, by a filter that stands still, with the lock.
mv a b
git add --intent-to-add b
echo new >c
echo 'b filter=slow' >.git/info/attributes
mkfifo .git/content
git config filter.slow.clean 'cat .git/content'

echo "== git status =="
git status --short >.git/said &
goldlock wait --exists .git/index.lock
goldlock show -- git add c
echo 1 >.git/content
wait $!
cat .git/said

echo "== git --no-optional-locks status =="
git --no-optional-locks status --short >.git/said &
exec 3>.git/content # which the filter has opened, then
goldlock show -- git add c
echo 1 >&3
exec 3>&-
wait $!
cat .git/said
