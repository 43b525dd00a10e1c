"""Generated portfolios: the same loans whatever the cut, loans that fit together, a lender's mix."""

import io
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.portfolio import synthetic
from montecarlo.portfolio.files import Format
from montecarlo.portfolio.loans import Loans, validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.regions import STATE_REGION
from montecarlo.portfolio.rejects import Reject
from montecarlo.portfolio.rows import read_rows
from montecarlo.steps.generate_part import encode

AS_OF = date(2026, 1, 1)
SEGMENTS = ("personal", "auto", "mortgage", "credit_card", "small_business", "commercial")
WHOLE = synthetic.generate(0, 20_000, 42, AS_OF)


def load(data: bytes, format: Format) -> tuple[Loans, list[Reject]]:
    return validate(read_rows(io.BytesIO(data), "loans", format, ColumnMapping()), ColumnMapping(), SEGMENTS, AS_OF)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 20_000), st.integers(0, 9_000))
def test_any_cut_gives_the_same_loans(first: int, count: int) -> None:
    count = min(count, 20_000 - first)
    assert synthetic.generate(first, count, 42, AS_OF).equals(WHOLE.slice(first, count))


def test_the_seed_is_all_that_matters() -> None:
    assert synthetic.generate(0, 100, 42, AS_OF).equals(WHOLE.slice(0, 100))
    assert not synthetic.generate(0, 100, 43, AS_OF).equals(WHOLE.slice(0, 100))
    assert synthetic.generate(0, 10, 2**64 - 1, AS_OF).num_rows == 10


def test_a_loan_stays_what_it_was() -> None:
    """Guards the published portfolios: a change here is a change of everybody's data."""
    assert synthetic.to_csv(WHOLE.slice(0, 2)).decode().splitlines()[1:] == [
        '"LN-0000000000","89338",5.56,1474.62,258000.00,360,2016-10-21,58570.00,218058.43,"fixed","mortgage"',
        '"LN-0000000001","15035",6.00,186.33,6125.00,36,2023-08-26,55018.00,1457.69,"fixed","personal"',
    ]


def test_far_loans_have_names_of_their_own() -> None:
    assert synthetic.generate(999_999_999, 2, 42, AS_OF)["AccountID"].to_pylist() == ["LN-0999999999", "LN-1000000000"]


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_files_hold_the_loans_to_the_bit_and_every_loan_is_valid(format: Format) -> None:
    loans, rejects = load(encode(WHOLE, format), format)
    assert rejects == []
    columns = {
        "Rate": loans.rate,
        "Payment": loans.payment,
        "LoanAmount": loans.loan_amount,
        "LoanTerm": loans.term,
        "GrossIncome": loans.income,
        "Balance": loans.balance,
    }
    for name, values in columns.items():
        assert np.array_equal(values, np.asarray(WHOLE[name])), name
    assert loans.account_id.equals(WHOLE["AccountID"].combine_chunks())


def test_parquet_is_what_the_layer_can_read() -> None:
    metadata = pq.ParquetFile(io.BytesIO(encode(WHOLE, "parquet"))).metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [10_000, 10_000]
    assert {group.column(j).compression for group in groups for j in range(group.num_columns)} == {"SNAPPY"}


def test_no_loans_at_all() -> None:
    assert synthetic.generate(5000, 0, 42, AS_OF).num_rows == 0
    assert load(encode(synthetic.generate(0, 0, 42, AS_OF), "csv"), "csv")[1] == []
    assert load(encode(synthetic.generate(0, 0, 42, AS_OF), "parquet"), "parquet")[1] == []


def test_payment_and_balance_follow_from_amount_rate_and_term() -> None:
    loans, _ = load(encode(WHOLE, "parquet"), "parquet")
    growth = 1 + loans.rate / 1200
    annuity = loans.loan_amount * (growth - 1) / (1 - growth**-loans.term)
    assert np.abs(annuity - loans.payment).max() <= 0.0051
    owed = loans.loan_amount * (growth**loans.term - growth**loans.age) / (growth**loans.term - 1)
    assert np.abs(owed - loans.balance).max() <= 0.0051
    assert (loans.age < loans.term).all()
    assert (loans.balance > 0).all()


def test_the_mix_of_segments() -> None:
    counts = {row["values"]: row["counts"] / 20_000 for row in WHOLE["Segment"].value_counts().to_pylist()}
    for product in synthetic.PRODUCTS:
        assert counts[product.segment] == pytest.approx(product.share, abs=0.015)
    assert sum(product.share for product in synthetic.PRODUCTS) == pytest.approx(1)


@pytest.mark.parametrize("product", synthetic.PRODUCTS, ids=lambda product: product.segment)
def test_the_loans_of_a_segment(product: synthetic.Product) -> None:
    table = synthetic.generate(0, 40_000, 7, AS_OF)
    table = table.filter(pc.equal(table["Segment"], product.segment))
    amount, rate, term, income = (np.asarray(table[n]) for n in ("LoanAmount", "Rate", "LoanTerm", "GrossIncome"))
    burden = 12 * np.asarray(table["Payment"]) / income
    median, _, least, most = product.amount
    assert np.median(amount) == pytest.approx(median, rel=0.12)
    assert least <= amount.min() < amount.max() <= most
    assert np.all(amount % product.rounding == 0)
    assert set(term) == set(product.terms)
    assert np.median(rate) == pytest.approx(product.rate[0], rel=0.1)
    assert rate.min() >= product.rate[2]
    assert np.median(burden) == pytest.approx(product.burden[0], rel=0.15)
    assert np.corrcoef(rate, burden)[0, 1] > 0.1  # weak borrowers pay more and owe more
    floating = np.mean(np.asarray(pc.equal(table["RateType"], "floating")))
    assert floating == pytest.approx(product.floating_share, abs=0.06)


def test_zip_codes_lie_where_people_live() -> None:
    loans, _ = load(encode(WHOLE, "parquet"), "parquet")
    residents = np.zeros(10)
    for state, thousands, low, high in synthetic.ZIP_PREFIXES:
        assert {low // 100, high // 100} == {STATE_REGION[state]}, state
        residents[STATE_REGION[state]] += thousands
    shares = np.bincount(loans.region, minlength=10) / len(loans)
    assert shares == pytest.approx(residents / residents.sum(), abs=0.012)
    assert len(synthetic.ZIP_PREFIXES) == 51
    assert pc.all(pc.equal(pc.utf8_length(WHOLE["ZipCode"]), 5)).as_py()


def test_normal_deviates_and_the_exponential() -> None:
    normal = np.concatenate([synthetic.Bits(1, block).normal() for block in range(50)])
    assert normal.mean() == pytest.approx(0, abs=0.01)
    assert normal.std() == pytest.approx(1, abs=0.01)
    x = np.linspace(-4, 4, 101)
    assert synthetic.exp(x) == pytest.approx(np.exp(x), rel=0.003)


def test_the_schema_has_the_portfolios_columns() -> None:
    assert isinstance(WHOLE, pa.Table)
    assert WHOLE.column_names == list(synthetic._SCHEMA.names)
