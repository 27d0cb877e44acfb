"""``python -m orch.compat.metrics_rotation [--check | --force]``, in place of the script of that name.

The same as ``orch metrics rotate``.
"""

from __future__ import annotations

import sys

from orch import _orch

if __name__ == "__main__":
    sys.exit(_orch.main(["orch", "metrics", "rotate", *sys.argv[1:]]))
