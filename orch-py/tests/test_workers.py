"""Workers elsewhere that are killed in the middle of a task: a clear failure, and retries that work."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import pathlib
import signal

import pytest

import orch

RETRY = orch.Retry(attempts=3, backoff="immediate")


def dies_once(mark: str) -> int:
    """Kills its worker the first time."""
    path = pathlib.Path(mark)
    if path.exists():
        return os.getpid()
    path.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def dies(mark: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(work: int) -> int:
    return work + 1


def pool() -> concurrent.futures.ProcessPoolExecutor:
    return concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def graph_of(body, executor, mark) -> orch.Graph:
    graph = orch.Graph("pool")
    graph.add(body, id="work", args={"mark": str(mark)}, executor=executor, retries=RETRY)
    graph.add(after, executor=executor)
    return graph


def test_a_worker_of_a_process_pool_that_is_killed(tmp_path):
    with pool() as executor:
        report = orch.run_sync(graph_of(dies, executor, tmp_path / "mark"), check=False)
    assert [result.state for result in report] == ["failed", "cancelled"]
    assert isinstance(report.task("work").error, concurrent.futures.BrokenExecutor)
    assert str(report.task("work").message).startswith("BrokenProcessPool: ")


def test_a_pool_that_is_renewed_makes_retries_work(tmp_path):
    made: list[concurrent.futures.Executor] = []

    def again() -> concurrent.futures.Executor:
        made.append(pool())
        return made[-1]

    with orch.Renewed(again) as executor:
        report = orch.run_sync(graph_of(dies_once, executor, tmp_path / "mark"))
        assert report["work"] != os.getpid()
        assert (report["after"], report.task("work").attempts) == (report["work"] + 1, 2)
    assert len(made) == 2


def test_an_executor_that_was_shut_down_is_not_renewed():
    executor = orch.Renewed(lambda: concurrent.futures.ThreadPoolExecutor(1))
    assert executor.submit(after, 1).result(10) == 2
    executor.shutdown()
    with pytest.raises(RuntimeError, match="the executor was shut down"):
        executor.submit(after, 1)


@pytest.mark.leaves_threads
@pytest.mark.filterwarnings("default")
def test_a_worker_of_a_cluster_that_is_killed(tmp_path):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed here")
    import dask

    # Dask tries three times by itself; here the retries are those of orch.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0, "temporary-directory": str(tmp_path)}),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor(pure=False)
        report = orch.run_sync(graph_of(dies_once, executor, tmp_path / "mark"))
        assert (report["work"] != os.getpid(), report["after"]) == (True, report["work"] + 1)
        assert report.task("work").attempts == 2
        report = orch.run_sync(graph_of(dies, executor, tmp_path / "mark"), check=False)
        assert [result.state for result in report] == ["failed", "cancelled"]
        assert str(report.task("work").message).startswith("KilledWorker: ")
