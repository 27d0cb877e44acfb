#!/usr/bin/env bash
# Measures the Python package beside its peers and writes the numbers into README.md, between its markers. Wants the machine for
# itself. The package is built and installed as users do, with the peers, into an environment of its own below target/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readme="${1:-README.md}"
begin='<!-- python numbers -->'
end='<!-- /python numbers -->'
if ! grep -qxF "$begin" "$readme" || ! grep -qxF "$end" "$readme"; then
  printf 'error: %s has no lines `%s` and `%s`\n' "$readme" "$begin" "$end" >&2
  exit 1
fi

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
python="$CARGO_TARGET_DIR/python-peers/bin/python"
if ! [ -x "$python" ]; then
  python3 -m venv "$CARGO_TARGET_DIR/python-peers"
fi
# A wheel that was built already: `ORCH_WHEEL=path`.
"$python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "${ORCH_WHEEL:-./orch-py}"
# What cannot be installed is not measured, and the numbers say so.
for peer in langgraph langgraph-checkpoint-sqlite dbos dask cachetools cachebox; do
  "$python" -m pip install --quiet --disable-pip-version-check "$peer" || printf 'not installed: %s\n' "$peer" >&2
done

numbers="$(mktemp -d)"
trap 'rm -rf "$numbers"' EXIT
for part in overhead delays cached durable footprint; do
  "$python" "benches/python/$part.py" > "$numbers/$part.md"
done

{
  sed "\\|^$begin\$|q" "$readme"
  printf '\nMeasured by `benches/python/table.sh`, Python %s, %s.\n' \
    "$("$python" -c 'import platform; print(platform.python_version())')" "$(date +%F)"
  for part in overhead delays cached durable footprint; do
    printf '\n'
    cat "$numbers/$part.md"
  done
  printf '\n'
  sed -n "\\|^$end\$|,\$p" "$readme"
} > "$numbers/README.md"
cat "$numbers/README.md" > "$readme"
