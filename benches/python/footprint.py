"""Import time, size, memory, and how soon Ctrl-C ends a run. `python benches/python/footprint.py [rounds]`"""

from __future__ import annotations

import pathlib
import resource
import signal
import statistics
import subprocess
import sys
import time

import orch

RUN = """
import asyncio, time, orch
graph = orch.Graph()
async def sleeps(): await asyncio.sleep(60)
for nth in range(100): graph.add(sleeps, id=f"t{nth}")
graph.add(lambda: time.sleep(60), id="plain")
print("ready", flush=True)
orch.run_sync(graph)
"""


def imported(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
    return time.perf_counter() - began


def interrupted() -> float:
    process = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.3)
    began = time.perf_counter()
    process.send_signal(signal.SIGINT)
    process.wait()
    return time.perf_counter() - began


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    # Who is started where interrupts are ignored, in the background, starts programs that ignore them as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # In turn, and every other time the other way round: what the machine does meanwhile, or did just before, is in all of them.
    codes = ["pass", "import orch", "import orch; orch.Graph()"]
    starts: dict[str, list[float]] = {code: [] for code in codes}
    for nth in range(rounds):
        for code in codes if nth % 2 else reversed(codes):
            starts[code].append(imported(code))
    bare, whole, first = map(statistics.median, starts.values())
    folder = pathlib.Path(orch.__file__).parent
    size = sum(file.stat().st_size for file in folder.rglob("*") if "__pycache__" not in file.parts and file.is_file())
    graph = orch.Graph()
    for nth in range(10_000):
        graph.add(_noop, id=f"t{nth}", after=f"t{nth - 1}" if nth else ())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    orch.run_sync(graph)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"- import orch: {(whole - bare) * 1e3:.1f} ms above a bare start of {bare * 1e3:.1f} ms; "
        f"with a first graph {(first - bare) * 1e3:.1f} ms"
    )
    print(f"- installed: {size / 1e6:.2f} MB, no dependencies")
    print(f"- a run of 10,000 tasks: {(after - before) / 10:.0f} bytes a task at the highest, beside the graph")
    print(f"- Ctrl-C to the end of the process: {statistics.median(interrupted() for _ in range(rounds)) * 1e3:.0f} ms")


async def _noop() -> None:
    pass


if __name__ == "__main__":
    main()
