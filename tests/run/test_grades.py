"""Loans with a grade, whose PDs by year are a table's or a migration matrix's."""

import io
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli import input_profile, plausibility
from montecarlo.errors import InvalidPortfolio
from montecarlo.model.parameters import load
from montecarlo.portfolio import synthetic
from montecarlo.portfolio.loans import validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.source.listing import find_objects, group_objects
from montecarlo.storage.parquet import to_parquet
from tests.memory_run import MemoryHost, figures, simulate
from tests.portfolio.helpers import GOOD, SEGMENTS, csv_of, read

AS_OF = date(2026, 1, 1)
GRADES: dict[str, list[float]] = {"AAA": [0.0, 0.001, 0.004], "Aaa": [0.002], "B": [0.02, 0.03, 0.05], "D": [1.0]}
MATRIX: dict[str, Any] = {
    "grades": ["AAA", "Aaa", "B"],
    "matrix": [[0.9, 0.05, 0.05, 0.0], [0.02, 0.9, 0.07, 0.01], [0.0, 0.1, 0.8, 0.1]],
}
NEEDLESS = ["Payment", "GrossIncome"]
"""What a loan with a PD can do without."""


def book(loans: int = 120, **columns: Any) -> pa.Table:
    """The made-up portfolio, every loan with a grade and some with a PD of their own, but for these columns."""
    table = synthetic.generate(0, loans, 3, AS_OF).drop(NEEDLESS)
    names = [*GRADES][:3]
    columns = {
        "Grade": pa.array([names[number % 3] for number in range(loans)]),
        "PD": pa.array([0.03 if number % 7 == 0 else None for number in range(loans)], pa.float64()),
        **columns,
    }
    for name, column in columns.items():
        table = table.append_column(name, column) if column is not None else table
    return table


def run(table: pa.Table | bytes, host: MemoryHost | None = None, name: str = "r", **request: Any) -> Any:
    """result.json's figures, and the loans' results in the order of their AccountIDs."""
    host = host or MemoryHost()
    data = table if isinstance(table, bytes) else to_parquet(table)
    host.s3.objects[f"portfolios/{name}/loans.{'csv' if isinstance(table, bytes) else 'parquet'}"] = data
    request = {"scenarios": 100, "as_of": "2026-01-01", **request}
    result = simulate(host, run=name, portfolio=f"portfolios/{name}/", **request)
    keys = [key for key in sorted(host.s3.objects) if key.startswith(f"runs/{name}/loans/")]
    loans = pa.concat_tables([pq.read_table(io.BytesIO(host.s3.objects[key])) for key in keys]).sort_by("AccountID")
    return figures(result), loans.to_pydict()


def same_but(one: dict[str, Any], other: dict[str, Any], *names: str) -> bool:
    """Whether two results are the same beside the portfolio's profile, the parameters, and these."""
    left = {"input", "parameters", "portfolio", *names}
    return {key: value for key, value in one.items() if key not in left} == {
        key: value for key, value in other.items() if key not in left
    }


def test_a_flat_grade_is_as_a_pd_of_its_own_to_the_bit() -> None:
    """In every case, and however its file says it."""
    flat = {name: [pds[-1]] for name, pds in GRADES.items()}
    by_grade, its_loans = run(book(PD=None), parameters={"grades": flat})
    pds = pa.array([flat[name][0] for name in book()["Grade"].to_pylist()])
    by_pd, loans = run(book(PD=pds, Grade=None))
    assert its_loans == loans
    assert same_but(by_grade, by_pd)
    assert by_grade["input"]["graded"] == by_grade["input"]["pd_by_grade"] == 120
    assert "graded" not in by_pd["input"]


def test_nothing_depends_on_the_cut_or_on_how_the_files_spell_it() -> None:
    whole = run(book(), parameters={"migration": MATRIX}, dimensions=["Grade"])
    assert run(book(), parameters={"migration": MATRIX}, dimensions=["Grade"], chunk_loans=17) == whole
    spelled = book(Grade=pa.array([f" {name} " for name in book()["Grade"].to_pylist()]).dictionary_encode())
    assert run(spelled, parameters={"migration": MATRIX}, dimensions=["Grade"])[1] == whole[1]
    assert {*whole[0]["portfolio"]["dimensions"]["Grade"]["values"]} == {*MATRIX["grades"]}
    assert whole[0]["parameters"]["migration"] == MATRIX
    table = load({"migration": MATRIX}).pds_by_grade
    assert run(book(), parameters={"grades": table}, dimensions=["Grade"])[1] == whole[1]


def test_pds_by_year_are_the_grades_and_no_longer_the_segments() -> None:
    """A loan of each kind, a bullet over three years without interest, of which 50,000 are lost: year by year by hand.
    In a stressed case all PDs rise as the first does; those after a PD of 0 stay.
    """
    told: list[tuple[float | None, str | None, list[float]]] = [
        (None, "AAA", [0, 0.001, 0.004]),
        (None, "B", [0.02, 0.03, 0.05]),
        (None, "Aaa", [0.002, 0.002, 0.002]),
        (None, "D", [1, 1, 1]),
        (0.04, "B", [0.04, 0.06, 0.10]),
        (0.0003, "AAA", [0.0003, 0.001, 0.004]),
        (0.0, "AAA", [0, 0.001, 0.004]),
        (0.0, "B", [0, 0, 0]),
        (0.02, None, [0.02, 0.04, 0.04]),
    ]
    alike = {"Rate": 0.0, "LoanAmount": 1e5, "LoanTerm": 36, "LGD": 0.5, "OriginationDate": AS_OF, "ZipCode": "10001",
             "Amortisation": "bullet", "Segment": "auto"}  # fmt: skip
    table = pa.table(
        {
            "AccountID": [f"A{number}" for number in range(len(told))],
            "PD": pa.array([pd for pd, _, _ in told], pa.float64()),
            "Grade": pa.array([grade for _, grade, _ in told], pa.string()),
            **{name: pa.array([value] * len(told)) for name, value in alike.items()},
        }
    )
    parameters = {"grades": GRADES, "default_timing": "year-end", "segments": {"auto": {"pd_by_year": [2]}}}
    result, loans = run(table, parameters=parameters)
    for case in ("base", "stressed"):
        for number, (_, _, pds) in enumerate(told):
            first = loans[f"PD_{case}"][number]
            rise = first / pds[0] if pds[0] else 1.0
            lost, alive = 0.0, 1.0
            for pd in pds:
                lost += alive * min(pd * rise, 1.0) * 50_000
                alive *= 1 - min(pd * rise, 1.0)
            assert loans[f"LifetimeECL_{case}"][number] == pytest.approx(lost, abs=0.01), (case, number)
            assert loans[f"TwelveMonthECL_{case}"][number] == pytest.approx(first * 50_000, abs=0.01)
    assert loans["PD_base"] == pytest.approx([pds[0] for _, _, pds in told], abs=1e-7)
    assert loans["PD_stressed"][1] > 0.021
    assert result["input"]["pd_by_grade"] == 4


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("volatility", [0.0, 0.4])
def test_the_ends_of_what_is_allowed_are_provided_for(volatility: float) -> None:
    """PDs next to 0 and 1, beside PDs of their own and without: nothing overflows, nor exceeds what can be lost."""
    grades = {"a": [5e-324, 1.0], "b": [-0.0, 0.5], "c": [1e-9, 0.9], "d": [1 - 1e-16, 0.5], "e": [0.5, 1.0, 0.0],
              "f": [0.0]}  # fmt: skip
    pairs = [(grade, pd) for grade in grades for pd in (None, 0.0, 5e-324, 0.3, 1.0)]
    alike = {"Rate": 5.0, "LoanAmount": 1e12, "LoanTerm": 1200, "OriginationDate": AS_OF, "ZipCode": "1"}
    table = pa.table(
        {
            "AccountID": [f"A{number:02}" for number in range(len(pairs))],
            "Grade": [grade for grade, _ in pairs],
            "PD": pa.array([pd for _, pd in pairs], pa.float64()),
            **{name: pa.array([value] * len(pairs)) for name, value in alike.items()},
        }
    )
    personal = {"lgd_volatility": volatility, "lgd_correlation": volatility / 2}
    _, loans = run(table, parameters={"grades": grades, "segments": {"personal": personal}})
    for case in ("base", "stressed"):
        rows = zip(loans[f"TwelveMonthECL_{case}"], loans[f"LifetimeECL_{case}"], loans["Exposure"], strict=True)
        for twelve_month, lifetime, exposure in rows:
            assert 0 <= twelve_month <= lifetime <= exposure
    of = dict(zip(pairs, loans["LifetimeECL_base"], strict=True))
    assert of["b", None] == of["b", 0.0] > 0
    assert of["f", None] == of["c", 0.0] == 0
    assert of["f", 0.3] > 0


def test_the_stage_goes_by_the_grades_pd() -> None:
    origination = pa.array([{0: 0.0007, 1: 0.0006}.get(number) for number in range(4)], pa.float64())
    table = book(4, Grade=pa.array(["Aaa", "Aaa", "D", "B"]), PD=None, OriginationPD=origination)
    result, _ = run(table, parameters={"grades": GRADES}, dimensions=["Stage"])
    stages = {name: of["loans"] for name, of in result["portfolio"]["dimensions"]["Stage"]["values"].items()}
    assert stages == {"1": 2, "2": 1, "3": 1}
    assert "stage_3" not in result["input"], "a grade in default has a PD of 1"


def test_without_grades_among_the_parameters_none_is_read() -> None:
    """Whatever the column of that name holds; and where the mapping tells of it, that is said."""
    plain = synthetic.generate(0, 60, 3, AS_OF)
    noise = plain.append_column("Grade", pa.array([b"\xff", b"x", None] * 20, pa.binary()))
    assert run(noise) == run(plain)
    result, _ = run(plain.append_column("rtg", pa.array(["A"] * 60)), mapping={"columns": {"Grade": "rtg"}})
    assert any("tells of the Grade, but the parameters have no grades" in each for each in result["input"]["warnings"])
    broken, _ = run(
        plain.append_column("rtg", pa.array(["A"] * 60)), mapping={"columns": {"Grade": "rtg"}}, dimensions=["Grade"]
    )
    assert not any("Grade" in each for each in broken["input"]["warnings"])
    result, _ = run(plain, parameters={"grades": GRADES})
    assert any("no loan has a Grade" in each for each in result["input"]["warnings"])


GRADED = ColumnMapping.parse(None, grades=load({"grades": GRADES}).first_pds)


@pytest.mark.parametrize("grade", ["aaa", "AAA+", "B-", "None", "0", "€", "b", "B B"])
def test_a_grade_that_the_parameters_do_not_know_rejects_its_row(grade: str) -> None:
    loans, rejects = validate(read(csv_of(GOOD | {"Grade": grade}), mapping=GRADED), GRADED, SEGMENTS, AS_OF)
    assert not len(loans)
    assert [(each.column, each.value, each.reason) for each in rejects] == [
        ("Grade", grade, "Grade is none of AAA, Aaa, B, D")
    ]


def test_a_loan_needs_no_scorecard_with_a_grade_and_without_it_does() -> None:
    columns = ("AccountID", "Rate", "LoanAmount", "LoanTerm", "OriginationDate", "ZipCode")
    line = "5,1000,12,2025-07-01,10001"
    with pytest.raises(InvalidPortfolio, match="has no column Payment, GrossIncome"):
        run(f"{','.join(columns)},Grade\nA,{line},B\n".encode())
    with pytest.raises(InvalidPortfolio, match="has no column Payment, GrossIncome"):
        run(f"{','.join(columns)}\nA,{line}\n".encode(), parameters={"grades": GRADES})
    data = f"{','.join(columns)},Grade,PD\nA,{line},B,\nB,{line},,\nC,{line},,0.1\n".encode()
    result, loans = run(data, parameters={"grades": GRADES}, max_rejected_share=1)
    assert loans["AccountID"] == ["A", "C"]
    assert result["loans"]["rejected"] == 1


def test_values_are_translated_and_numbers_are_names() -> None:
    mapping = {"columns": {"Grade": {"from": "rtg", "values": {"7": "D", "1": "AAA"}, "default": "B"}}}
    ints = book(3, Grade=None, PD=None, rtg=pa.array([1, 5, 7]))
    _, loans = run(ints, mapping=mapping, parameters={"grades": GRADES})
    assert loans["PD_base"] == pytest.approx([0.0, 0.02, 1.0], abs=1e-7)
    numbered = {"grades": {str(number): [number / 100] for number in range(1, 8)}}
    _, loans = run(ints.rename_columns([*ints.column_names[:-1], "Grade"]), parameters=numbered)
    assert loans["PD_base"] == pytest.approx([0.01, 0.05, 0.07], abs=1e-7)


def test_check_counts_them() -> None:
    host = MemoryHost()
    host.s3.objects["portfolios/r/loans.parquet"] = to_parquet(book())
    parameters = load({"migration": MATRIX})
    columns = ColumnMapping.parse(None, grades=parameters.first_pds)
    listing = find_objects(host.store, "portfolios/r/")
    objects = [item for group, _ in listing.groups(50, lambda _: 1) for item in group_objects(group, host.store)]
    found = input_profile.of_portfolio(host.store, objects, columns, parameters, AS_OF)
    told = plausibility.described(found)
    assert "120 loans have a Grade\n102 loans have its PD, as they bring none" in told
