"""Which stage a loan is in, at the ends of every rule."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.errors import InvalidInput
from montecarlo.model.parameters import load
from montecarlo.portfolio.stages import STAGING, Staging

NOTHING = float("nan")


def stage(rules: Staging, days: float = NOTHING, pd: float = NOTHING, first: float = NOTHING) -> int:
    numbers = {"DaysPastDue": days, "PD": pd, "OriginationPD": first}
    (found,) = rules.stages_of({name: np.array([value]) for name, value in numbers.items()}).tolist()
    return int(found)


@pytest.mark.parametrize(("days", "expected"), [(NOTHING, 1), (14, 1), (15, 2), (59, 2), (60, 3), (36_500, 3)])
def test_days_past_due_from_which_on(days: float, expected: int) -> None:
    assert stage(Staging(stage_2_days=15, stage_3_days=60), days) == expected


def test_both_limits_may_be_one() -> None:
    rules = Staging(stage_2_days=90, stage_3_days=90)
    assert [stage(rules, days) for days in (89, 90)] == [1, 3]


FEW_DIGITS = st.decimals(1, 100, places=2)
PDS = st.decimals(Decimal("0.0001"), 1, places=4).filter(lambda pd: 0 < pd < 1)


@given(FEW_DIGITS, PDS)
def test_a_multiple_counts_as_it_is_written(multiple: Decimal, first: Decimal) -> None:
    """A PD of exactly so many times is in stage 2, one of the last digit less is not; in decimals, not in doubles."""
    pd = multiple * first
    rules = Staging(pd_multiple=float(multiple))
    if pd < 1:
        assert stage(rules, pd=float(pd), first=float(first)) == 2
        assert stage(rules, pd=float(pd - Decimal("1e-8")), first=float(first)) == 1


@given(PDS, PDS, st.decimals(1, 3, places=1))
def test_a_rise_counts_as_it_is_written_and_beside_the_multiple(
    first: Decimal, rise: Decimal, multiple: Decimal
) -> None:
    pd = max(first + rise, multiple * first)
    rules = Staging(pd_multiple=float(multiple), pd_rise=float(rise))
    if pd < 1:
        assert stage(rules, pd=float(pd), first=float(first)) == 2
        assert stage(rules, pd=float(pd - Decimal("1e-8")), first=float(first)) == 1


def test_what_asks_for_the_impossible_leaves_the_days_alone() -> None:
    rules = Staging(pd_rise=1.0)
    assert stage(rules, pd=0.99, first=0.01) == 1
    assert stage(rules, days=30, pd=0.99, first=0.01) == 2
    assert stage(rules, pd=1.0, first=0.01) == 3


def test_the_parameters_have_the_standards_limits() -> None:
    assert load().staging == STAGING == load({"staging": {}}).staging
    assert "staging" not in load({"staging": {"stage_2_days": {"value": 30, "source": "the standard"}}}).to_json()
    own = load({"staging": {"stage_2_days": 15}})
    assert own.staging == Staging(stage_2_days=15)
    assert load(own.to_json()) == own


@pytest.mark.parametrize(
    ("staging", "message"),
    [
        ({"stage_2_days": 91}, "staging.stage_2_days is 91, but must not be above staging.stage_3_days, which is 90"),
        ({"stage_2_days": 0}, "staging.stage_2_days must be a number from 1 to 36500, not 0"),
        ({"stage_3_days": 90.5}, "staging.stage_3_days must be a whole number, not 90.5"),
        ({"stage_3_days": True}, "staging.stage_3_days must be a number"),
        ({"pd_multiple": 0.5}, "staging.pd_multiple must be a number from 1 to 100, not 0.5"),
        ({"pd_rise": "0.01"}, "staging.pd_rise must be a number from 0 to 1, not '0.01'"),
        ({"pd_factor": 2}, "staging.'pd_factor' is unknown; here one may give stage_2_days, stage_3_days, pd_multiple"),
        (90, "staging must be an object"),
    ],
)
def test_rules_that_cannot_be_are_named(staging: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load({"staging": staging})
