"""A change of expected loss, and of the loss in every scenario, is followed to the cent."""

import io
import json
import re
import xml.etree.ElementTree as ET
from datetime import date
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from additive import attribution, comparison_page
from additive.combine import combine
from additive.compare import Comparison, Side, compare, write
from additive.operands import parse
from additive.replay import Replay
from additive.waterfall import STEPS, Waterfall, in_cents
from montecarlo.errors import InvalidInput, InvalidResult, MonteCarloError
from montecarlo.model.credit import FRACTION_BITS
from montecarlo.portfolio import synthetic
from montecarlo.storage import keys
from montecarlo.storage.parquet import to_parquet
from tests.memory_run import MemoryHost, simulate
from tests.memory_s3 import MemoryS3

Row = dict[str, Any]


def book(count: int = 60, first: int = 0) -> list[Row]:
    """Loans that bring what is changed here."""
    rows: list[Row] = synthetic.generate(first, count, 1, date(2026, 1, 1)).to_pylist()
    return [
        {**row, "PD": 0.01 * (1 + number % 9), "LGD": 0.4, "EAD": 1_000.0 + number} for number, row in enumerate(rows)
    ]


def run(host: MemoryHost, name: str, rows: list[Row], **request: Any) -> dict[str, Any]:
    host.s3.objects[f"portfolios/{name}/loans.parquet"] = to_parquet(pa.Table.from_pylist(rows))
    return simulate(host, run=name, portfolio=f"portfolios/{name}/", scenarios=200, chunk_loans=25, **request)


def side(host: MemoryHost, name: str, folder: Path, *, here: bool = False) -> Side:
    """A run as the command has it: its results in a folder, and the run itself unless it is `here` only."""
    there = folder / name
    for key, data in host.s3.objects.items():
        if key.startswith(f"runs/{name}/"):
            path = there / key.removeprefix(f"runs/{name}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return Side.read(there, None if here else Replay.open(host.store, name))


def beside(host: MemoryHost, folder: Path, first: str = "june", second: str = "july", **how: Any) -> Comparison:
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    return compare(side(host, first, folder, **how), side(host, second, folder, **how), scratch)


def amounts(found: Waterfall) -> dict[str, int]:
    return {step.name: step.cents for step in found.steps}


@pytest.fixture(scope="module")
def of_june() -> MemoryHost:
    host = MemoryHost()
    run(host, "june", book())
    return host


@pytest.fixture
def june(of_june: MemoryHost) -> MemoryHost:
    """A bucket with the run june."""
    return MemoryHost(MemoryS3(dict(of_june.s3.objects)))


def naive(before: dict[str, Any], after: dict[str, Any], case: str) -> list[int]:
    """The expected loss before the first step and after each, in 2**-16 cents, loan by loan as it is defined."""

    def figures(loan: Row) -> tuple[int, int, int]:
        return (
            round(loan["Exposure"] * 100),
            round(loan[f"PD_{case}"] * 2**32),
            round(loan[f"ExpectedLoss_{case}"] * (100 << FRACTION_BITS)),
        )

    states = [0] * 6
    for account in before.keys() | after.keys():
        if account not in after:
            el = figures(before[account])[2]
            own = [el, el, 0, 0, 0, 0]
        elif account not in before:
            el = figures(after[account])[2]
            own = [0, el, el, el, el, el]
        else:
            (e1, p1, x), (e2, p2, y) = figures(before[account]), figures(after[account])
            owed = x if e1 == e2 else int(Fraction(x * e2, e1) + Fraction(1, 2)) if e1 else y
            if e1 == 0 != e2:
                likely = y
            else:
                likely = owed if p1 == p2 else int(Fraction(owed * p2, p1) + Fraction(1, 2)) if p1 else y
            own = [x, x, x, owed, likely, y]
        states = [total + one for total, one in zip(states, own, strict=True)]
    return states


def loans_of(host: MemoryHost, name: str) -> dict[str, Row]:
    found = [data for key, data in host.s3.objects.items() if key.startswith(keys.loans(name))]
    return {row["AccountID"]: row for data in found for row in pq.read_table(io.BytesIO(data)).to_pylist()}


@settings(max_examples=4)
@given(seed=st.integers(0, 10**6), share=st.sampled_from([0.05, 0.5, 1.0]))
def test_any_change_is_followed_to_the_cent(
    of_june: MemoryHost, tmp_path_factory: pytest.TempPathFactory, seed: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    host = MemoryHost(MemoryS3(dict(of_june.s3.objects)))

    few: dict[str, list[Any]] = {
        "EAD": [0.0, 5.0, 1e6],
        "PD": [0.0, 1e-6, 0.3, 1.0],
        "LGD": [0.0, 0.9],
        "Segment": ["auto", "personal"],
    }

    def changed(row: Row) -> Row:
        return {**row, **{name: of[rng.integers(len(of))] for name, of in few.items() if rng.random() < share}}

    july = [changed(row) for row in book() if rng.random() < 0.9] + book(10, first=500)
    run(host, "july", july, scenarios_from="june")

    made = beside(host, tmp_path_factory.mktemp("compare"))

    assert made.same_scenarios
    assert made.remarks == []
    assert made.losses is not None
    assert not made.losses.residual.any()
    before, after = loans_of(host, "june"), loans_of(host, "july")
    for found in made.waterfalls:
        assert found.residual == 0
        assert found.before + sum(step.cents for step in found.steps) == found.after
        states = [in_cents(state) for state in naive(before, after, found.case)]
        assert list(amounts(found).values())[:5] == [b - a for a, b in pairwise(states)]
        assert amounts(found)["parameters"] == amounts(found)["scenarios"] == 0


@pytest.mark.parametrize(
    ("step", "change"),
    [
        ("exposure", {"EAD": 4_000.0}),
        ("pd", {"PD": 0.4}),
        ("lgd", {"LGD": 0.9}),
    ],
)
def test_one_change_is_one_step(june: MemoryHost, tmp_path: Path, step: str, change: Row) -> None:
    run(june, "july", [{**row, **change} if number < 7 else row for number, row in enumerate(book())],
        scenarios_from="june")  # fmt: skip

    made = beside(june, tmp_path)

    assert made.losses is not None
    for name, moved in made.losses.steps.items():
        assert moved.any() == (name == step)
    for found in made.waterfalls:
        assert {name for name, cents in amounts(found).items() if abs(cents) > 5} == {step}  # cents of 60 loans
        assert {mover.kind for mover in found.movers} == {"changed"}
        assert len(found.movers) == 7


def test_new_and_repaid_loans_are_what_they_lose(june: MemoryHost, tmp_path: Path) -> None:
    new = book(8, first=700)
    run(june, "july", book()[5:] + new, scenarios_from="june")

    made = beside(june, tmp_path)

    assert made.losses is not None
    replay = made.second.replay
    assert replay is not None
    alone = MemoryHost(june.s3)
    run(alone, "alone", new, scenarios_from="june")
    assert np.array_equal(made.losses.steps["new"], Replay.open(alone.store, "alone").losses)
    movers = made.waterfalls[0].movers
    assert {mover.account_id for mover in movers if mover.kind == "new"} == {row["AccountID"] for row in new}
    assert {mover.account_id for mover in movers if mover.kind == "repaid"} == {row["AccountID"] for row in book(5)}


def test_parts_of_the_portfolio_make_no_difference(
    june: MemoryHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(june, "july", [{**row, "PD": 0.2, "EAD": row["EAD"] * 2} for row in book()[3:]], scenarios_from="june")
    whole = beside(june, tmp_path / "whole")
    monkeypatch.setattr(attribution, "PART_LOANS", 11)
    parts = beside(june, tmp_path / "parts")
    assert whole.losses is not None
    assert parts.losses is not None
    for name, steps in whole.losses.steps.items():
        assert np.array_equal(steps, parts.losses.steps[name])


def test_loans_of_one_account_are_matched_one_by_one(tmp_path: Path) -> None:
    host = MemoryHost()
    rows = book(20)
    for number in range(6):
        rows[number]["AccountID"] = "A"
    run(host, "june", rows, max_duplicate_share=1.0)
    run(host, "july", rows[1:], max_duplicate_share=1.0, scenarios_from="june")

    made = beside(host, tmp_path)

    assert made.losses is not None
    assert not made.losses.residual.any()
    for found in made.waterfalls:
        assert found.residual == 0
        assert found.steps[1].loans == 1


def test_parameters_and_cases_are_told_apart(june: MemoryHost, tmp_path: Path) -> None:
    parameters = june.json(keys.result("june"))["parameters"]
    for segment in parameters["segments"].values():
        segment["rate_sensitivity"] += 0.05
    rows = [{name: value for name, value in row.items() if name != "LGD"} for row in book()]
    run(june, "may", rows)
    run(june, "july", rows, parameters=parameters)
    run(june, "august", rows, parameters=parameters, fed_rate=9.0)
    run(june, "autumn", rows, fed_rate=9.0)

    for second, names in (("july", {"parameters"}), ("august", {"parameters", "scenarios"}), ("autumn", {"scenarios"})):
        made = beside(june, tmp_path / second, "may", second)
        base, stressed = made.waterfalls
        if second == "july":  # whose tail is where it was, so that even unpinned it has the same scenarios
            assert made.losses is not None
            assert not made.losses.residual.any()
            assert {name for name, change in made.losses.steps.items() if change.any()} == {"parameters"}
        else:
            assert made.losses is None
            assert any("scenarios of their own" in remark for remark in made.remarks)
        assert {name for name, cents in amounts(stressed).items() if cents} == names
        assert not any(amounts(base).values())
        assert base.residual == stressed.residual == 0


def test_collateral_that_a_case_shifts_is_followed(tmp_path: Path) -> None:
    """Loans of which each case loses another amount: what moves is their collateral, and then what they owe."""
    secured = [{**row, "LGD": None, "CollateralValue": 1_600.0, "Segment": "mortgage"} for row in book()]
    moved = [{**row, "CollateralValue": 900.0, "EAD": row["EAD"] + 7 * (number % 3)}
             for number, row in enumerate(secured)]  # fmt: skip
    cases = {"houses": {"collateral_shift": {"mortgage": -0.25}}}
    host = MemoryHost()
    run(host, "june", secured, cases=cases)
    run(host, "july", moved, cases=cases, scenarios_from="june")
    found = beside(host, tmp_path)
    assert found.losses is not None
    assert not found.losses.residual.any()
    assert found.losses.steps["exposure"].any(axis=1).tolist() == [False, True]  # covered in the base case
    assert found.losses.steps["lgd"].any(axis=1).all()


def test_results_in_folders_are_compared_without_the_runs(june: MemoryHost, tmp_path: Path) -> None:
    parameters = june.json(keys.result("june"))["parameters"]
    parameters["segments"]["personal"]["intercept"] += 1
    run(june, "july", book()[1:], parameters=parameters, fed_rate=7.0)

    made = beside(june, tmp_path, here=True)

    assert [found.residual for found in made.waterfalls] == [0, 0]
    assert any("not told apart from PD and LGD" in remark for remark in made.remarks)
    assert made.scenarios_table() is None


def test_a_sample_is_compared_as_the_whole(tmp_path: Path) -> None:
    host = MemoryHost()
    run(host, "june", book(), sample=2)
    run(host, "july", book()[6:], scenarios_from="june")
    made = beside(host, tmp_path)
    assert made.losses is not None
    assert not made.losses.residual.any()
    assert all(found.residual == 0 for found in made.waterfalls)


def test_loans_of_another_run_are_noticed(june: MemoryHost, tmp_path: Path) -> None:
    run(june, "july", book()[1:], scenarios_from="june")
    first, second = side(june, "june", tmp_path), side(june, "july", tmp_path)
    for path in second.loans:
        path.unlink()
    for path in first.loans:
        (second.folder / "loans" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "scratch").mkdir()

    made = compare(first, second, tmp_path / "scratch")

    assert all(found.residual for found in made.waterfalls)
    assert any("are not of one run" in remark for remark in made.remarks)


def test_what_cannot_be_compared_is_named(june: MemoryHost, tmp_path: Path) -> None:
    run(june, "sampled", book(), sample=2)
    with pytest.raises(InvalidInput, match="differ in their sample: 1 and 2"):
        beside(june, tmp_path / "a", "june", "sampled")
    run(june, "euros", book(), mapping={"columns": {}, "currency": "EUR"})
    with pytest.raises(InvalidInput, match="differ in their currency: USD and EUR"):
        beside(june, tmp_path / "b", "june", "euros")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InvalidResult, match="cannot be used"):
        Side.read(empty)
    (empty / "result.json").write_text("[]")
    (empty / "plan.json").write_text("{}")
    with pytest.raises(InvalidResult, match="cannot be used"):
        Side.read(empty)


def test_a_sum_of_runs_has_no_loans_to_compare(june: MemoryHost, tmp_path: Path) -> None:
    run(june, "more", book(20, 200), scenarios_from="june")
    combine(parse(["june + more"]), "all", june.store, lambda _: june.store)
    for first, second in (("june", "all"), ("all", "june")):
        with pytest.raises(InvalidInput, match=r"run all is the sum june \+ more of other runs: no loan is in it"):
            beside(june, tmp_path / first, first, second)


def test_a_run_is_as_it_is(june: MemoryHost, tmp_path: Path) -> None:
    made = beside(june, tmp_path, "june", "june")
    assert made.losses is not None
    assert not any(steps.any() for steps in made.losses.steps.values())
    assert not any(cents for found in made.waterfalls for cents in amounts(found).values())
    assert "did not change" in comparison_page.render(made)


@pytest.mark.parametrize(
    ("path", "value"),
    [(("exposure",), None), (("loans",), 7), (("cases", "base", "var"), []), (("cases", "base", "ecl"), "x")],
)
def test_results_that_lack_a_figure_are_compared_without(
    june: MemoryHost, tmp_path: Path, path: tuple[str, ...], value: Any
) -> None:
    first = side(june, "june", tmp_path, here=True)
    result = june.json(keys.result("june"))
    at = result
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    (first.folder / "result.json").write_text(json.dumps(result))
    (tmp_path / "scratch").mkdir()
    damaged = Side.read(first.folder)

    made = compare(damaged, damaged, tmp_path / "scratch")

    ET.fromstring(comparison_page.render(made).removeprefix("<!DOCTYPE html>\n"))
    assert made.to_json()


def test_damaged_tables_of_loans_are_named(june: MemoryHost, tmp_path: Path) -> None:
    first = side(june, "june", tmp_path, here=True)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    loans = first.loans
    data = loans[0].read_bytes()
    for wrong in (b"", data[:200], to_parquet(pa.table({"AccountID": ["a"]}))):
        loans[0].write_bytes(wrong)
        with pytest.raises(MonteCarloError, match="the loans cannot be compared"):
            compare(first, first, scratch)
    for path in loans:
        path.unlink()
    with pytest.raises(InvalidResult, match="has no loans/"):
        compare(first, first, scratch)


def test_page_and_files(june: MemoryHost, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    run(june, "july", [{**book()[0], "AccountID": evil, "EAD": 1e6}, *book()[1:]], scenarios_from="june")
    made = beside(june, tmp_path)
    out = tmp_path / "out"
    out.mkdir()

    write(made, comparison_page.render(made), out)

    page = (out / "compare.html").read_text(encoding="utf-8")
    ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert evil not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(?:src|href)=\"(?!#)|@import|url\(", page)
    assert pq.read_table(out / "scenarios.parquet").num_rows == 200
    said = made.to_json()
    assert list(said["cases"]["base"]["expected_loss"]["steps"]) == list(STEPS)
    assert said["cases"]["stressed"]["expected_loss"]["residual"] == 0
    assert list(said["cases"]["base"]["tail"]["es"]) == ["before", *STEPS[:-1]]


def test_what_the_cases_weigh_is_no_change_of_theirs(june: MemoryHost, tmp_path: Path) -> None:
    stressed = june.json(keys.result("june"))["cases"]["stressed"]["fed_rate"]
    case = {"fed_rate": stressed, "probability": 0.25}
    run(june, "july", book()[1:], scenarios_from="june", cases={"stressed": case})
    made = beside(june, tmp_path)
    assert made.losses is not None
    assert not any("other cases" in remark for remark in made.remarks)
    assert all(amounts(found)["parameters"] == 0 for found in made.waterfalls)
