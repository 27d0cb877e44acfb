"""What is named already, and not built yet."""

from __future__ import annotations

from typing import ClassVar

from orch._errors import NotBuiltYet
from orch._orch import __version__


class Coming:
    """A class whose part of the engine comes with a later version. Making it raises, and so does every method."""

    _part: ClassVar[str]
    """The part of the engine that it needs."""
    _until: ClassVar[str]
    """What to use until then."""

    def _not_built(self) -> NotBuiltYet:
        name = next(kind.__name__ for kind in type(self).__mro__ if kind.__module__.startswith("orch.compat"))
        return NotBuiltYet(
            f"`orch.compat.{name}` needs {self._part}, which orch {__version__} does not have; "
            f"it comes with a later version. Until then: {self._until}"
        )
