"""Settings of every test: the machine may be slow and shared, so no property test has a deadline.

The fixtures of tests.deployed and tests.simulation.machines are known everywhere.
"""

from hypothesis import settings

settings.register_profile("project", deadline=None)
settings.load_profile("project")

pytest_plugins = ["tests.deployed", "tests.simulation.machines"]
