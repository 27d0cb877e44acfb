"""Runs in a store: kept, listed, resumed by content."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import enum
import functools
import gc
import json
import pathlib
import subprocess
import sys
import threading

import pytest

import orch


@pytest.fixture
def store(tmp_path):
    return orch.Store(tmp_path / "runs.db")


class Flow:
    """Two tasks after one; the last one fails until it is mended."""

    def __init__(self, by: int = 2) -> None:
        self.did: list[str] = []
        self.broken = True
        self.keys: list[str] = []
        self.by = by

    def graph(self, name: str = "flow") -> orch.Graph:
        graph = orch.Graph(name)
        did, keys, by = self.did, self.keys, self.by

        @graph.task
        async def collect() -> list[int]:
            did.append("collect")
            return [1, 2, 3]

        @graph.task
        def scale(collect: list[int]) -> list[int]:
            did.append("scale")
            return [by * number for number in collect]

        @graph.task
        async def publish(scale: list[int], context: orch.Context) -> int:
            did.append("publish")
            keys.append(context.idempotency_key)
            if self.broken:
                raise OSError("the network is down")
            return sum(scale)

        return graph


def test_what_is_done_is_not_done_again(store):
    flow = Flow()
    with pytest.raises(orch.RunFailed) as failed:
        orch.run_sync(flow.graph(), store=store)
    assert flow.did == ["collect", "scale", "publish"]
    flow.broken = False
    report = orch.resume_sync(failed.value.report.run, flow.graph(), store=store)
    assert flow.did == ["collect", "scale", "publish", "publish"]
    assert (report["publish"], report["scale"], report.run) == (12, [2, 4, 6], failed.value.report.run)
    first, second = flow.keys
    assert first == second, "the same work has the same key"
    assert len(first) == 64
    # By now there is nothing left to do.
    orch.resume_sync(None, flow.graph(), store=store)
    assert len(flow.did) == 4


def test_other_work_has_another_key(store):
    flow = Flow()
    flow.broken = False
    for name in ("one", "two"):
        orch.run_sync(flow.graph(name), store=store)
    assert flow.keys[0] != flow.keys[1]


def test_an_edited_function_and_what_builds_on_it_is_run_again(store):
    flow = Flow()
    flow.broken = False
    run = orch.run_sync(flow.graph(), store=store).run
    edited = Flow(by=3)
    edited.broken = False
    preview = store.preview(run, edited.graph())
    assert preview.kept == ("collect",)
    assert preview.again == {"scale": "its definition changed", "publish": "`scale` is run again"}
    assert orch.resume_sync(run, edited.graph(), store=store)["publish"] == 18
    assert edited.did == ["scale", "publish"]


def test_what_a_function_is_given_belongs_to_it(store):
    def graph(number):
        graph = orch.Graph("given")
        graph.add(lambda number: number, id="one", args={"number": number})
        graph.add(lambda: 1, id="two")
        return graph

    run = orch.run_sync(graph(1), store=store).run
    assert store.preview(run, graph(1)).again == {}
    assert store.preview(run, graph(2)).again == {"one": "its definition changed"}
    assert orch.resume_sync(run, graph(2), store=store)["one"] == 2


def test_a_function_is_the_same_in_another_process_and_elsewhere_in_the_file():
    program = """if 1:
        import orch
        from orch._content import content
        graph = orch.Graph()
        @graph.task
        async def a(x: int = 3) -> bool:
            {comment}
            return x in {{"one", "two", "three", "four"}} and any(x for _ in [{number}])
        print(content(graph.tasks[0]))
    """

    def hashed(comment, number):
        code = program.format(comment=comment, number=number)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return done.stdout

    assert hashed("# one", 1) == hashed("# two\n            # lines", 1) != hashed("# one", 2)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Part:
    path: pathlib.PurePosixPath
    colour: Colour


@dataclasses.dataclass
class Whole:
    parts: list[Part]
    made: datetime.datetime
    sizes: dict[str, tuple[int, str]]
    none: Part | None = None


def test_results_come_back_as_what_they_were(store):
    made = Whole([Part(pathlib.PurePosixPath("a/b"), Colour.RED)], datetime.datetime(2026, 1, 2), {"a": (1, "b")})
    pydantic = pytest.importorskip("pydantic")
    model_of = pydantic.create_model("Model", size=(int, ...))
    seen, broken = [], [1]

    def graph():
        graph = orch.Graph("typed")

        @graph.task
        async def whole() -> Whole:
            return made

        @graph.task
        def model():
            return model_of(size=3)

        model.fn.__annotations__["return"] = model_of

        @graph.task
        async def read(whole: Whole, model) -> None:
            seen.append((whole, model))
            if broken:
                raise ValueError

        return graph

    run = orch.run_sync(graph(), store=store, check=False).run
    broken.clear()
    orch.resume_sync(run, graph(), store=store)
    assert seen == [(made, model_of(size=3))] * 2
    assert store.report(run)["whole"] == json.loads(json.dumps(orch._orch.plain(made)))


def test_what_is_no_such_thing_any_more_is_said(store):
    def graph(kind):
        graph = orch.Graph("typed")

        def colour():
            return "blue"

        colour.__annotations__["return"] = kind
        graph.add(colour)
        graph.add(lambda colour: 1 / 0, id="read")
        return graph

    run = orch.run_sync(graph(str), store=store, check=False).run
    with pytest.raises(orch.InvalidValue, match="what task `colour` made then is no `Colour` any more"):
        orch.resume_sync(run, graph(Colour), store=store)


def test_a_result_without_a_json_form_fails_its_task(store):
    graph = orch.Graph("objects")

    class Client:
        pass

    graph.add(lambda: Client(), id="connect")
    with pytest.raises(orch.RunFailed) as failed:
        orch.run_sync(graph, store=store)
    words = str(failed.value.errors["connect"])
    assert "task `connect`" in words
    assert "Client` has no JSON form; return plain data" in words
    assert "run it without a store" in words
    # Without a store it may be any object.
    assert isinstance(orch.run_sync(graph)["connect"], Client)


def test_inputs_are_kept_too(store):
    seen = []

    def graph():
        graph = orch.Graph("inputs")
        graph.add(lambda depth: seen.append(depth), id="look")
        graph.add(lambda: 1 / 0, id="fail", after="look")
        return graph

    run = orch.run_sync(graph(), store=store, inputs={"depth": 2}, check=False).run
    orch.resume_sync(run, graph(), store=store, check=False)
    assert (seen, store.inputs(run)) == ([2], {"depth": 2})
    orch.resume_sync(run, graph(), store=store, check=False, inputs={"depth": 3})
    assert (seen, store.inputs(run)) == ([2, 3], {"depth": 3})
    with pytest.raises(orch.InvalidValue, match="has no JSON form"):
        orch.run_sync(graph(), store=store, inputs={"depth": object()})


def test_tasks_that_were_added_are_added_again_or_kept(store):
    did, broken = [], [1]

    def graph():
        graph = orch.Graph("adds")

        @graph.task
        async def find(context: orch.Context) -> None:
            did.append("find")
            for nth in range(3):
                context.add(read, id=f"read-{nth}", args={"nth": nth})

        def read(nth):
            did.append(nth)
            if nth == 2 and broken:
                raise OSError("no")
            return nth

        return graph

    run = orch.run_sync(graph(), store=store, check=False, on_failure="continue").run
    assert sorted(map(str, did)) == ["0", "1", "2", "find"]
    broken.clear()
    for times in (2, 2):
        report = orch.resume_sync(run, graph(), store=store)
        assert did.count("find") == times
        assert [report[f"read-{nth}"] for nth in range(3)] == [0, 1, 2]


def test_a_store_lists_and_tells_of_its_runs(store):
    flow = Flow()
    first = orch.run_sync(flow.graph("first"), store=store, check=False)
    second = orch.run_sync(flow.graph("second"), store=store, source="nightly", check=False)
    assert [(run.name, run.source, run.state) for run in store.runs()] == [
        ("second", "nightly", "failed"),
        ("first", "first", "failed"),
    ]
    assert [run.run for run in store.runs("nightly")] == [second.run]
    assert len(store.runs(limit=1)) == 1
    assert store.run(first.run[-8:]).run == first.run
    assert store.run().run == second.run
    assert store.runs()[0].created.tzinfo is datetime.timezone.utc
    report = store.report(first.run)
    assert (report.state, report["scale"], report.counts.failed) == ("failed", [2, 4, 6], 1)
    assert store.events(first.run)[-1]["event"] == "run_finished"
    assert store.check() == []
    with pytest.raises(orch.NotFound, match="no run `feedfeed`"):
        store.report("feedfeed")
    with pytest.raises(orch.Misuse, match="has ended"):
        store.cancel(first.run)
    copy = store.path.with_name("copy.db")
    store.export(copy)
    assert len(orch.Store(copy).runs()) == 2
    assert store.compact(older_than=0.0)["runs"] == 2


def loop_of(test):
    """A test on a loop of its own."""

    @functools.wraps(test)
    def run(store):
        asyncio.run(asyncio.wait_for(test(store), 30))

    return run


def sql(path, statement):
    """By another SQLite, in a process of its own: two makes of it must not have a file open in one process."""
    code = f"import sqlite3; db = sqlite3.connect({str(path)!r}, timeout=10); {statement}\ndb.commit(); db.close()"
    subprocess.run([sys.executable, "-c", code], check=True)


def until_heard(store, run):
    """Waits until the owner of a run has taken all that was left for it. It looks again only when it is through with that."""
    for _ in range(2):
        store.pause(run)
        sql(store.path, "import time\nwhile db.execute('SELECT count(*) FROM wishes').fetchone()[0]: time.sleep(0.01)\n")


@loop_of
async def test_a_run_is_paused_and_cancelled_from_elsewhere(store):
    graph = orch.Graph("long")
    began, may_end, second_began = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @graph.task
    async def first() -> None:
        began.set()
        await may_end.wait()

    @graph.task(after="first")
    async def second() -> None:
        second_began.set()
        await asyncio.Event().wait()

    run = orch.start(graph, store=store)
    events = aiter(run)
    while (await anext(events)).name != "task_started":
        pass
    await began.wait()
    elsewhere = orch.Store(store.path)
    assert elsewhere.pause(run.id[-12:]) == run.id
    until_heard(elsewhere, run.id)
    may_end.set()
    while (await anext(events)).name != "task_finished":
        pass
    for _ in range(20):
        await asyncio.sleep(0)
    assert not second_began.is_set(), "nothing begins while it is paused"
    elsewhere.unpause(run.id)
    await second_began.wait()
    elsewhere.cancel(run.id, "enough")
    report = await run.report()
    assert (report.state, report.stopped) == ("cancelled", "enough")
    assert store.run(run.id).state == "cancelled"


@loop_of
async def test_a_run_belongs_to_one_process(store):
    graph = orch.Graph("owned")
    going = asyncio.Event()

    @graph.task
    async def wait() -> None:
        await going.wait()

    run = orch.start(graph, store=store)
    # What is told is stored.
    await anext(aiter(run))
    with pytest.raises(orch.Conflict, match="belongs to process") as refused:
        await orch.resume(run.id, graph, store=orch.Store(store.path))
    assert refused.value.code == "CONFLICT"
    going.set()
    assert (await run).state == "succeeded"


def test_a_damaged_run_is_refused(store):
    flow = Flow()
    run = orch.run_sync(flow.graph(), store=store, check=False).run
    sql(store.path, "db.execute('UPDATE journal SET body = zeroblob(length(body))')")
    with pytest.raises(orch.Corrupt) as refused:
        store.report(run)
    assert refused.value.code == "CORRUPT"
    with pytest.raises(orch.Corrupt):
        orch.resume_sync(run, flow.graph(), store=store)
    assert store.check() != []


@loop_of
async def test_a_store_that_fails_ends_the_run_and_its_tasks(store):
    graph = orch.Graph("full")
    stopped = []

    @graph.task
    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(1)
            raise

    graph.add(lambda: 1, id="first")
    graph.add(lambda first: 2, id="second")
    store.runs()
    full = "CREATE TRIGGER full BEFORE INSERT ON journal WHEN NEW.id % (1 << 40) > 0 BEGIN SELECT RAISE(ABORT, 'no room'); END"
    sql(store.path, f'db.execute("{full}")')
    run = orch.start(graph, store=store)
    with pytest.raises(orch.InputOutputError, match="no room"):
        await asyncio.wait_for(run.report(), 20)
    await asyncio.sleep(0)
    assert (stopped, run.state) == ([1], "failed")


def test_a_run_that_is_dropped_in_the_middle_gives_its_store_back(store):
    for _ in range(20):
        graph = orch.Graph("dropped")
        for nth in range(50):
            graph.add(lambda: None, id=f"t{nth}")

        async def begin(graph=graph):
            return orch.start(graph, store=store).id

        loop = asyncio.new_event_loop()
        loop.run_until_complete(begin())
        loop.close()
        # It may be storing just now, and about to tell the driver so.
        gc.collect()
    flow = Flow()
    assert orch.run_sync(flow.graph(), store=store, check=False).state == "failed"


def test_wide_and_long_runs_are_kept_whole(store):
    wide, chain = orch.Graph("wide"), orch.Graph("chain")
    for nth in range(2000):

        async def leaf(nth=nth) -> int:
            return nth

        wide.add(leaf, id=f"w{nth}")
        chain.add(leaf, id=f"c{nth}", after=f"c{nth - 1}" if nth else ())
        if nth == 300:
            chain_length = nth + 1
        if nth > 300:
            del chain._tasks[f"c{nth}"]
    for graph, size in ((wide, 2000), (chain, chain_length)):
        report = orch.run_sync(graph, store=store)
        stored = store.report(report.run)
        assert stored.counts.succeeded == len(stored) == size
        assert [result.value for result in stored] == list(range(size))
    assert store.check() == []


def test_options_that_do_not_fit_are_refused(store, tmp_path):
    graph = orch.Graph("options")
    graph.add(lambda: None, id="one")
    with pytest.raises(orch.InvalidValue, match="`sync` is \"fast\"; give 'normal' or 'full'"):
        orch.run_sync(graph, store=store, sync="fast")  # type: ignore[arg-type]
    with pytest.raises(orch.InvalidValue, match="give `store` too"):
        orch.run_sync(graph, source="x")
    with pytest.raises(orch.NotFound, match="the store has no run of `options`"):
        orch.resume_sync(None, graph, store=store)
    (tmp_path / "text.db").write_text("this is no database, but it is long enough to be one" * 100)
    with pytest.raises(orch.InvalidFormat):
        orch.Store(tmp_path / "text.db")
    report = orch.run_sync(graph, store=store, sync="full")
    with pytest.raises(orch.InvalidValue, match="give one"):
        orch.run_sync(graph, store=store, resume=True, restore=orch.Checkpoint({"name": "x", "tasks": []}, {}))
    assert report.state == "succeeded"


def test_the_default_place_is_that_of_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert orch.Store().path == tmp_path / "data/orch/orch.db"
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    (repository / ".git/HEAD").write_text("ref: refs/heads/main\n")
    monkeypatch.chdir(repository)
    graph = orch.Graph("here")
    graph.add(lambda: 1, id="one")
    orch.run_sync(graph, store=True)
    assert (repository / ".git/orch/orch.db").stat().st_mode & 0o777 == 0o600
    assert orch.resume_sync(None, graph)["one"] == 1
    listed = subprocess.run([sys.executable, "-m", "orch", "runs"], capture_output=True, text=True, check=True)
    assert "succeeded" in listed.stdout
    assert "here" in listed.stdout


def test_who_keeps_no_run_pays_nothing():
    code = """if 1:
        import sys, threading
        import orch
        graph = orch.Graph()
        @graph.task
        async def one() -> int:
            return 1
        orch.run_sync(graph)
        assert not {"orch._store", "orch._content", "hashlib"} & set(sys.modules), "it is imported when it is asked for"
        import os
        assert len(os.listdir("/proc/self/task")) == 1
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_threads_may_share_a_store(store):
    ended = []

    def work(nth):
        graph = orch.Graph(f"thread-{nth}")
        graph.add(lambda: nth, id="one")
        ended.append(orch.run_sync(graph, store=store)["one"])

    threads = [threading.Thread(target=work, args=(nth,)) for nth in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == list(range(8))
    assert len(store.runs()) == 8


def test_a_program_that_ends_right_after_its_run_ends_well(store):
    code = f"""if 1:
        import orch
        store = orch.Store({str(store.path)!r})
        graph = orch.Graph("short")
        graph.add(lambda: 1, id="one")
        report = orch.run_sync(graph, store=store)
        # At the end of the interpreter there is a session that nobody has collected.
        graph.self = graph
    """
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_no_start_is_lost_where_few_run_at_once(tmp_path):
    """The store answers while tasks are suspended: what it lets begin must not be dropped by who goes on then."""
    store = orch.Store(tmp_path / "runs.db")
    for _ in range(30):
        graph = orch.Graph("narrow")

        async def work(context: orch.Context) -> str:
            await asyncio.sleep(0)
            return context.id

        for row in range(4):
            after = [f"{row - 1}-{other}" for other in range(5)] if row else []
            for column in range(5):
                graph.add(work, id=f"{row}-{column}", after=after)

        async def whole(graph=graph):
            return await asyncio.wait_for(orch.run(graph, store=store, max_parallel=3), 20)

        assert asyncio.run(whole()).counts.succeeded == 20
