# SPDX-License-Identifier: GPL-2.0-or-later
# Makes TEST_DIR a repository with a commit of the file `a`, of nobody's settings but these.
# shellcheck shell=sh
export GIT_CONFIG_NOSYSTEM=1
git init --quiet --initial-branch=main
git config user.name "A U Thor"
git config user.email author@example.org
echo 1 >a
git add a
git commit --quiet --message=first
