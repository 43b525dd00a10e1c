"""The result that the tests of the report begin with."""

from typing import Any

import pytest

from montecarlo.report.charts.losses import Distribution
from tests.report.sample import full_result, gamma_losses


@pytest.fixture
def result() -> dict[str, Any]:
    return full_result()


@pytest.fixture
def distributions() -> dict[str, Distribution]:
    return gamma_losses()
