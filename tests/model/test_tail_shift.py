"""The search for the shift: against closed forms, and where there is none to find."""

import math
from dataclasses import fields, replace
from statistics import NormalDist

import numpy as np
import pytest

from montecarlo.model import tail_shift as tail
from montecarlo.model.credit import LoanRisks
from montecarlo.model.parameters import Parameters, load
from montecarlo.model.scenarios import mixing
from montecarlo.model.tables import ModelTables
from tests.pools import one_factor, pool, tables_of

LENGTH = -NormalDist().inv_cdf(1 - tail.LEVEL)
"""Of the shift where losses fall with one standard normal factor: to its 0.1 % quantile."""

SAMPLING = 4 * math.sqrt(tail.LEVEL * (1 - tail.LEVEL) / tail._DRAWS) / NormalDist().pdf(LENGTH)
"""Four standard errors of the quantile that the search estimates."""

SECTORS = len(load().segments)


def shift_of(loans: LoanRisks, tables: ModelTables, parameters: Parameters, seed: int = 1) -> tuple[float, ...] | None:
    return tail.find_shift(tail.LossProfile.of(loans), tables, mixing(parameters), seed)


def in_sectors(loans: LoanRisks, sectors: list[int]) -> LoanRisks:
    """The loans dealt out to sectors of the same correlation."""
    sector = np.resize(np.array(sectors, dtype=np.int16), len(loans))
    return replace(loans, sector=sector, factor=sector, loading=sector)


def none_of(loans: LoanRisks) -> LoanRisks:
    return LoanRisks(
        **{field.name: np.take(getattr(loans, field.name), [], axis=-1).astype(int) for field in fields(loans)}
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("pd", "rho"), [(0.001, 0.05), (0.02, 0.15), (0.3, 0.4)])
def test_one_factor_is_shifted_to_its_quantile(pd: float, rho: float, seed: int) -> None:
    parameters = one_factor(rho)
    tables = tables_of(parameters)
    shift = shift_of(pool(pd, 100, tables), tables, parameters, seed)
    assert shift is not None
    assert shift[0] == pytest.approx(-LENGTH, abs=SAMPLING)
    assert shift[1:] == pytest.approx([0] * SECTORS, abs=1e-3)


def test_a_sectors_own_factor_and_the_global_one_move_it_by_their_shares() -> None:
    share = 0.36
    parameters = replace(one_factor(0.2), global_factor_share=share)
    tables = tables_of(parameters)
    shift = shift_of(in_sectors(pool(0.02, 100, tables), [2]), tables, parameters)
    assert shift is not None
    length = math.hypot(*shift)
    assert length == pytest.approx(LENGTH, abs=SAMPLING)
    direction = [x / length for x in shift]
    own = math.sqrt(1 - share)
    assert direction == pytest.approx([-math.sqrt(share), 0, 0, -own, *[0] * (SECTORS - 3)], abs=1e-3)


def test_equal_sectors_are_shifted_alike() -> None:
    parameters = replace(one_factor(0.2), global_factor_share=0.5)
    tables = tables_of(parameters)
    shift = shift_of(in_sectors(pool(0.02, 100, tables), [0, 4]), tables, parameters)
    assert shift is not None
    assert shift[1] == pytest.approx(shift[5], abs=1e-3)
    # Not of one normal factor, but nearly: of both sectors' mean.
    assert math.hypot(*shift) == pytest.approx(LENGTH, abs=0.25)
    assert -shift[0] > -shift[1] > 0


@pytest.mark.parametrize("factor", [1_000, 12_345_678])
def test_the_unit_of_losses_does_not_matter(factor: int) -> None:
    parameters = load()
    tables = tables_of(parameters)
    loans = in_sectors(pool(0.02, 600, tables), list(range(SECTORS)))
    shift = shift_of(loans, tables, parameters)
    assert shift is not None
    assert shift_of(replace(loans, loss=loans.loss * factor), tables, parameters) == pytest.approx(shift, abs=1e-4)


def test_the_shift_is_the_same_each_time() -> None:
    parameters = load()
    tables = tables_of(parameters)
    loans = pool(0.02, 100, tables)
    assert shift_of(loans, tables, parameters) == shift_of(loans, tables, parameters)


def test_there_is_none_without_correlation() -> None:
    parameters = one_factor(0)
    tables = tables_of(parameters)
    assert shift_of(pool(0.02, 100, tables), tables, parameters) is None


def test_there_is_none_without_loans() -> None:
    parameters = one_factor(0.1)
    tables = tables_of(parameters)
    assert shift_of(none_of(pool(0.02, 1, tables)), tables, parameters) is None


@pytest.mark.parametrize("what", ["certain", "impossible"])
def test_there_is_none_where_nothing_is_uncertain(what: str) -> None:
    parameters = one_factor(0.1)
    tables = tables_of(parameters)
    loans = replace(pool(0.02, 100, tables), **{what: np.ones(100, dtype=bool)})
    assert shift_of(loans, tables, parameters) is None


def test_certain_and_impossible_loans_do_not_deflect_it() -> None:
    parameters = one_factor(0.1)
    tables = tables_of(parameters)
    loans = pool(0.02, 100, tables)
    first = np.arange(100) < 10
    shift = shift_of(loans, tables, parameters)
    assert shift is not None
    for other in (replace(loans, certain=first), replace(loans, impossible=first)):
        assert shift_of(other, tables, parameters) == pytest.approx(shift, abs=1e-4)


def test_a_profile_holds_every_loss_that_can_be() -> None:
    tables = tables_of(load())
    loans = in_sectors(pool(0.02, 100, tables, loss_cents=7), [0, 1, 5])
    loans = replace(loans, impossible=np.arange(100) < 10)
    profile = tail.LossProfile.of(loans)
    assert sorted(profile.sector.tolist()) == [0, 1, 5]
    assert profile.loss.sum() == 90 * 7


def test_a_profile_keeps_the_largest_buckets() -> None:
    tables = tables_of(load())
    loans = pool(0.02, 1_000, tables)
    alpha = (np.arange(1_000, dtype=np.int32) - 500) << 21  # a bucket each
    loans = replace(loans, alpha=alpha[None], loss=np.arange(1_000))
    profile = tail.LossProfile.of(loans)
    assert sorted(profile.loss.tolist()) == list(range(1_000 - tail._MAX_BUCKETS, 1_000))
