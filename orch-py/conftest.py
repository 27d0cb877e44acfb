from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def examples_leave_nothing_behind(request, tmp_path_factory, monkeypatch):
    """Examples in docstrings write files where they are run: in a folder of their own."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(tmp_path_factory.mktemp("example"))


@pytest.fixture(autouse=True)
def no_thread_of_asyncio_is_left(request):
    """Every test ends what it began; the threads of orch's own pool, and those of some other libraries, stay for the next."""
    import threading

    before = set(threading.enumerate())
    yield
    if request.node.get_closest_marker("leaves_threads") is not None:
        return
    left = [thread for thread in threading.enumerate() if thread not in before and not thread.name.startswith("orch-")]
    assert left == []
