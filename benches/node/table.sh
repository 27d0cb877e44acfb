#!/usr/bin/env bash
# Measures the Node package beside its peers and writes the numbers into README.md, between its markers. Wants the machine for
# itself. The native half is built as `npm install` builds it; `ORCH_ADDON=path` is one that was built already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readme="${1:-README.md}"
begin='<!-- node numbers -->'
end='<!-- /node numbers -->'
if ! grep -qxF "$begin" "$readme" || ! grep -qxF "$end" "$readme"; then
  printf 'error: %s has no lines `%s` and `%s`\n' "$readme" "$begin" "$end" >&2
  exit 1
fi

numbers="$(mktemp -d)"
trap 'rm -rf "$numbers"' EXIT

# The package as it is installed: its JavaScript and the native half, away from the one that tests use.
mkdir "$numbers/orch"
cp -r orch-node/js orch-node/package.json "$numbers/orch/"
if [ -n "${ORCH_ADDON:-}" ]; then
  cp "$ORCH_ADDON" "$numbers/orch/"
else
  export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
  npm install --prefix orch-node --ignore-scripts --no-save --no-audit --no-fund --loglevel=error
  (cd orch-node && npx napi build --platform --profile wheel --no-js --dts "$numbers/native.d.ts" --output-dir "$numbers/orch")
fi
npm install --prefix benches/node --no-audit --no-fund --loglevel=error

node benches/node/overhead.mjs "${ORCH_ROUNDS:-21}" "$numbers/orch" > "$numbers/overhead.md"
node benches/node/footprint.mjs "${ORCH_ROUNDS:-21}" "$numbers/orch" > "$numbers/footprint.md"

{
  sed "\\|^$begin\$|q" "$readme"
  printf '\nMeasured by `benches/node/table.sh`, Node %s, %s.\n' "$(node -p process.versions.node)" "$(date +%F)"
  for part in overhead footprint; do
    printf '\n'
    cat "$numbers/$part.md"
  done
  printf '\n'
  sed -n "\\|^$end\$|,\$p" "$readme"
} > "$numbers/README.md"
cat "$numbers/README.md" > "$readme"
