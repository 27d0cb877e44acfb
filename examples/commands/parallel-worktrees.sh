#!/bin/sh
# Five agents edit a clone of a repository in parallel worktrees, and a gate brings four of them in.
# usage: parallel-worktrees.sh [REPOSITORY]     default: the one that this file lies in; it must have a README.md
set -eu
here=$(cd "$(dirname "$0")" && pwd)
from=${1:-$(git -C "$here" rev-parse --show-toplevel)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet --no-hardlinks "$from" "$work/clone"
cd "$work/clone"
# --yes: the gate's check is a program that a definition names.
orch run "$here/parallel-worktrees.json" --agents "$here/parallel-worktrees.toml" --worktrees=5 --yes || code=$?
echo
git log --oneline -6
echo
orch worktree list
exit "${code:-0}"
