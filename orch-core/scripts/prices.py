#!/usr/bin/env python3
"""Writes src/cost/published/prices.json anew from the data of the crate genai-prices that Cargo.lock names, which only tests
use: without what nothing here reads (descriptions, links, how to read answers), a line a model, so that a diff shows which
prices changed.

    cargo fetch && python3 orch-core/scripts/prices.py
"""

import glob
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
PROVIDER = ("id", "name", "api_pattern", "model_match", "provider_match", "fallback_model_providers")
MODEL = ("id", "match", "prices", "price_variants")


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def main():
    with open(os.path.join(HERE, "../../Cargo.lock"), encoding="utf-8") as lock:
        version = re.search(r'name = "genai-prices"\nversion = "([^"]+)"', lock.read()).group(1)
    home = os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))
    [crate] = glob.glob(f"{home}/registry/src/*/genai-prices-{version}")
    with open(f"{crate}/data/prices.json", encoding="utf-8") as file:
        providers = json.load(file)
    lines = []
    for provider in providers:
        head = compact({key: provider[key] for key in PROVIDER if key in provider})
        models = [compact({key: model[key] for key in MODEL if key in model}) for model in provider["models"]]
        lines.append(head[:-1] + ',"models":[\n' + ",\n".join(models) + "\n]}")
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    json.loads(text)
    folder = os.path.join(HERE, "../src/cost/published")
    with open(f"{folder}/prices.json", "w", encoding="utf-8") as file:
        file.write(text)
    print(f"genai-prices {version}: {len(providers)} providers, {len(text)} characters; see also BUNDLED in published.rs")


if __name__ == "__main__":
    main()
