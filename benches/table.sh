#!/usr/bin/env bash
# Measures everything and writes the numbers into README.md, between its markers. Takes about five minutes beside the
# building, and wants the machine for itself. The fixtures are found as the tests find them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readme="${1:-README.md}"
begin='<!-- numbers -->'
end='<!-- /numbers -->'
if ! grep -qxF "$begin" "$readme" || ! grep -qxF "$end" "$readme"; then
  printf 'error: %s has no lines `%s` and `%s`\n' "$readme" "$begin" "$end" >&2
  exit 1
fi

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
ORCH_NUMBERS="$(mktemp -d)"
export ORCH_NUMBERS
trap 'rm -rf "$ORCH_NUMBERS"' EXIT

# Build everything first, so that nothing is built beside a measurement.
cargo build --release -p orch-core --features cli --bin orch
cargo bench -p benches --no-run
cargo build --release --manifest-path benches/peers/Cargo.toml

cargo run --release --manifest-path benches/peers/Cargo.toml
cargo run --release --manifest-path benches/peers/Cargo.toml --bin cache
for bench in graph memory parallel locks money command worktrees metrics makespan; do
  cargo bench -p benches --bench "$bench"
done

{
  sed "\\|^$begin\$|q" "$readme"
  printf '\nMeasured by `benches/table.sh` on %s.\n' "$(cat "$ORCH_NUMBERS/machine.md")"
  for part in peers cache graph memory parallel locks money command worktrees metrics; do
    printf '\n'
    cat "$ORCH_NUMBERS/$part.md"
  done
  # Without the fixtures there is no such part.
  if [ -e "$ORCH_NUMBERS/makespan.md" ]; then
    printf '\n<details><summary>Makespan on recorded workflows</summary>\n\n%s\n\n</details>\n' \
      "$(cat "$ORCH_NUMBERS/makespan.md")"
  fi
  printf '\n'
  sed -n "\\|^$end\$|,\$p" "$readme"
} > "$ORCH_NUMBERS/README.md"
cat "$ORCH_NUMBERS/README.md" > "$readme"

# The packages have numbers of their own.
benches/node/table.sh "$readme"
