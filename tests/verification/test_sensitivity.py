"""The checks notice errors: an engine that is wrong by a little leaves their bounds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the exact values need scipy, of the test extra")

from montecarlo.model.scenarios import ScenarioTable, draw
from tests.verification import engine
from tests.verification.checks import CHECKS

ERRORS: dict[str, Callable[[ScenarioTable], ScenarioTable]] = {
    "factor loadings 3 % too high": lambda table: replace(table, loading=(table.loading * 1.03).astype(np.int64)),
    "mixture unweighted": lambda table: replace(table, weights=np.full(table.scenarios, 1 / table.scenarios)),
    "sectors independent": lambda table: replace(
        table, factors=np.array([np.roll(row, shift) for shift, row in enumerate(table.factors)])
    ),
}


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_noticed(error: str) -> None:
    def wrong(*arguments: Any, **options: Any) -> ScenarioTable:
        return ERRORS[error](draw(*arguments, **options))

    with patch.object(engine, "draw", wrong):
        figures = CHECKS["joint_defaults"]()
    assert [figure.name for figure in figures if not figure.holds]
