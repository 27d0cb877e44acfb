"""The examples of the READMEs are true."""

from __future__ import annotations

import doctest
import pathlib
import re

import pytest

HERE = pathlib.Path(__file__).parents[1]


@pytest.mark.parametrize("path", [HERE / "README.md", HERE.parent / "README.md"], ids=["orch-py", "orch"])
def test_the_examples_are_true(path):
    blocks = re.findall(r"^```pycon\n(.*?)^```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    # Read from top to bottom, a README is one program.
    names: dict[str, object] = {}
    for block in blocks:
        test = doctest.DocTestParser().get_doctest(block, names, path.name, str(path), 0)
        test.globs = names
        said: list[str] = []
        assert doctest.DocTestRunner().run(test, out=said.append, clear_globs=False).failed == 0, "".join(said)
