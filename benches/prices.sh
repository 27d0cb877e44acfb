#!/usr/bin/env bash
# Prices and charges of orch beside litellm and genai-prices in Python, in one run. Installs both into target/prices-venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv="${CARGO_TARGET_DIR:-target}/prices-venv"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet litellm genai-prices
cargo bench -p benches --bench money
# No list is fetched: the one of the package.
LITELLM_LOCAL_MODEL_COST_MAP=True "$venv/bin/python" benches/python/prices.py
