"""A process of the history in ../history.test.mjs, in Python: see seat.mjs."""

import os
import signal
import sys
import threading
import time

import orch

folder, start, victim, nth = sys.argv[1:]
log = os.open(f"{folder}/log", os.O_WRONLY | os.O_APPEND)
lock, left = threading.Lock(), [int(nth)]
store = orch.Store(f"{folder}/runs.db")
cache = orch.Cache(store=store)


def say(*words):
    os.write(log, (" ".join(map(str, words)) + "\n").encode())


def seat(part, number):
    me = f"{os.getpid()}.{number}"

    def pass_by(what):
        if what != victim:
            return
        with lock:
            left[0] -= 1
            if left[0] == 0:
                say("die", me)
                os.kill(os.getpid(), signal.SIGKILL)

    def maker(context: orch.Context) -> str:
        say("begin", me, context.id)
        pass_by("make")
        value = f"{context.id}@{me}"
        say("end", me, context.id, value)
        return value

    def holder(context: orch.Context) -> None:
        leases = context.id.split("-")[1]
        for lease in leases:
            say("hold", me, lease, context.fence)
        pass_by("hold")
        for lease in leases:
            say("free", me, lease)

    turn = int(start)
    while os.path.exists(f"{folder}/{part}-{turn}.json") and not os.path.exists(f"{folder}/stop"):
        say("round", me, turn)
        graph = orch.load(f"{folder}/{part}-{turn}.json", {"maker": maker, "holder": holder})
        report = orch.run_sync(graph, store=store, cache=cache, max_parallel=1)
        for task in report:
            if task.value:
                say("got", me, task.id, task.value)
        if part == "leases":
            time.sleep(0.1)
        turn += 1


for place, part in enumerate(["keys", "keys", "leases", "leases"], 1):
    threading.Thread(target=seat, args=(part, place)).start()
