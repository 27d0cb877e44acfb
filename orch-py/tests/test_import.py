from importlib import metadata

import orch


def test_the_package_and_the_engine_are_of_one_version():
    assert orch.__version__ == metadata.version("orch-engine")
