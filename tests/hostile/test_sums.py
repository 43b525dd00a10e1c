"""No published sum wraps: near the limits of 64 bits, every sum is Python's, wherever it is taken."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.errors import InvalidPortfolio
from montecarlo.model import sums
from montecarlo.model.credit import FRACTION_BITS, MAX_EXPOSURE, LoanRisks, loan_risks
from montecarlo.model.parameters import load
from montecarlo.model.valuation import Valuation, value
from montecarlo.portfolio.regions import REGIONS
from montecarlo.run.partial import Counts, Partial
from montecarlo.simulation import kernel
from montecarlo.storage import keys
from tests.memory_run import MemoryHost, simulate
from tests.pools import BASE, STRESSED, drawn_of, loans, pool, tables_of

LARGEST = 10**14
"""Cents: what one amount of a portfolio may be."""

SEGMENTS = len(load().segments)
CASES, SCENARIOS = 2, 3
AMOUNTS = st.sampled_from([0, 1, LARGEST - 1, LARGEST]) | st.integers(0, LARGEST)
FRACTIONS = st.integers(0, LARGEST << FRACTION_BITS)
LOAN = st.tuples(AMOUNTS, st.integers(0, SEGMENTS - 1), st.integers(0, len(REGIONS) - 1), *[FRACTIONS] * 4)
CHUNKS = st.lists(st.lists(LOAN, max_size=6), min_size=1, max_size=6)
DRAWN = drawn_of(load(), SCENARIOS, 1, BASE, STRESSED)


def chunk_of(rows: list[tuple[int, ...]], number: int) -> Partial:
    """A chunk whose every loan defaults in every scenario, with amounts as they come."""
    exposure, sector, region, *amounts = (
        np.array(column, dtype=np.int64) for column in np.array(rows, dtype=object).reshape(-1, 7).T
    )
    n = exposure.size
    certain = np.ones(n, dtype=bool)
    risks = LoanRisks(
        key=np.zeros(n, dtype=np.uint64),
        lgd_key=np.zeros(n, dtype=np.uint64),
        sector=sector.astype(np.int16),
        region=region.astype(np.int16),
        factor=sector.astype(np.int16),
        loading=sector.astype(np.int16),
        alpha=np.zeros((CASES, n), dtype=np.int32),
        pd=np.zeros((CASES, n), dtype=np.uint32),
        certain=certain,
        impossible=~certain,
        exposure=exposure,
        lgd=np.zeros(n, dtype=np.int32),
        loss=exposure,
        rounding=exposure & ((1 << 29) - 1),
    )
    expected, capital, twelve_month, lifetime = (np.array([column, column // 2]) for column in amounts)
    valuation = Valuation(expected, capital, twelve_month, lifetime, has_lifetime=exposure % 2 == 0)
    simulation = kernel.simulate(risks, *DRAWN, 1)
    return Partial.of_chunk("plan", (0, number), risks, valuation, simulation, Counts(), {})


@settings(max_examples=150)
@given(CHUNKS, st.sampled_from([1, 2, 1_000]))
def test_chunks_groups_and_samples_add_up_as_pythons_integers(chunks: list[list[tuple[int, ...]]], one_in: int) -> None:
    total = chunk_of(chunks[0], 0)
    for number, rows in enumerate(chunks[1:], start=1):
        total.add(Partial.from_bytes(chunk_of(rows, number).to_bytes()))
    every = [row for rows in chunks for row in rows]
    assert sums.exact(total.pd_sum).tolist() == [len(every) << 32] * CASES
    rounding = sum(row[0] % (1 << 29) for row in every)
    assert sums.exact(total.rounding).tolist() == [rounding << 32] * CASES
    for breakdown, column, parts in ((total.segments, 1, SEGMENTS), (total.regions, 2, len(REGIONS))):
        found = breakdown.totals(one_in)
        by_part = [[row for row in every if row[column] == part] for part in range(parts)]

        def expected(of: Any, by_part: list[list[tuple[int, ...]]] = by_part) -> list[int]:
            return [sum(of(row) for row in rows) for rows in by_part]

        assert found.exposure.tolist() == [one_in * x for x in expected(lambda row: row[0])]
        assert found.squares.tolist() == [one_in**2 * x for x in expected(lambda row: row[0] ** 2)]
        assert found.expected_squares.tolist() == [one_in**2 * x for x in expected(lambda row: row[3] ** 2)]
        assert found.expected_loss[0].tolist() == [one_in * x for x in expected(lambda row: row[3])]
        assert found.capital[1].tolist() == [one_in * x for x in expected(lambda row: row[4] // 2)]
        assert found.twelve_month[0].tolist() == [one_in * x for x in expected(lambda row: row[5])]
        assert found.lifetime[0].tolist() == [one_in * x for x in expected(lambda row: row[6] * (row[0] % 2 == 0))]
        assert found.losses[0, :, 0].tolist() == found.exposure.tolist(), "every loan defaults"
        assert found.without_lifetime.tolist() == [one_in * x for x in expected(lambda row: row[0] % 2)]


def partial_owing(cents: int, number: int, losses: int) -> Partial:
    """A chunk of one loan that owes so much; nothing of it is simulated."""
    partial = chunk_of([(0, 0, 0, 0, 0, 0, 0)], number)
    for breakdown in (partial.segments, partial.regions):
        breakdown.exposure[0] = [cents & 0xFFFFFFFF, cents >> 32]
        breakdown.losses[:, 0] = losses
    return partial


def test_losses_are_exact_to_the_last_cent_that_a_portfolio_may_owe() -> None:
    half = MAX_EXPOSURE // 2
    total = partial_owing(half, 0, half)
    total.add(partial_owing(half - 1, 1, half - 1))
    assert total.segments.totals().losses[0, 0].tolist() == [MAX_EXPOSURE - 1] * SCENARIOS


def test_one_cent_more_is_refused_before_it_can_wrap() -> None:
    half = MAX_EXPOSURE // 2
    total, other = partial_owing(half, 0, half), partial_owing(half, 1, half)
    with pytest.raises(InvalidPortfolio, match=r"owe 46,116,860,184,273,88\d in all.*a larger unit"):
        total.add(other)
    with pytest.raises(InvalidPortfolio, match="a larger unit"):
        total.segments.totals(one_in=2)


@pytest.mark.parametrize("use", kernel.KERNELS)
def test_both_kernels_add_to_the_limit(use: kernel.Kernel) -> None:
    tables, drawn = drawn_of(load(), 200)
    some = pool(0.6, 46_000, tables, loss_cents=LARGEST)
    ones = LoanRisks(**{**vars(some), "loss": np.ones(len(some), dtype=np.int64)})
    large, small = (kernel.simulate(each, tables, drawn, 1, use) for each in (some, ones))
    assert large.by_segment.max() > 2**61
    for name in ("by_segment", "by_region"):
        expected = [LARGEST * defaults for defaults in getattr(small, name).ravel().tolist()]
        assert getattr(large, name).ravel().tolist() == expected


def test_what_is_expected_of_the_largest_loan_fits() -> None:
    """PD next to 1, LGD 1, corporate capital at its highest: nothing wraps within one loan."""
    parameters = load({"segments": {"commercial": {"lgd_volatility": 0.5, "lgd_correlation": 0.9}}})
    tables = tables_of(parameters, BASE, STRESSED)
    commercial = list(parameters.segments).index("commercial")
    for segment in (0, commercial):
        for pd in (1e-6, 0.5, 0.999999, 1.0):
            one = loans(pd=pd, lgd=1.0, ead=1e12, segment=segment, term=1200, age=0, rate=0.0)
            found = value(one, loan_risks(one, parameters, (BASE, STRESSED), tables), tables)
            for amounts in (found.expected_loss, found.capital, found.twelve_month, found.lifetime):
                assert (amounts >= 0).all()
                assert (amounts <= LARGEST << FRACTION_BITS).all()
            assert found.expected_loss[0, 0] / (LARGEST << FRACTION_BITS) == pytest.approx(pd, rel=1e-3)


# ---------------------------------------------------------------------------------------------------------------------
# A whole run


def host_with(rows: Iterable[tuple[str, float, float, float]]) -> MemoryHost:
    """A portfolio of (AccountID, PD, EAD, LGD)."""
    host = MemoryHost()
    lines = ["AccountID,PD,EAD,LGD", *(f"{name},{pd!r},{ead!r},{lgd!r}" for name, pd, ead, lgd in rows)]
    host.s3.objects["portfolios/large/a.csv"] = "\n".join([*lines, ""]).encode()
    return host


REQUEST = {
    "run": "large",
    "portfolio": "portfolios/large/",
    "scenarios": 400,
    "chunk_loans": 50,
    "tail_sampling": False,
}


@pytest.mark.parametrize("waves", [1, 3])
@pytest.mark.parametrize("one_in", [1, 2])
def test_a_run_of_very_large_loans_publishes_no_wrapped_sum(waves: int, one_in: int) -> None:
    """300 loans of 10**12 with PD 1/2 and LGD 1/2: their expected losses in fractions of a cent fill 68 bits."""
    host = host_with((f"A{i}", 0.5, 1e12, 0.5) for i in range(300))
    more = {"target_error": 1e-4, "target_measure": "ul", "max_scenarios": 400 * waves} if waves > 1 else {}
    result = simulate(host, **REQUEST, **more, sample=one_in)
    loans, case = result["loans"]["simulated"], result["cases"]["base"]
    assert result["exposure"] == loans * one_in * 1e12
    assert case["el"] == pytest.approx(loans * one_in * 0.25e12, rel=1e-6)
    assert case["ecl"]["twelve_month"] == pytest.approx(case["el"], rel=1e-9)
    assert 0 < case["capital"] < 0.5 * result["exposure"]
    assert case["el_check"]["agrees"]
    assert result["portfolio"]["concentration"]["hhi"] == pytest.approx(1 / loans / one_in)
    assert case["var"]["99"] <= loans * one_in * 0.5e12
    assert sum(part["el"] for part in case["segments"].values()) == pytest.approx(case["el"])
    assert result["scenarios"] == 400 * waves


def test_a_portfolio_beyond_the_limit_publishes_nothing() -> None:
    """47,000 loans of 10**12: no chunk owes too much, but all together."""
    host = host_with((f"A{i}", 0.01, 1e12, 0.45) for i in range(47_000))
    with pytest.raises(InvalidPortfolio, match=r"owe 47,000,000,000,000,000 in all.*a larger unit"):
        simulate(host, **{**REQUEST, "scenarios": 5, "chunk_loans": 25_000})
    assert keys.result("large") not in host.s3.objects
