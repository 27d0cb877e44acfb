"""``python -m orch.compat.orchestration_metrics_aggregator``, in place of the script of that name.

Writes ``aggregated_metrics.json`` and prints what it says, by the rule of the scripts. With ``--policy message`` or another
option it is the same as ``orch metrics update`` and ``orch metrics`` with that.
"""

from __future__ import annotations

import sys

from orch import _orch
from orch.compat._metrics import _local_zone


def main(options: list[str]) -> int:
    """Runs it with these options."""
    asked = ["--policy", "compat"] if "--policy" not in options else []
    asked += ["--zone", _local_zone()] if "--zone" not in options else []
    written = _orch.main(["orch", "metrics", "update", *asked, *options])
    shown = [option for option in options if option != "--check"]
    return written or _orch.main(["orch", "metrics", *asked, *shown])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
