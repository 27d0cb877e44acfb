"""Commands of scripts as programs and their arguments: no shell runs them."""

from __future__ import annotations

import re
import shlex
from typing import Any

from orch._errors import InvalidValue

_ASSIGNMENT = re.compile(r"\s*[A-Za-z_]\w*=")
_SUBSTITUTED = re.compile(r"[A-Za-z_{(@*#?$!0-9]")
"""What makes a `$` more than a dollar."""


def argv_of(command: Any) -> list[str]:
    """The program and its arguments. Raises :class:`orch.InvalidValue` for none, and for what only a shell understands."""
    if isinstance(command, str):
        return _split(command)
    if isinstance(command, (list, tuple)) and command and all(isinstance(part, str) for part in command):
        return list(command)
    raise InvalidValue("`command` of a task must be a program and its arguments, as a text or a list of texts")


def _split(command: str) -> list[str]:
    try:
        argv = shlex.split(command)
    except ValueError as error:
        raise InvalidValue(f"`{command}` is no command: {error}") from error
    if not argv:
        raise InvalidValue("`command` of a task is empty")
    if _ASSIGNMENT.match(command) or _wants_shell(command):
        raise InvalidValue(f"`{command}` needs a shell, and none is used; give `['sh', '-c', ...]` if that is meant")
    return argv


def _wants_shell(command: str) -> bool:
    """Whether a shell would read something of it as more than a text."""
    quote = ""
    at = 0
    while at < len(command):
        char = command[at]
        if char == "\\" and quote != "'":
            at += 2
            continue
        if char in "'\"" and quote in ("", char):
            quote = "" if quote else char
        elif quote != "'":
            if char == "`" or (char == "$" and _SUBSTITUTED.match(command, at + 1)):
                return True
            if not quote and char in "|&;<>()*\n":
                return True
        at += 1
    return False
