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


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A repository with two branches, which is the working directory."""
    from repositories import git

    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "shop.txt").write_text("one\n")
    # What the scripts keep, they keep in the working directory.
    (folder / ".gitignore").write_text("reports/\n*.out\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    git(folder, "branch", "feature/testing")
    monkeypatch.chdir(folder)
    return folder
