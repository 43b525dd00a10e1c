"""The checks notice errors: an engine that is wrong by a little leaves their bounds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the exact values need scipy, of the test extra")

from tests.verification import engine
from tests.verification.checks import CHECKS

# What makes the engine's input, and how it is made wrong.
ERRORS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "factor loadings 3 % too high": (
        "model_tables",
        lambda tables: replace(tables, loading=(tables.loading * 1.03).astype(np.int64)),
    ),
    "mixture unweighted": ("draw", lambda drawn: replace(drawn, weights=np.full(len(drawn), 1 / len(drawn)))),
    "sectors independent": (
        "draw",
        lambda drawn: replace(drawn, factors=np.array([np.roll(row, k) for k, row in enumerate(drawn.factors)])),
    ),
}


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_noticed(error: str) -> None:
    function, spoil = ERRORS[error]
    right = getattr(engine, function)

    def wrong(*arguments: Any, **options: Any) -> Any:
        return spoil(right(*arguments, **options))

    with patch.object(engine, function, wrong):
        figures = CHECKS["joint_defaults"]()
    assert [figure.name for figure in figures if not figure.holds]
