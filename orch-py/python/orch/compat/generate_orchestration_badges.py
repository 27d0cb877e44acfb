"""``python -m orch.compat.generate_orchestration_badges [--check]``, in place of the script of that name.

Writes the badges into ``README.md`` of the working directory and the report, by the rule of the scripts. The same as
``orch badges --policy compat --readme README.md`` and ``orch metrics report``.
"""

from __future__ import annotations

import sys

from orch import _orch
from orch.compat._metrics import _local_zone


def main(options: list[str]) -> int:
    """Runs it with these options."""
    asked = ["--policy", "compat"] if "--policy" not in options else []
    asked += ["--zone", _local_zone()] if "--zone" not in options else []
    written = _orch.main(["orch", "badges", "--readme", "README.md", *asked, *options])
    if written or "--check" in options:
        return written
    return _orch.main(["orch", "metrics", "report", *asked])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
