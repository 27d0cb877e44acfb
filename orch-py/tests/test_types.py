"""Type hints: complete, right, and those of the native half as it is."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import pytest

import orch
from orch import _orch

HERE = pathlib.Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples" / "python"
FILES = [HERE / "typed.py", *sorted(EXAMPLES.glob("*.py"))]


def test_mypy_strict():
    pytest.importorskip("mypy")
    args = [sys.executable, "-m", "mypy", "--strict", "-p", "orch"]
    done = subprocess.run(args, cwd=HERE.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    args = [sys.executable, "-m", "mypy", "--strict", *map(str, FILES)]
    done = subprocess.run(args, cwd=HERE.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_pyright():
    pytest.importorskip("pyright")
    for files in ([], list(map(str, FILES))):
        args = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, *files]
        done = subprocess.run(args, cwd=HERE.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_stub_is_as_the_module():
    stub = ast.parse((pathlib.Path(orch.__file__).parent / "_orch.pyi").read_text(encoding="utf-8"))
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    functions = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    there = {name for name in vars(_orch) if not name.startswith("_")}
    assert there == set(classes) | functions
    for name, node in classes.items():
        said = {item.name for item in node.body if isinstance(item, ast.FunctionDef) and not item.name.startswith("_")}
        assert said == {member for member in vars(getattr(_orch, name)) if not member.startswith("_")}, name


def test_everything_public_is_listed_and_documented():
    for name in orch.__all__:
        value = getattr(orch, name)
        assert name == "__version__" or value.__doc__, name
    assert set(dir(orch)) == set(orch.__all__)
    with pytest.raises(AttributeError, match="module `orch` has no attribute `nothing`"):
        _ = orch.nothing  # type: ignore[attr-defined]
