"""Rows from CSV and Parquet files, alone, in slices and together."""

import gzip
import io
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.errors import InvalidPortfolio, SlowDown
from montecarlo.portfolio.files import Format, open_rows
from montecarlo.portfolio.loans import validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rejects import Reject, rejects_table
from montecarlo.portfolio.rows import gather, read_rows
from tests.portfolio.helpers import AS_OF, GOOD, SEGMENTS, check, check_one, csv_of, parquet_of, read, typed


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
            gather([*parts, read(encoded, format, rows=(0, 0))]), ColumnMapping(), SEGMENTS, AS_OF
        )
        expected_loans, expected_rejects = check(encoded, format)
        assert loans.account_id.to_pylist() == expected_loans.account_id.to_pylist()
        assert rejects == expected_rejects
        assert open_rows(io.BytesIO(encoded), "loans", format).count() == len(kinds)

    def test_a_large_file_across_blocks(self) -> None:
        columns = ("AccountID", "PD", "EAD", "Note")
        rows = [{"AccountID": f"A{i}", "PD": "0.1", "EAD": "1", "Note": "n" * 200} for i in range(20_000)]
        data = csv_of(*rows, columns=columns)
        raw = read(data, rows=(12_345, 12_347))
        assert raw.tables[0]["AccountID"].to_pylist() == ["A12345", "A12346"]
        assert raw.row.tolist() == [12_346, 12_347]

    def test_a_part_of_a_file_keeps_its_numbers(self) -> None:
        mapping = ColumnMapping.parse({"columns": {"AccountID": {"row_number": True, "prefix": "N"}}})
        raw = read(b"PD,EAD\n0.1,1\n0.1\n0.1,2\n", mapping=mapping, rows_before=100)
        assert raw.tables[0]["AccountID"].to_pylist() == ["N101", "N103"]
        assert [reject.row for reject in raw.rejects] == [102]

    def test_latin_1_costs_its_row_and_only_where_it_is_read(self) -> None:
        data = b"AccountID,PD,EAD,Name\nA,0.1,1,M\xfcller\nB\xfc,0.1,1,x\n"
        loans, rejects = check(data)
        assert loans.account_id.to_pylist() == ["A"]
        assert rejects == [Reject("loans", 2, "AccountID", "B�", "AccountID is not UTF-8 text")]

    def test_a_byte_order_mark_is_no_part_of_a_name(self) -> None:
        assert open_rows(io.BytesIO(b"\xef\xbb\xbfPD,EAD\n1,2\n"), "loans", "csv").columns == ["PD", "EAD"]

    @pytest.mark.parametrize(
        ("data", "format", "message"),
        [
            (b"", "csv", "loans is empty: it must begin with a header"),
            (
                b"AccountID,PD,EAD\nA,0.1,1\n" + b'"B,0.1,1\nC,0.1,1\n',
                "csv",
                "quote in data row 2 that is never closed",
            ),
            (
                b'AccountID,PD,EAD\n"A' + b"x" * 3_000_000,
                "csv",
                "data row 1 is longer .*, or a quote in it is never closed",
            ),
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
                read_rows(Broken(csv_of(GOOD)), "loans", format, ColumnMapping())


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
            ({"AccountID": [1.5]}, "floating-point numbers as AccountID"),
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
        first = read_rows(io.BytesIO(plain), "one.csv", "csv", ColumnMapping())
        typed_rows = parquet_of(typed(AccountID=pa.array([7]), Payment=[0.1]))
        second = read_rows(io.BytesIO(typed_rows), "two.parquet", "parquet", ColumnMapping())
        loans, rejects = validate(gather([first, second]), ColumnMapping(), SEGMENTS, AS_OF)
        assert loans.account_id.to_pylist() == ["A", "7"]
        assert loans.payment.tolist() == [311.06, 0.1]
        assert rejects == [Reject("one.csv", 2, "Rate", "x", "Rate is not a finite number")]

    def test_an_account_in_two_files_has_two_loans(self) -> None:
        parts = [read_rows(io.BytesIO(csv_of(GOOD)), name, "csv", ColumnMapping()) for name in ("a", "b")]
        loans, rejects = validate(gather(parts), ColumnMapping(), SEGMENTS, AS_OF)
        assert len(loans) == 2
        assert rejects == []

    def test_rejects_as_a_table(self) -> None:
        _, rejects = check_one(Rate="x")
        assert rejects_table(rejects).to_pylist() == [
            {"file": "loans", "row": 1, "column": "Rate", "value": "x", "reason": "Rate is not a finite number"}
        ]
        assert rejects_table([]).num_rows == 0
