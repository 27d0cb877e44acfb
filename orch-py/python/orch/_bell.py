"""How another thread wakes a task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def bell_here(closed: Callable[[], object] | None = None) -> tuple[asyncio.Future[None], Callable[[], None]]:
    """What a task of the running loop waits for once, and what rings it from any thread. ``closed`` is called instead when the
    loop is closed, and nobody waits any more."""
    loop = asyncio.get_running_loop()
    bell: asyncio.Future[None] = loop.create_future()

    def heard() -> None:
        if not bell.done():
            bell.set_result(None)

    def ring() -> None:
        try:
            loop.call_soon_threadsafe(heard)
        except RuntimeError:
            if closed is not None:
                closed()

    return bell, ring
