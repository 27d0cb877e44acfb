"""Runs graphs of tasks in parallel. A door to the engine, which is written in Rust."""

from orch._orch import __version__

__all__ = ["__version__"]
