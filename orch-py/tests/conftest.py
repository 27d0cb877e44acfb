import pytest
from repositories import git


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A repository with two branches, which is the working directory."""
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
