"""A loan's price is what a run over the portfolio and that loan would say, to the bit."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from additive import candidates
from additive.combine import combine
from additive.operands import parse
from additive.price import BLOCK, Pricer, Quote, Terms
from montecarlo.errors import IncompleteRun, InvalidInput, InvalidPortfolio
from montecarlo.model.credit import FRACTION_BITS
from montecarlo.model.measures import LossSample, Measures, independent_error
from montecarlo.portfolio import synthetic
from montecarlo.run import plan as plans
from montecarlo.steps.aggregate import add_up
from montecarlo.storage import keys
from montecarlo.storage.parquet import to_parquet
from tests.memory_run import TODAY, MemoryHost, simulate

Row = dict[str, Any]

PLAIN: dict[str, Any] = {"scenarios": 400, "tail_sampling": False, "chunk_loans": 30}
"""The scenarios of such a run follow from its seed alone, so that two portfolios have the same."""


def rows(first: int, count: int, seed: int = 1) -> list[Row]:
    """Loans as a file has them."""
    found: list[Row] = synthetic.generate(first, count, seed, date(2026, 1, 1)).to_pylist()
    return found


def run(host: MemoryHost, name: str, loans: list[Row], **request: Any) -> dict[str, Any]:
    import pyarrow as pa

    host.s3.objects[f"portfolios/{name}/loans.parquet"] = to_parquet(pa.Table.from_pylist(loans))
    return simulate(host, run=name, portfolio=f"portfolios/{name}/", **request)


def measures(host: MemoryHost, name: str, waves: int = 1) -> list[Measures]:
    """All measures of a run's cases, not rounded."""
    found = plans.read_waves(host.store, name, waves)
    total = add_up(found[0], host.store)
    for wave in found[1:]:
        total.append_scenarios(add_up(wave, host.store))
    weights = np.concatenate([plans.read_scenarios(host.store, wave).scenarios.weights for wave in found]) / waves
    sums = total.segments.totals()
    return [
        LossSample(losses.sum(axis=0), weights, independent_error).measures(int(el.sum()) / (1 << FRACTION_BITS))
        for losses, el in zip(sums.losses, sums.expected_loss, strict=True)
    ]


def check(quote: Quote, before: Measures, after: Measures) -> None:
    marginal = quote.marginal
    assert marginal.var == after.var[99.9].value - before.var[99.9].value
    assert marginal.es == after.es[99.9].value - before.es[99.9].value
    assert marginal.economic_capital == after.economic_capital[99.9].value - before.economic_capital[99.9].value
    assert marginal.el == pytest.approx(after.el.value - before.el.value, abs=1e-6)
    assert marginal.es_share >= marginal.es - 1e-6


@pytest.fixture(scope="module")
def host() -> MemoryHost:
    host = MemoryHost()
    run(host, "june", rows(0, 90), **PLAIN)
    return host


@settings(max_examples=6)
@given(
    seed=st.integers(1, 10**6),
    pd=st.sampled_from([None, 0.0, 1e-4, 0.2, 1.0]),
    ead=st.sampled_from([None, 0.0, 300.0, 5e7]),
)
def test_price_is_the_difference_of_two_runs(host: MemoryHost, seed: int, pd: float | None, ead: float | None) -> None:
    (loan,) = rows(1_000, 1, seed)
    given_with = {name: value for name, value in (("PD", pd), ("EAD", ead)) if value is not None}
    loan |= given_with
    filled = [{**dict.fromkeys(given_with), **row} for row in rows(0, 90)]
    run(host, f"with-{seed}-{pd}-{ead}".replace(".", "_"), [*filled, loan], **PLAIN)

    quotes = Pricer.open(host.store, "june").price(loan)

    after = measures(host, f"with-{seed}-{pd}-{ead}".replace(".", "_"))
    assert [quote.case for quote in quotes] == ["base", "stressed"]
    for quote, *both in zip(quotes, measures(host, "june"), after, strict=True):
        check(quote, *both)


def test_price_with_waves_of_scenarios_aimed_at_the_tail() -> None:
    host = MemoryHost()
    request = {**PLAIN, "tail_sampling": True, "scenarios": 200, "target_error": 1e-4, "max_scenarios": 600}
    result = run(host, "june", rows(0, 60), **request)
    assert result["waves"]["count"] == 3
    pricer = Pricer.open(host.store, "june")
    (loan,) = rows(1_000, 1)
    loan |= {"PD": 0.3, "EAD": 1e6}

    replay = pricer._replay
    one = candidates.from_rows(pricer.plan, [loan])
    quotes = pricer.price(loan)

    assert pricer._tails[0].losses.size == 600
    added = np.concatenate([wave.simulation.by_segment.sum(axis=1)[:, None] for wave in replay.simulate(one)], axis=2)
    for quote, losses, before, tail in zip(quotes, added[:, 0], measures(host, "june", 3), pricer._tails, strict=True):
        both = LossSample(tail.losses + losses, tail.weights, independent_error)
        assert quote.marginal.es == both._es(99.9 / 100).value - before.es[99.9].value
        assert quote.marginal.scenarios == np.count_nonzero(losses)


def test_price_against_a_sum_of_runs_is_that_against_one_run_of_all_its_loans() -> None:
    host = MemoryHost()
    request = {**PLAIN, "tail_sampling": True, "scenarios": 200}
    owed = [{**row, "ObligorID": f"B{number % 7}"} for number, row in enumerate(rows(0, 90))]
    run(host, "june", owed[:60], **request)
    run(host, "branch", owed[60:], scenarios_from="june")
    run(host, "whole", owed, scenarios_from="june")
    combine(parse(["june + branch"]), "all", host.store, lambda _: host.store)
    loans = [{**loan, "PD": 0.3, "EAD": 1e6, "ObligorID": "B3"} for loan in rows(1_000, 3)]

    priced = Pricer.open(host.store, "all").price(loans)

    assert priced == Pricer.open(host.store, "whole").price(loans)
    assert any(quote.marginal.es for quote in priced)


def test_many_loans_are_each_priced_alone(host: MemoryHost) -> None:
    pricer = Pricer.open(host.store, "june")
    loans = rows(5_000, BLOCK + 20)

    together = pricer.price(loans)

    alone = [quote for loan in (loans[0], loans[BLOCK], loans[-1]) for quote in pricer.price(loan)]
    assert [together[0], together[1], *together[2 * BLOCK : 2 * BLOCK + 2], *together[-2:]] == alone


def test_what_the_rate_must_be(host: MemoryHost) -> None:
    pricer = Pricer.open(host.store, "june")
    (loan,) = rows(1_000, 1)
    loan |= {"PD": 0.1, "EAD": 1_000_000.0}
    terms = Terms(hurdle=0.12, funding=0.03, costs=0.01)

    quote = pricer.price(loan, terms)[0]
    earning = pricer.price({**loan, "Rate": 100 * (quote.break_even_rate or 0)}, terms)[0]

    assert quote.capital == quote.marginal.es - quote.marginal.el
    assert earning.raroc == pytest.approx(0.12)  # at the break-even rate capital earns the hurdle
    by_var = pricer.price(loan, Terms(basis="var"))[0]
    assert by_var.capital == by_var.marginal.economic_capital


def test_a_loan_without_exposure_has_no_rate(host: MemoryHost) -> None:
    (loan,) = rows(1_000, 1)

    quote = Pricer.open(host.store, "june").price({**loan, "EAD": 0.0})[0]

    assert (quote.break_even_rate, quote.raroc, quote.marginal.es) == (None, None, 0)
    assert quote.to_json()["break_even_rate"] is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"LoanAmount": -5}, "row 1: LoanAmount must not be negative"),
        ({"Rate": "much"}, "Rate"),
        ({"OriginationDate": "2030-01-01"}, "reporting date is 2026-01-01"),
        ({"AccountID": None}, "AccountID"),
        ({"PD": 7}, "PD must not be above 1"),
    ],
)
def test_a_loan_that_cannot_be_used_is_named(host: MemoryHost, changed: Row, said: str) -> None:
    (loan,) = rows(1_000, 1)
    with pytest.raises(InvalidPortfolio, match=said):
        Pricer.open(host.store, "june").price({**loan, **changed})


@pytest.mark.parametrize("loan", [[], {}, {"AccountID": object()}, [{"AccountID": "a"}, {"AccountID": 1}]])
def test_what_is_no_loan_is_refused(host: MemoryHost, loan: Any) -> None:
    with pytest.raises((InvalidInput, InvalidPortfolio)):
        Pricer.open(host.store, "june").price(loan)


@pytest.mark.parametrize("terms", [{"hurdle": -0.1}, {"funding": 7}, {"costs": float("nan")}, {"basis": "el"}])
def test_terms_that_make_no_sense_are_refused(terms: Any) -> None:
    with pytest.raises(InvalidInput):
        Terms(**terms)


def test_runs_that_nothing_can_be_priced_against(host: MemoryHost) -> None:
    with pytest.raises(InvalidInput, match="there is no run july"):
        Pricer.open(host.store, "july")
    with pytest.raises(InvalidInput, match="level"):
        Pricer.open(host.store, "june", level=100)
    run(host, "sampled", rows(0, 90), **PLAIN, sample=2)
    with pytest.raises(InvalidInput, match="one loan in 2"):
        Pricer.open(host.store, "sampled")
    damaged = MemoryHost()
    damaged.s3.objects |= host.s3.objects
    sums = keys.sums("june")
    damaged.s3.objects[sums] = damaged.s3.objects[sums][:-100]
    with pytest.raises(IncompleteRun):
        Pricer.open(damaged.store, "june")
    del damaged.s3.objects[sums]
    with pytest.raises(InvalidInput, match="earlier version"):
        Pricer.open(damaged.store, "june")


def test_files_that_hold_no_loans_are_refused(host: MemoryHost, tmp_path: Path) -> None:
    plan = Pricer.open(host.store, "june").plan
    for name, data in (
        ("empty.csv", b""),
        ("head.csv", b"AccountID\n"),
        ("binary.parquet", bytes(range(256))),
        ("other.csv", b"a,b\n1,2\n"),
        ("none.txt", b"AccountID"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises((InvalidInput, InvalidPortfolio)):
            candidates.from_file(plan, tmp_path / name)
    with pytest.raises(InvalidInput, match="cannot be read"):
        candidates.from_file(plan, tmp_path / "folder.csv")
    (tmp_path / "deals.csv").write_bytes(synthetic.to_csv(synthetic.generate(0, 9, 1, TODAY)))
    with pytest.raises(InvalidInput, match="at most 8 are taken"):
        candidates.from_file(plan, tmp_path / "deals.csv", most=8)


def test_accounts_of_the_portfolio_are_known(host: MemoryHost) -> None:
    pricer = Pricer.open(host.store, "june")
    there, new = rows(3, 1)[0], rows(1_000, 1)[0]
    loans = candidates.from_rows(pricer.plan, [new, there])
    assert candidates.known(pricer.plan, loans, host.store) == [there["AccountID"]]
    assert pricer.plan.as_of == TODAY
