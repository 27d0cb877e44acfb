"""Checkpoints of runs, the way back, and the way on."""

from __future__ import annotations

import asyncio
import threading

import pytest

import orch


def release(did: list[str], broken: bool = False) -> orch.Graph:
    graph = orch.Graph("release")

    @graph.task(undo=lambda _: did.append("unbuild"))
    async def build() -> object:
        did.append("build")
        return threading.Lock()

    @graph.task(after=build, undo=lambda _: did.append("unpublish"))
    async def publish(build: object, context: orch.Context) -> str:
        context.checkpoint("built")
        did.append("publish")
        return "published"

    @graph.task(after=publish)
    async def announce() -> None:
        if broken:
            raise OSError("no network")
        did.append("announce")

    return graph


def test_a_run_goes_on_from_a_checkpoint():
    did: list[str] = []
    first = orch.run_sync(release(did, broken=True), check=False, undo=False)
    assert (first.checkpoints, did) == (["built"], ["build", "publish"])
    checkpoint = first.checkpoint("built")
    assert (checkpoint.name, checkpoint.tasks) == ("built", ["build"])

    second = orch.run_sync(release(did), restore=checkpoint)
    assert did == ["build", "publish", "publish", "announce"]
    assert second["build"] is first["build"], "the very object"
    assert second.task("build").attempts == 0

    # By way of a file, a result without a JSON form is lost: its task is run again.
    read = orch.Checkpoint.from_json(checkpoint.to_json())
    did.clear()
    orch.run_sync(release(did), restore=read)
    assert did == ["build", "publish", "announce"]


def test_what_was_undone_is_not_taken_over():
    did: list[str] = []
    report = orch.run_sync(release(did, broken=True), check=False)
    assert did == ["build", "publish", "unpublish", "unbuild"]
    assert report.checkpoint("built").tasks == []


def test_back_to_a_checkpoint():
    did: list[str] = []

    async def main() -> orch.Report:
        graph = release(did)
        # Whoever waits for ever is stopped by the way back.
        graph.add(asyncio.Event().wait, id="waits", after="announce")
        run = orch.start(graph, check=False)
        async for event in run:
            if event.name == "task_finished" and event.task == "publish":
                run.back_to("built")
        return await run.report()

    report = asyncio.run(main())
    assert report.state == "cancelled"
    assert "unpublish" in did
    assert "unbuild" not in did
    assert report.checkpoint("built").tasks == ["build"]


def test_a_checkpoint_by_the_caller():
    graph = orch.Graph()

    @graph.task
    async def one() -> int:
        return 1

    @graph.task(after=one)
    async def two(one: int) -> int:
        await asyncio.sleep(0)
        return one + 1

    async def main() -> orch.Report:
        run = orch.start(graph)
        async for event in run:
            if event.name == "task_finished" and event.task == "one":
                run.checkpoint("mine")
        return await run

    checkpoint = asyncio.run(main()).checkpoint("mine")
    assert checkpoint.tasks == ["one"]
    read = orch.Checkpoint.from_json(checkpoint.to_json())
    assert (read.values, repr(read)) == ({"one": 1}, "<orch.Checkpoint 'mine', 1 tasks>")
    assert orch.run_sync(graph, restore=read)["two"] == 2


def test_where_the_core_reads_values_they_are_restored_there():
    graph = orch.Graph()

    @graph.task(outputs=["colour"])
    async def choose() -> dict[str, str]:
        return {"colour": "blue"}

    @graph.task(after=choose, inputs=["colour"])
    async def paint(colour: str, context: orch.Context) -> str:
        context.checkpoint("chosen")
        return colour

    checkpoint = orch.run_sync(graph).checkpoint("chosen")
    read = orch.Checkpoint.from_json(checkpoint.to_json())
    for one in (checkpoint, read):
        report = orch.run_sync(graph, restore=one)
        assert (report.task("choose").attempts, report["paint"]) == (0, "blue")


def test_checkpoints_that_do_not_fit():
    did: list[str] = []
    report = orch.run_sync(release(did))
    with pytest.raises(orch.NotFound, match="made no checkpoint `none`"):
        report.checkpoint("none")
    other = orch.Graph("other")
    other.add(lambda: 1, id="x")
    with pytest.raises(orch.NotFound, match="`build` is no task of `other`"):
        orch.run_sync(other, restore=report.checkpoint("built"))
    for text in ("", "[]", "{}", '{"tasks": [1]}'):
        with pytest.raises(orch.InvalidFormat, match="that is no checkpoint"):
            orch.Checkpoint.from_json(text)
