"""Progress: the bar, the lines, the callback."""

from __future__ import annotations

import asyncio
import io

import pytest

import orch
from orch._progress import Progress


async def one() -> int:
    return 1


async def fails() -> None:
    raise ValueError("no luck")


def graph_of(count: int) -> orch.Graph:
    graph = orch.Graph("work")
    for nth in range(count):
        graph.add(one, id=f"t{nth}", after=[f"t{nth - 1}"] if nth else [])
    return graph


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(graph: orch.Graph, out: io.StringIO, **options) -> list[str]:
    orch.run_sync(graph, progress=Progress(graph.name, len(graph), out), check=False, **options)
    return out.getvalue().split("\n")


def without_time(line: str) -> str:
    return ", ".join(part for part in line.split(", ") if not part.endswith(" s"))


def test_lines_where_there_is_no_terminal(capsys):
    orch.run_sync(graph_of(200), progress=True)
    out, err = capsys.readouterr()
    lines = [without_time(line) for line in err.splitlines()]
    assert out == ""
    assert lines == [f"work: {nth * 20}/200" for nth in range(1, 10)] + ["work: 200/200, succeeded"]
    orch.run_sync(graph_of(3))
    assert capsys.readouterr() == ("", "")


def test_failures_are_told_at_once():
    graph = graph_of(2)
    graph.add(fails, after="t0")
    graph.add(one, id="late", after="fails")
    lines = [without_time(line) for line in shown(graph, io.StringIO(), on_failure="continue")]
    assert "work: `fails` failed: ValueError: no luck" in lines
    assert lines[-2:] == ["work: 4/4, 1 failed, failed", ""]


def test_the_bar_is_drawn_now_and_then():
    lines = shown(graph_of(2000), Terminal())
    assert len(lines) == 2, "one line, drawn over"
    drawings = lines[0].split("\r\x1b[K")
    assert without_time(drawings[-1]) == f"work [{'#' * 24}] 2000/2000, succeeded"
    assert without_time(drawings[1]) == f"work [{'.' * 24}] 0/2000"
    assert shown(orch.Graph("work"), Terminal())[-1] == ""


class Told:
    """An event as the display reads it."""

    def __init__(self, at: float, name: str, task: str | None = None, **data: object) -> None:
        self.at, self.name, self.task, self.data = at, name, task, data


def test_the_bar_is_calm_and_grows_with_the_run():
    out = Terminal()
    bar = Progress("work", 50, out)
    for nth in range(50):
        bar(Told(nth / 64, "task_finished", f"t{nth}", state="succeeded"))  # type: ignore[arg-type]
    bar(Told(0.8, "tasks_added", "t49", tasks=["more"]))  # type: ignore[arg-type]
    bar(Told(0.9, "task_skipped", "t49", state="undone"))  # type: ignore[arg-type]
    bar(Told(0.91, "run_finished", state="succeeded"))  # type: ignore[arg-type]
    drawn = [without_time(line).split("] ")[-1] for line in out.getvalue().rstrip().split("\r\x1b[K")[1:]]
    assert drawn == [*(f"{nth}/50" for nth in range(1, 51, 7)), "50/51", "50/51, succeeded"]


def test_a_callback_is_given_every_event():
    told: list[str] = []
    values: list[object] = []

    def hear(event: orch.Event) -> None:
        told.append(event.name)
        values.append(event.value)

    report = orch.run_sync(graph_of(3), progress=hear)
    assert report.state == "succeeded"
    assert (told[0], told[-1], told.count("task_finished")) == ("run_started", "run_finished", 3)
    assert values.count(1) == 3

    async def main() -> list[str]:
        told.clear()
        run = orch.start(graph_of(3), progress=hear)
        return [event.name async for event in run]

    assert asyncio.run(main()) == told


def test_a_callback_that_raises_is_told_of_once_and_ends_nothing(caplog):
    calls: list[str] = []

    def raises(event: orch.Event) -> None:
        calls.append(event.name)
        raise ZeroDivisionError("callback")

    message = "the progress of `work` is told no more: `raises` raised ZeroDivisionError: callback"
    with pytest.warns(RuntimeWarning, match=message):
        assert orch.run_sync(graph_of(3), progress=raises).state == "succeeded"
    assert (calls, [record.message for record in caplog.records]) == (["run_started"], [message])
    # Here warnings are errors.
    assert orch.run_sync(graph_of(3), progress=raises).state == "succeeded"


async def coroutine(event: orch.Event) -> None:
    pass


@pytest.mark.parametrize("progress", [coroutine, "yes", 3])
def test_what_is_no_callback_is_refused(progress):
    with pytest.raises(orch.InvalidValue, match="give True, or a plain function that is given each event"):
        orch.run_sync(graph_of(1), progress=progress)
