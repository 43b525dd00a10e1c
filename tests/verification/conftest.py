"""What the scenarios of all these tests have in common is computed once."""

from collections.abc import Iterator

import pytest

from tests.verification.engine import cached_tables


@pytest.fixture(scope="session", autouse=True)
def _cached_tables() -> Iterator[None]:
    with cached_tables():
        yield
