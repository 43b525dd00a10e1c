"""Settings of every test: the machine may be slow and shared, so no property test has a deadline.

With the variable SOAK (`make soak`), each property test tries many times the examples that it asks for. The fixtures of
tests.deployed and tests.simulation.machines are known everywhere.
"""

import os

import pytest
from hypothesis import settings

MORE_EXAMPLES = 20

settings.register_profile("project", deadline=None)
settings.register_profile("soak", deadline=None, print_blob=True)
settings.load_profile("soak" if "SOAK" in os.environ else "project")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Raise the number of examples of every property test: a profile does not reach those that set their own."""
    if "SOAK" not in os.environ:
        return
    tests = {getattr(item.obj, "__func__", item.obj) for item in items if isinstance(item, pytest.Function)}
    for test in tests:
        if getattr(test, "is_hypothesis_test", False):
            asked = test._hypothesis_internal_use_settings
            test._hypothesis_internal_use_settings = settings(asked, max_examples=MORE_EXAMPLES * asked.max_examples)


pytest_plugins = ["tests.deployed", "tests.simulation.machines"]
