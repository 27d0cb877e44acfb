"""What an attempt knows of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orch import _orch

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from typing_extensions import Unpack

    from orch._attempt import Attempts
    from orch._graph import Task
    from orch._options import TaskOptions
    from orch._usage import Used


class Context:
    """Annotate a parameter of a task with it, and the task knows its run.

    >>> import orch
    >>> graph = orch.Graph("notes")
    >>> @graph.task
    ... async def draft(context: orch.Context) -> str:
    ...     return f"{context.id}, attempt {context.attempt}"
    >>> orch.run_sync(graph)[draft]
    'draft, attempt 1'
    """

    __slots__ = ("_definition", "_driver", "_parents", "_place", "agent", "attempt", "id", "run", "undo")

    def __init__(self, driver: Attempts, place: int, attempt: int, undo: bool) -> None:
        self._driver = driver
        self._place = place
        self._definition: dict[str, Any] | None = None
        self.id: str
        """The name of the task."""
        self.agent: str | None
        """Who does it, in a definition."""
        self.id, self.agent, self._parents = driver.session.task(place)
        self.attempt = attempt
        """The attempt, from 1. Those to undo are counted on their own."""
        self.run: str = driver.session.run
        """The name of the run."""
        self.undo = undo
        """Whether the task is being undone."""

    @property
    def definition(self) -> dict[str, Any]:
        """Everything else about the task, as data."""
        if self._definition is None:
            self._definition = self._driver.session.definition(self._place)
        return self._definition

    @property
    def description(self) -> str:
        """What to do, in words."""
        return str(self.definition.get("description", ""))

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt at the same work, also by another process that goes on with the stored run, and for no
        other work: give it to a service that may hear of an attempt twice. 64 hexadecimal digits."""
        return self._driver.session.idempotency_key(self._place, self.undo)

    @property
    def params(self) -> dict[str, Any]:
        """Free values of the definition."""
        return self.definition.get("params") or {}

    @property
    def inputs(self) -> dict[str, Any]:
        """The values by the keys that the definition asks for, and the inputs of the run."""
        return {**self._driver.session.values(self._place, self.attempt, self.undo), **self._driver.inputs}

    @property
    def results(self) -> dict[str, Any]:
        """What the tasks made that this one waited for."""
        session, value_of = self._driver.session, self._driver.value_of
        return {session.task(place)[0]: value_of(place) for place in self._parents}

    @property
    def result(self) -> Any:
        """What the task itself made, for its undo."""
        return self._driver.value_of(self._place)

    @property
    def fence(self) -> int | None:
        """The fencing token of what the task claims, greater than that of every earlier grant; ``None`` without claims."""
        return self._driver.session.fence(self._place, self.attempt)

    @property
    def model(self) -> str | None:
        """The model that it should use: the cheaper one that a budget wants, else the first that it ``expects`` to use."""
        cheaper, _ = self._driver.session.grant(self._place, self.attempt)
        expected = self.definition.get("expects") or [{}]
        return cheaper or expected[0].get("model")

    @property
    def budget_usd(self) -> Decimal | None:
        """What it may spend at most, as the budget stood when it began; ``None``: there is no limit."""
        from decimal import Decimal

        _, most = self._driver.session.grant(self._place, self.attempt)
        return None if most is None else Decimal(most)

    def used(
        self,
        model: str,
        *,
        input: int = 0,
        output: int = 0,
        cache_read: int = 0,
        cache_write: int = 0,
        cache_write_1h: int = 0,
        reasoning: int = 0,
        requests: int = 1,
        billed_usd: float | None = None,
    ) -> None:
        """Says how many tokens the attempt used of a model, as often as it likes; the report adds it up and prices it.

        ``input`` counts cached tokens too, ``output`` reasoning. Attempts that fail count as well. From any thread.
        """
        counts = {
            "input": input,
            "output": output,
            "cache_read": cache_read,
            "cache_write": cache_write,
            "cache_write_1h": cache_write_1h,
            "reasoning": reasoning,
            "requests": requests,
        }
        said = _orch.Said.used({"model": model, **counts}, billed_usd)
        self._driver.tell(self._place, self.attempt, "said", said)

    def charge(
        self,
        said: Any,
        *,
        model: str | None = None,
        provider: str | None = None,
        batch: bool = False,
        dialect: str | None = None,
    ) -> Used:
        """Says what the attempt used of models by what an agent or an API answered, and answers what was found in it.
        Otherwise as :meth:`used`; parameters are those of :func:`orch.usage`. What :func:`orch.usage` has found, and
        :class:`orch.ModelUsage`, are taken too.

        >>> import orch
        >>> graph = orch.Graph("notes")
        >>> @graph.task
        ... async def draft(context: orch.Context) -> str:
        ...     answer = {"model": "claude-sonnet-4-5", "usage": {"input_tokens": 4_000, "output_tokens": 800}}
        ...     context.charge(answer)
        ...     return "a draft"
        >>> orch.run_sync(graph).task("draft").cost_usd
        0.024
        """
        from orch._report import ModelUsage
        from orch._usage import Used, models_for_core, usage

        if isinstance(said, Used):
            found = said
        elif isinstance(said, ModelUsage):
            found = Used("orch", (said,), 1)
        else:
            found = usage(said, model=model, provider=provider, batch=batch, dialect=dialect)
        for one in models_for_core(found):
            self._driver.tell(self._place, self.attempt, "said", _orch.Said.used(one, None))
        return found

    def add(self, fn: Callable[..., Any], /, **options: Unpack[TaskOptions]) -> Task[Any]:
        """Adds a task to the run, when this one has worked. Options and parameters are those of :meth:`orch.Graph.add`.

        It may wait for any task of the run and for others that are added; without one of these it waits for this task.

        >>> import orch
        >>> graph = orch.Graph("pages")
        >>> @graph.task
        ... async def find(context: orch.Context) -> None:
        ...     for nth in range(3):
        ...         context.add(lambda page: page * 10, id=f"read-{nth}", args={"page": nth})
        >>> [result.value for result in orch.run_sync(graph)]
        [None, 0, 10, 20]
        """
        return self._driver.add(self._place, self.attempt, fn, options)

    def checkpoint(self, name: str) -> None:
        """Makes a checkpoint of the run: what has ended by now is before it. See :meth:`orch.Run.back_to`. From any thread."""
        self._driver.tell(self._place, self.attempt, "said", _orch.Said.checkpoint(name))

    def heartbeat(self) -> None:
        """Says that the attempt is alive, which ``idle_timeout`` wants to hear. From any thread."""
        self._driver.tell(self._place, self.attempt, "heartbeat", "")

    def say(self, line: str) -> None:
        """Says a line of output, which becomes an event. Also counts as a heartbeat. From any thread."""
        self._driver.tell(self._place, self.attempt, "stdout", line)

    def __repr__(self) -> str:
        return f"<orch.Context of {self.id!r}, attempt {self.attempt}>"
