#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# group: index
# While an editor is open for `git commit -a`, nobody else can change the index.
. "${0%/*}/repository.sh"
echo 2 >a
echo new >b
mkfifo .git/text
GIT_EDITOR='cat .git/text >' git commit --quiet -a &
goldlock wait --exists .git/index.lock

echo "== Another one can look, and change nothing =="
goldlock show -- git status --short
goldlock show -- git add b

echo "== The text is written, and the editor closed =="
echo second >.git/text
wait $!
goldlock show -- git log --format=%s
goldlock show -- git add b
