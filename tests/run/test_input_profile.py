"""The profile of the loans is the same however they are parted, and what it says is what the loans are like."""

import io
import json
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import input_profile as before_a_run
from cli import local_objects
from montecarlo.model.cases import Case
from montecarlo.model.credit import loan_risks
from montecarlo.model.parameters import load
from montecarlo.model.tables import model_tables
from montecarlo.portfolio import synthetic
from montecarlo.portfolio.loans import Loans, validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rows import read_rows
from montecarlo.run.input_profile import TOP, InputProfile, Numbers
from tests.memory_run import MemoryHost, simulate

AS_OF = date(2026, 1, 1)
PARAMETERS = load(None)
SEGMENTS = tuple(PARAMETERS.segments)
BASE = [Case("base", PARAMETERS.base_fed_rate, {})]
TABLES = model_tables(PARAMETERS, BASE)
CSV = synthetic.to_csv(synthetic.generate(0, 400, 1, AS_OF))
LOANS, _ = validate(read_rows(io.BytesIO(CSV), "a", "csv", ColumnMapping()), ColumnMapping(), SEGMENTS, AS_OF)
RISKS = loan_risks(LOANS, PARAMETERS, BASE, TABLES)


def profile(loans: Loans) -> InputProfile:
    return InputProfile.of(loans, loan_risks(loans, PARAMETERS, BASE, TABLES), len(SEGMENTS))


def stored(one: InputProfile) -> InputProfile:
    return InputProfile.from_parts(json.loads(json.dumps(one.meta())), one.arrays())


@settings(max_examples=25)
@given(st.lists(st.integers(0, 6), min_size=len(LOANS), max_size=len(LOANS)), st.permutations(range(7)))
def test_parts_add_up_to_the_whole_in_any_order(part: list[int], order: list[int]) -> None:
    total = InputProfile.empty(len(SEGMENTS))
    for number in order:
        total.add(stored(profile(LOANS.select(np.array(part) == number))))
    assert total.to_json(SEGMENTS) == profile(LOANS).to_json(SEGMENTS)


def test_figures_are_those_of_the_loans() -> None:
    found = profile(LOANS).to_json(SEGMENTS)
    exposure = RISKS.exposure / 100
    for index, name in enumerate(SEGMENTS):
        chosen = LOANS.segment == index
        if not chosen.any():
            assert name not in found["segments"]
            continue
        of = found["segments"][name]
        assert of["loans"] == chosen.sum()
        assert of["exposure"] == pytest.approx(exposure[chosen].sum())
        assert of["pd"] == pytest.approx(np.average(RISKS.pd[0][chosen] / 2**32, weights=exposure[chosen]), rel=1e-12)
        assert of["lgd"] == pytest.approx(np.average(RISKS.lgd[chosen] / 2**24, weights=exposure[chosen]), rel=1e-12)
    largest = sorted(exposure, reverse=True)[:TOP]
    assert [one["exposure"] for one in found["largest"]] == largest
    assert found["columns"]["LoanTerm"]["most"] == LOANS.term.max()
    assert found["loans"] == len(LOANS)


@given(
    st.lists(st.floats(0, 1e12, allow_subnormal=False) | st.sampled_from([0.0, -0.0, 1.0, float("nan")]), max_size=60),
    st.integers(0, 60),
)
def test_quantiles_are_those_of_the_numbers_rounded_down(values: list[float], cut: int) -> None:
    numbers = Numbers.of(np.array(values[:cut], np.float64))
    numbers.add(Numbers.of(np.array(values[cut:], np.float64)))
    known = sorted(value for value in values if value == value)
    assert numbers.given == len(known)
    if not known:
        return
    assert (numbers.least, numbers.most) == (known[0], known[-1])
    for percent in (1, 50, 99):
        exact = float(np.quantile(known, percent / 100, method="inverted_cdf"))
        assert exact * (1 - 2**-8) <= numbers.quantile(percent) <= exact


def test_check_prints_what_a_run_reports(tmp_path: Any) -> None:
    (tmp_path / "loans.csv").write_bytes(CSV.replace(b"fixed", b"floating", 3))
    host = MemoryHost()
    host.s3.objects["p/loans.csv"] = (tmp_path / "loans.csv").read_bytes()
    result = simulate(host, portfolio="p/", as_of=str(AS_OF), scenarios=100, chunk_loans=60)
    store, objects = local_objects.opened({"loans.csv": tmp_path / "loans.csv"})
    seen = before_a_run.of_portfolio(store, objects, ColumnMapping(), PARAMETERS, AS_OF)
    assert result["input"] == {**json.loads(json.dumps(seen.to_json())), "warnings": seen.warnings()}


def test_a_forgotten_scale_is_told_by_the_result_and_the_report(tmp_path: Any) -> None:
    mapping = {"columns": {"Rate": {"from": "Rate", "scale": 0.01}}}
    host = MemoryHost()
    host.s3.objects["p/loans.csv"] = CSV
    result = simulate(host, portfolio="p/", as_of=str(AS_OF), scenarios=100, mapping=mapping)
    assert any('map Rate with "scale": 100' in warning for warning in result["input"]["warnings"])
    assert b"What went in looks doubtful" in host.s3.objects["runs/execution/report.html"]


def test_no_loan_has_no_profile() -> None:
    nothing = profile(LOANS.select(np.zeros(len(LOANS), np.bool_))).to_json(SEGMENTS)
    assert nothing["columns"] == nothing["segments"] == {}
    assert nothing["largest"] == []
