"""The command line: ``python -m orch``, and what ``pip install`` puts on the path as ``orch``."""

from __future__ import annotations

import signal
import sys

from orch import _orch


def main() -> int:
    """Runs the command with the arguments of this process."""
    if hasattr(signal, "SIGINT"):
        # The command has its own way to stop a run; that of Python would only hear of it afterwards.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _orch.main(["orch", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
