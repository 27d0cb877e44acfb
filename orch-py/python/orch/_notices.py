"""Notices: what people are told outside, in Discord, Slack or by a webhook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from orch import _orch
from orch._amounts import moment, money

if TYPE_CHECKING:
    import os
    from datetime import datetime

    from typing_extensions import Self

    from orch._amounts import Dollars


class Delivery(NamedTuple):
    """What came of the letters that were due."""

    sent: int
    """The other side has them."""
    later: int
    """To be tried again: call :meth:`orch.Notices.deliver` later, in whatever process."""
    dropped: int
    """Given up."""
    why: str | None
    """Why the last one was not sent, if one was not: the target's name and the reason, never its address."""


class Letter(NamedTuple):
    """A notice for one target, and how its delivery stands."""

    key: str
    """What it is about: each target is told a key once."""
    target: str
    state: str
    """``waiting``, ``sent`` or ``dropped``."""
    tries: int
    posted: datetime
    why: str | None


class Notices(_orch.Notices):
    """Tells people: a notice is put into the outbox of a store, once for each key, and delivered from there.

    Whatever becomes of the process or of the server, it is delivered at least once, and once where the server answered; a busy
    server is tried again after as long as it asks for. Addresses of webhooks are secrets: they are stored nowhere and shown
    nowhere, neither in errors.

    :param store: where letters wait: an :class:`orch.Store`, a path, or True for the default place. Default: in memory.
    :param discord: the address of a webhook. Likewise ``slack`` and ``webhook``, which gets JSON. Without any of them those
        of the environment: ``DISCORD_WEBHOOK_URL``, ``SLACK_WEBHOOK_URL``, ``ORCH_WEBHOOK_URL``.
    :param local: whether addresses may also be http, and of this machine: for tests.

    Raises :class:`orch.InvalidValue` for what is no such address, :class:`orch.NotFound` if nobody is to be told.

    >>> import orch
    >>> notices = orch.Notices("runs.db", discord="https://discord.com/api/webhooks/1/secret")
    >>> notices
    <orch.Notices to discord>
    >>> notices.post("release/1.2", "Version 1.2 is out", fields={"Downloads": "12"})
    1
    >>> notices.post("release/1.2", "Version 1.2 is out")  # told already, or about to be
    0
    >>> [(letter.key, letter.state) for letter in notices.list()]
    [('release/1.2', 'waiting')]
    """

    __slots__ = ("__weakref__",)

    def __new__(
        cls,
        store: _orch.Store | str | os.PathLike[str] | bool | None = None,
        *,
        discord: str | None = None,
        slack: str | None = None,
        webhook: str | None = None,
        local: bool = False,
    ) -> Self:
        """Checks the addresses, and opens the store where it is not open. Nothing is sent."""
        from orch._store import store_of

        place = None if store is None or store is False else store_of(store, None)
        named = {"discord": discord, "slack": slack, "webhook": webhook}
        targets = [(kind, kind, address) for kind, address in named.items() if address is not None]
        return super().__new__(cls, place, targets or None, local)

    def post(
        self,
        key: str,
        title: str,
        *,
        description: str | None = None,
        content: str | None = None,
        color: int = 0x0099FF,
        fields: Mapping[str, str] | Iterable[tuple[str, str, bool]] = (),
    ) -> int:
        """Puts a notice into the outbox, for each target that was not told this key before; answers for how many. Sends
        nothing.

        :param content: a line outside of the card, which some targets read aloud.
        :param color: 0xRRGGBB.
        :param fields: facts: names with values, or triples that also say whether several may stand beside each other.
        """
        return self.put(key, _note(title, description, content, color, fields))

    def send(
        self,
        title: str,
        *,
        description: str | None = None,
        content: str | None = None,
        color: int = 0x0099FF,
        fields: Mapping[str, str] | Iterable[tuple[str, str, bool]] = (),
        key: str | None = None,
        patience: float = 10.0,
    ) -> Delivery:
        """Posts a notice and delivers what is due. See :meth:`post` and :meth:`deliver`.

        :param key: what it is about; each target is told a key once. Default: a new one.
        """
        self.post(key or str(uuid4()), title, description=description, content=content, color=color, fields=fields)
        return self.deliver(patience=patience)

    def milestone(
        self,
        budget: str,
        period: str,
        usd: Dollars,
        *,
        spent: Dollars,
        of: Dollars,
        executions: int = 0,
        prs: int = 0,
    ) -> int:
        """Posts that a budget has reached a milestone, once for each budget, period and amount, whoever notices it."""
        told = {
            "kind": "milestone",
            "milestone_usd": money(usd),
            "spent_usd": money(spent),
            "budget_usd": money(of),
            "prs": prs,
            "executions": executions,
        }
        return self.put(f"budget/{budget}/{period}/{usd}", told)

    def deliver(self, *, patience: float = 0.0) -> Delivery:
        """Sends what is due, one letter after the other. Blocks: ten seconds for each letter at most.

        :param patience: for how many seconds to wait for servers that ask for it, all together. Default: not; it is tried
            again at a later call.
        """
        return Delivery(*self.carry(patience))

    def list(self, limit: int = 100) -> list[Letter]:
        """The letters, the latest first."""
        found = []
        for form, posted in self.letters(limit):
            told = form["key"], form["target"], form["state"], form["tries"], moment(posted)
            found.append(Letter(*told, form.get("why")))
        return found

    def __repr__(self) -> str:
        return f"<orch.Notices to {', '.join(self.targets)}>"


def _note(
    title: str,
    description: str | None,
    content: str | None,
    color: int,
    fields: Mapping[str, str] | Iterable[tuple[str, str, bool]],
) -> dict[str, Any]:
    facts = ((name, value, True) for name, value in fields.items()) if isinstance(fields, Mapping) else fields
    told = [{"name": name, "value": str(value), "inline": inline} for name, value, inline in facts]
    return {
        "kind": "note",
        "title": title,
        "description": description,
        "content": content,
        "color": color,
        "fields": told,
    }
