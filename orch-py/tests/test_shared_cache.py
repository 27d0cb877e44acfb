"""Results in a store: they outlive their process, and of all processes that want one, one makes it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

import orch


@pytest.fixture
def store(tmp_path):
    return orch.Store(tmp_path / "runs.db")


@dataclasses.dataclass
class Size:
    width: int


made: list[object] = []


def measure(name: str) -> Size:
    made.append(name)
    return Size(len(name))


async def measure_later(name: str) -> Size:
    await asyncio.sleep(0)
    return measure(name)


@pytest.fixture(autouse=True)
def nothing_is_made():
    made.clear()


def test_what_a_function_made_is_found_by_another_cache_as_what_it_was(store):
    for _ in range(2):
        # As another process has it: nothing in memory.
        cache = orch.Cache(store=store)
        cached = orch.cached(cache=cache)(measure)
        assert [cached("ab"), cached("ab"), cached("abc")] == [Size(2), Size(2), Size(3)]
        later = orch.cached(cache=cache)(measure_later)
        assert asyncio.run(later("x")) == Size(1)
        cache.settle()
    assert made == ["ab", "abc", "x"]
    assert cached.cache_info() == (1, 0), "one was in memory by then; those from the store are neither made nor hits"


def test_an_edited_function_finds_nothing(store):
    def version(by):
        def scale(number):
            made.append(by)
            return number * by

        scale.__qualname__ = "scale"
        return orch.cached(cache=orch.Cache(store=store))(scale)

    for by in (2, 2, 3):
        scale = version(by)
        assert scale(5) == 5 * by
        scale.cache.settle()
    assert made == [2, 3]


def test_what_others_cannot_have_is_said(store):
    cache = orch.Cache(store=store)
    with pytest.raises(orch.InvalidValue, match="has no JSON form; return plain data"):
        cache.get_or_make("key", lambda: object())
    assert cache.get_or_make("key", lambda: 1) == 1, "the lead was given up"


def test_a_dropped_entry_is_dropped_for_others_too(store):
    first, second = orch.Cache(store=store), orch.Cache(store=store)
    assert first.get_or_make("key", lambda: 1) == 1
    first.settle()
    assert second.invalidate(key="key") == 0
    assert second.get_or_make("key", lambda: 2) == 2


def test_who_is_trusted_reads_nothing_of_who_is_not(store):
    def caches():
        return orch.Cache(store=store, trusted=False), orch.Cache(store=store)

    stranger, own = caches()
    assert stranger.get_or_make("key", lambda: "bad") == "bad"
    stranger.settle()
    assert own.get_or_make("key", lambda: "good") == "good"
    own.settle()
    stranger, own = caches()
    assert (stranger.get_or_make("key", lambda: "again"), own.get_or_make("key", lambda: "again")) == ("good", "good")


def test_tasks_of_later_runs_find_what_earlier_ones_made(store):
    def graph():
        graph = orch.Graph("analysis")
        graph.add(lambda: made.append("map") or {"files": 3}, id="map", outputs={"map": 3600})
        graph.add(lambda map: map, id="read")
        return graph

    for _ in range(2):
        cache = orch.Cache(store=store)
        report = orch.run_sync(graph(), cache=cache, store=store)
        assert report["read"] == {"files": 3}
        cache.settle()
    assert made == ["map"]
    # Another function under the same name makes it anew.
    other = orch.Graph("analysis")
    other.add(lambda: made.append("map") or {"files": 4}, id="map", outputs={"map": 3600})
    assert orch.run_sync(other, cache=orch.Cache(store=store))["map"] == {"files": 4}


def test_a_store_that_fails_does_not_keep_functions_from_working(store, caplog):
    cache = orch.Cache(store=store)
    code = "import sqlite3; db = sqlite3.connect({!r}); db.execute('DROP TABLE leases'); db.commit()"
    subprocess.run([sys.executable, "-c", code.format(str(store.path))], check=True)
    assert cache.get_or_make("key", lambda: 1) == 1
    assert "is not shared with other processes" in caplog.text
    assert cache.get_or_make("key", lambda: 2) == 1


def test_who_waits_may_be_interrupted(store):
    first, second = orch.Cache(store=store), orch.Cache(store=store)
    asked, end = threading.Event(), threading.Event()

    def long():
        asked.set()
        end.wait()
        return 1

    maker = threading.Thread(target=first.get_or_make, args=("key", long))
    maker.start()
    asked.wait()

    async def gives_up():
        # In Python 3.10 they are two.
        with pytest.raises((TimeoutError, asyncio.TimeoutError)):
            await asyncio.wait_for(second.get_or_make_async("key", measure_later_as("x")), 0.1)

    asyncio.run(gives_up())
    end.set()
    maker.join()
    assert second.get_or_make("key", lambda: 2) == 1
    assert made == []


def measure_later_as(name):
    return lambda: measure_later(name)


WORKER = """if 1:
    import os, random, sys, threading, time
    import orch
    folder, seed, victim = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    log = os.open(f"{folder}/log", os.O_WRONLY | os.O_APPEND)
    say = lambda *words: os.write(log, (" ".join(map(str, words)) + "\\n").encode())
    cache = orch.Cache(store=orch.Store(f"{folder}/runs.db"))
    def look(nth):
        keys = [f"key-{number}" for number in range(KEYS)]
        random.Random(seed * 100 + nth).shuffle(keys)
        for key in keys:
            def make():
                say("begin", key, os.getpid(), time.monotonic_ns())
                if key == victim:
                    os.kill(os.getpid(), 9)
                value = f"{key} of {os.getpid()}-{nth}"
                say("end", key, os.getpid(), time.monotonic_ns(), value)
                return value
            asked = time.monotonic_ns()
            value = cache.get_or_make(key, make)
            say("got", key, asked, time.monotonic_ns(), value)
    threads = [threading.Thread(target=look, args=(nth,)) for nth in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
"""


def test_of_many_processes_and_threads_one_makes_each_value(tmp_path):
    """Eight processes of four threads each; two of them kill themselves while they make something. Longer by
    ORCH_SHARED_KEYS=500."""
    keys = int(os.environ.get("ORCH_SHARED_KEYS", "12"))
    (tmp_path / "log").touch()
    victims = {0: "key-3", 1: "key-7"}
    code = WORKER.replace("KEYS", str(keys)).replace("\\\\n", "\\n")
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(seed), victims.get(seed, "")], stderr=subprocess.PIPE)
        for seed in range(8)
    ]
    killed = set()
    for process in processes:
        _, stderr = process.communicate(timeout=300)
        assert process.returncode in (0, -signal.SIGKILL), stderr.decode()
        if process.returncode:
            killed.add(str(process.pid))
    check_history((tmp_path / "log").read_text().splitlines(), keys, killed)


IN_PYTHON = """if 1:
    import json, os, sys, time
    import orch
    folder, victim = sys.argv[1:]
    log = os.open(f"{folder}/log", os.O_WRONLY | os.O_APPEND)
    say = lambda *words: os.write(log, (" ".join(map(str, words)) + chr(10)).encode())
    def work(context: orch.Context) -> str:
        say("begin", context.id, os.getpid(), time.time_ns())
        if context.id == victim:
            os.kill(os.getpid(), 9)
        # Long enough for others to come in.
        time.sleep(0.02)
        value = f"{context.id} of {os.getpid()}-0"
        say("end", context.id, os.getpid(), time.time_ns(), value)
        return value
    graph, store = orch.load(f"{folder}/wide.json", {"*": work}), orch.Store(f"{folder}/runs.db")
    report = orch.run_sync(graph, cache=orch.Cache(store=store), store=store, max_parallel=4)
    print(json.dumps({task.id: task.value for task in report}))
"""

ON_THE_COMMAND_LINE = """[agents."*"]
argv = ["sh", "-c", '''
echo "begin $ORCH_TASK_ID $PPID $(date +%s%N)" >> log
value="$ORCH_TASK_ID of $PPID-0"
echo "end $ORCH_TASK_ID $PPID $(date +%s%N) $value" >> log
printf %s "$value"
''']
"""


def test_of_processes_in_several_languages_one_does_each_task(tmp_path):
    """Four on the command line, in Rust, four in Python, one of which kills itself; four tasks at once in each. Each keeps its
    run in the same file. Longer by ORCH_SHARED_KEYS=500."""
    keys = int(os.environ.get("ORCH_SHARED_KEYS", "12"))
    (tmp_path / "log").touch()
    tasks = [
        {
            "id": f"key-{number}",
            "agentId": "worker",
            "task": f"Do number {number}",
            "context": {"outputs": [{"key": f"value-{number}", "ttl": 3600}]},
        }
        for number in range(keys)
    ]
    phases = [{"id": "all", "name": "All", "agents": tasks}]
    definition = {"version": "2.0.0", "name": "/wide", "description": "Wide", "phases": phases}
    (tmp_path / "wide.json").write_text(json.dumps(definition))
    (tmp_path / "agents.toml").write_text(ON_THE_COMMAND_LINE)
    options = ["--agents", "agents.toml", "--store", "runs.db", "--max-parallel", "4", "--json"]
    command_line = [sys.executable, "-m", "orch", "run", "wide.json", *options]
    in_python = [sys.executable, "-c", IN_PYTHON, str(tmp_path)]
    commands = [args for nth in range(4) for args in ([*in_python, "" if nth else "key-5"], command_line)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(args, cwd=tmp_path, **pipes) for args in commands]
    killed, got = set(), []
    for process in processes:
        stdout, stderr = process.communicate(timeout=300)
        assert process.returncode in (0, -signal.SIGKILL), stderr
        if process.returncode:
            killed.add(str(process.pid))
            continue
        told = json.loads(stdout)
        values = {task["id"]: task["output"] for task in told["tasks"]} if "tasks" in told else told
        assert len(values) == keys
        got += [f"got {key} 0 {2**63} {value}" for key, value in values.items()]
    check_history([*(tmp_path / "log").read_text().splitlines(), *got], keys, killed)
    store = orch.Store(tmp_path / "runs.db")
    assert store.check() == []
    states = sorted(run.state for run in store.runs())
    assert states == ["running"] * len(killed) + ["succeeded"] * (8 - len(killed))


def check_history(lines, keys, killed):
    """Each key is a register that is written once: nobody got a value before it was made, and nobody another one.

    Who was killed may have been making a value, or may not have told of it yet: then it was made once more. Nobody else does
    so.
    """
    begun, ended, got = {}, {}, {}
    for line in lines:
        what, key, *rest = line.split(maxsplit=4)
        {"begin": begun, "end": ended, "got": got}[what].setdefault(key, []).append(rest)
    assert set(begun) == set(ended) == {f"key-{number}" for number in range(keys)}
    lost = {}
    for key, ends in ended.items():
        lasting = [end for end in ends if end[0] not in killed] or ends[-1:]
        assert len(lasting) == 1, f"{key} was made {len(lasting)} times"
        maker, at, value = lasting[0]
        makers = [begin[0] for begin in begun[key]]
        assert makers.count(maker) == 1
        for other in makers:
            if other != maker:
                assert other in killed, f"{key} was begun by {makers}"
                lost[other] = lost.get(other, 0) + 1
        last_lost = max((int(begin[1]) for begin in begun[key] if begin[0] != maker), default=0)
        assert last_lost < int(at), "nobody begins what has been made"
        for _, heard, seen in got.get(key, ()):
            # What a killed process made, only its own threads can have heard of.
            if seen.split()[-1].split("-")[0] in killed - {maker}:
                continue
            assert seen == value
            assert int(heard) >= int(at)
    assert all(count <= 4 for count in lost.values()), "one for each thread of a process that was killed"


def test_the_history_checker_finds_what_is_wrong():
    good = ["begin key-0 1 10", "end key-0 1 20 v of 1-0", "got key-0 5 30 v of 1-0"]
    check_history(good, 1, set())
    for bad in (
        [*good, "begin key-0 2 40", "end key-0 2 50 w of 2-0"],
        [*good, "got key-0 40 50 w of 2-0"],
        ["got key-0 5 15 v of 1-0", *good],
        ["begin key-0 3 5", *good],
        [],
    ):
        with pytest.raises(AssertionError):
            check_history(bad, 1, set())
    check_history(["begin key-0 3 5", *good], 1, {"3"})
    with pytest.raises(AssertionError):
        check_history([*good, "begin key-0 3 50"], 1, {"3"})
