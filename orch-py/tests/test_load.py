"""Definitions: agents that are functions, agents that are programs, and both in one run."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib

import pytest

import orch

COMMANDS = pathlib.Path(__file__).parents[2] / "examples" / "commands"


def command(*agents: dict[str, object]) -> str:
    """A command with one phase."""
    filled = [{"dependencies": [], "task": "do it", "agentId": agent["id"], **agent} for agent in agents]
    phases = [{"id": "one", "name": "One", "parallel": True, "agents": filled}]
    return json.dumps({"version": "2.0.0", "name": "/x", "description": "x", "phases": phases})


def test_functions_do_what_agents_do():
    text = command(
        {"id": "first-step", "agentId": "reader"},
        {"id": "second", "agentId": "writer", "task": "write it", "dependencies": ["first-step"], "params": {"tone": "dry"}},
    )

    async def reader(context: orch.Context) -> list[str]:
        return [context.id, context.description]

    def writer(first_step: list[str], context: orch.Context) -> object:
        return first_step, context.description, context.agent, context.results

    graph = orch.loads(text, {"reader": reader, "writer": writer})
    report = orch.run_sync(graph)
    first = ["first-step", "do it"]
    assert report["second"] == (first, "write it", "writer", {"first-step": first})
    assert (len(graph), "second" in graph, graph.plan().levels) == (2, True, [["first-step"], ["second"]])


def test_one_function_for_all_is_given_the_context():
    text = command({"id": "a"}, {"id": "b", "dependencies": ["a"]})
    report = orch.run_sync(orch.loads(text, {"*": lambda task: task.id.upper()}))
    assert [result.value for result in report] == ["A", "B"]


def test_programs_do_what_agents_do():
    text = command({"id": "a"}, {"id": "b", "dependencies": ["a"]})
    graph = orch.loads(text, programs={"a": "echo hello", "b": {"argv": ["sh", "-c", "cat | grep -o hello | head -1"]}})
    report = orch.run_sync(graph)
    assert (report["a"], report["b"]) == ("hello", "hello")


def test_functions_and_programs_in_one_run():
    text = command(
        {"id": "program"},
        {"id": "function", "dependencies": ["program"]},
        {"id": "again", "dependencies": ["function"], "agentId": "sh"},
    )

    async def function(program: dict[str, int]) -> dict[str, int]:
        await asyncio.sleep(0)
        return {"count": program["count"] + 1}

    graph = orch.loads(
        text,
        {"function": function},
        programs={"program": "echo '{\"count\": 1}'", "sh": {"argv": ["sh", "-c", "grep -o 'count\":[0-9]' | head -1"]}},
    )

    async def main() -> tuple[list[tuple[str | None, object]], orch.Report]:
        run = orch.start(graph)
        ended = [(event.task, event.value) async for event in run if event.name == "task_finished"]
        return ended, await run

    ended, report = asyncio.run(main())
    assert ended == [("program", {"count": 1}), ("function", {"count": 2}), ("again", 'count":2')]
    assert report["function"] == {"count": 2}


def test_a_program_that_fails_fails_its_task():
    with pytest.raises(orch.RunFailed) as caught:
        orch.run_sync(orch.loads(command({"id": "a"}), programs={"*": "sh -c 'echo bad >&2; exit 3'"}))
    assert isinstance(caught.value.__cause__, orch.TaskFailed)
    assert "bad" in str(caught.value.__cause__)


def test_a_program_is_stopped_with_its_run(tmp_path):
    mark = tmp_path / "pid"

    async def main() -> None:
        graph = orch.loads(command({"id": "a"}), programs={"a": {"argv": ["sh", "-c", f"echo $$ > {mark}; exec sleep 60"]}})
        run = orch.start(graph)
        for _ in range(2_000):
            if mark.exists() and mark.read_text().strip():
                break
            await asyncio.sleep(0.005)
        run.cancel("enough")
        report = await run.report()
        assert report.state == "cancelled"

    asyncio.run(main())
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_agents_that_are_nobody_are_named():
    graph = orch.loads(command({"id": "a"}, {"id": "b"}), {"b": lambda: None})
    with pytest.raises(orch.InvalidDefinition, match="no program is known for the agent `a`") as caught:
        graph.ready()
    assert [problem.code for problem in caught.value.problems] == ["UNKNOWN_AGENT"]


def test_functions_that_ask_for_too_much_are_refused():
    for call in (lambda x, y: None, lambda x, context: None):
        graph = orch.loads(command({"id": "a"}), {"a": call})
        with pytest.raises(orch.InvalidValue, match="neither tasks nor inputs: `x`"):
            graph.ready()


def test_what_is_no_definition_is_refused(tmp_path):
    with pytest.raises(orch.NotFound, match="there is no file"):
        orch.load(tmp_path / "missing.json")
    with pytest.raises(orch.InvalidFormat):
        orch.loads("{")
    with pytest.raises(orch.InvalidDefinition, match="`nobody`, which is no"):
        orch.loads(command({"id": "a", "dependencies": ["nobody"]}), {"*": lambda: None})
    with pytest.raises(orch.InvalidValue, match="the agent `a` is a `str`"):
        orch.loads(command({"id": "a"}), {"a": "echo"})  # type: ignore[dict-item]
    with pytest.raises(orch.InvalidDefinition, match="was loaded from a definition"):
        orch.loads(command({"id": "a"})).add(lambda: None)


def test_a_definition_that_is_shipped():
    graph = orch.load(COMMANDS / "review-all.json", {"*": lambda task: f"{task.id} is fine"})
    report = orch.run_sync(graph, max_parallel=4)
    assert (report.state, report["map-code"], len(report)) == ("succeeded", "map-code is fine", 7)
    assert "map-code" in graph.to_mermaid()


def test_inputs_of_a_definition_reach_its_functions():
    agent = {"id": "a", "context": {"inputs": [{"key": "topic"}]}}
    graph = orch.loads(command(agent), {"a": lambda topic: topic}, inputs=["topic"])
    assert orch.run_sync(graph, inputs={"topic": "trees"})["a"] == "trees"


def test_what_is_undone_is_undone_by_its_agent():
    text = command(
        {"id": "a", "compensation": {"agentId": "takes-back", "task": "take it back"}},
        {"id": "b", "dependencies": ["a"]},
    )
    undone = []

    def fails() -> None:
        raise ValueError("b")

    agents = {"a": lambda: "made", "b": fails, "takes-back": lambda context: undone.append((context.undo, context.result))}
    graph = orch.loads(text, agents)
    report = orch.run_sync(graph, check=False)
    assert (report.task("a").state, undone) == ("undone", [(True, "made")])


def asking(*tasks: tuple[str, str]) -> str:
    """A command whose tasks ask for a capability."""
    agents = [{"id": id, "task": "do it", "capability": can, "estimatedTime": 60_000} for id, can in tasks]
    phases = [{"id": "one", "name": "One", "agents": agents}]
    return json.dumps({"version": "2.0.0", "name": "/x", "description": "x", "phases": phases})


def test_who_failed_before_is_not_asked_again(tmp_path):
    asked = []

    async def flaky(context: orch.Context) -> str:
        asked.append("flaky")
        raise OSError("not today")

    async def steady(context: orch.Context) -> str:
        asked.append("steady")
        return "looked"

    agents = {"flaky": orch.Agent(flaky, ["security review"]), "steady": orch.Agent(steady, ["security review", "docs"])}
    graph = orch.loads(asking(("look", "Security")), agents)
    store = orch.Store(tmp_path / "runs.db")
    # Of equals the earlier name.
    assert [(it.task, it.agent) for it in graph.plan(store=store).assigned] == [("look", "flaky")]
    failed = orch.run_sync(graph, store=store, check=False)
    assert (failed.state, asked) == ("failed", ["flaky"])

    # Who had it keeps it in the same run; the next run asks whoever did better.
    again = orch.resume_sync(failed.run, graph, store=store, check=False)
    assert (again.state, asked) == ("failed", ["flaky", "flaky"])
    assert orch.run_sync(graph, store=store)["look"] == "looked"
    assert "definition" not in store.preview(failed.run, graph).again["look"], "it is still that of `flaky`"
    (chosen,) = graph.plan(store=store).assigned
    assert (chosen.agent, chosen.capability, chosen.again) == ("steady", "Security", False)
    assert chosen.why.startswith("look: steady, which can Security; expected to take ")
    assert ", flaky " in chosen.why

    async def whole() -> tuple[str, ...]:
        run = orch.start(graph, store=store)
        assigned = run.assigned
        await run
        return tuple(it.agent for it in assigned)

    assert asyncio.run(whole()) == ("steady",)
    assert graph.plan().assigned[0].agent == "flaky", "without a store nobody knows"


def test_who_does_so_many_at_once_does_no_more():
    now, most = 0, 0

    async def narrow(context: orch.Context) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _ in range(3):
            await asyncio.sleep(0)
        now -= 1

    text = asking(*((f"t{nth}", "count") for nth in range(5)))
    orch.run_sync(orch.loads(text, {"narrow": orch.Agent(narrow, "count", at_once=2)}))
    assert most == 2
    programs = {"adder": {"argv": ["true"], "capabilities": ["count"], "at_once": 1}}
    graph = orch.loads(text, programs=programs)
    assert orch.run_sync(graph).state == "succeeded"
    assert {it.agent for it in graph.plan().assigned} == {"adder"}


def test_what_nobody_can_do_is_told():
    graph = orch.loads(asking(("a", "juggle")), {"narrow": orch.Agent(print, ["count"])})
    with pytest.raises(orch.InvalidDefinition, match="no agent can `juggle` \\(known: `count`\\)") as raised:
        graph.plan()
    assert [problem.code for problem in raised.value.problems] == ["NO_CAPABLE_AGENT"]
    with pytest.raises(orch.InvalidValue, match="`at_once` of the agent `x` is 0; give a whole number, at least 1"):
        orch.loads(asking(), {"x": orch.Agent(print, at_once=0)})
