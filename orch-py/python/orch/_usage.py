"""Usage: what models used, and how agents and APIs say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from orch import _orch
from orch._report import ModelUsage, usages_of


class Used(NamedTuple):
    """What an agent or an API said that it used."""

    dialect: str
    """In which form it said so."""
    models: tuple[ModelUsage, ...]
    messages: int
    """How many messages counted."""


Usage = ModelUsage | Used | Mapping[str, Any] | Iterable[ModelUsage | Mapping[str, Any]]
"""What was used: one or several of :class:`orch.ModelUsage`, or mappings with its fields."""


def models_for_core(usage: Usage | None, model: str | None = None) -> list[dict[str, Any]]:
    """A usage as the core has it."""
    if usage is None:
        return []
    if isinstance(usage, Used):
        usage = usage.models
    entries: list[Any] = [usage] if isinstance(usage, (ModelUsage, Mapping)) else list(usage)
    core = []
    for entry in entries:
        fields: dict[str, Any] = entry._asdict() if isinstance(entry, ModelUsage) else dict(entry)
        billed = fields.pop("billed_usd", None)
        fields = {name: value for name, value in fields.items() if value is not None}
        if billed is not None:
            fields["billed"] = int(Decimal(str(billed)).scaleb(9).to_integral_value())
        if model is not None:
            fields["model"] = model
        core.append(fields)
    return core


def expected(expects: Any) -> list[dict[str, Any]]:
    """What a task expects to use, as the core has it."""
    if isinstance(expects, Mapping) and all(isinstance(tokens, tuple) for tokens in expects.values()):
        return [{"model": model, "input": tokens[0], "output": tokens[1], "requests": 1} for model, tokens in expects.items()]
    models = models_for_core(expects)
    return [{"requests": 1, **one} if one.get("requests", 0) == 0 else one for one in models]


def usage(
    said: Any,
    *,
    model: str | None = None,
    provider: str | None = None,
    batch: bool = False,
    dialect: str | None = None,
) -> Used:
    """What an agent or an API says that it used: the answer of Anthropic, OpenAI or Google, the result or a transcript of
    Claude Code, the events of Codex or OpenCode, the JSON of ccusage, or only its record of tokens.

    :param said: its text, or the JSON in it as data: one message, or a list of them.
    :param model: the model, where what was said does not name it, or instead of that.
    :param provider: whose prices: it goes before the model's name.
    :param batch: whether it was a batch.
    :param dialect: only that form. Default: whichever it is.

    Raises :class:`orch.InvalidFormat` if no usage is in it, :class:`orch.InvalidValue` if nobody names the model.

    >>> import orch
    >>> used = orch.usage({"model": "claude-sonnet-4-5", "usage": {"input_tokens": 100, "output_tokens": 20}})
    >>> used.dialect, used.models[0].input, used.models[0].output
    ('anthropic', 100, 20)
    """
    text = said.decode() if isinstance(said, (bytes, bytearray)) else said
    found, models, messages = _orch.usage(text, model, provider, batch, dialect)
    return Used(found, usages_of(models), messages)
