"""Results as plain tables, and those as CSV files or as a workbook.

Imports pyarrow, and XlsxWriter where a workbook is written.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from cli import CommandError

SHEET_ROWS = 1_048_575
"""Rows below the head of a sheet: what Excel opens."""

SHEET_LOANS = 100_000
"""Loans that go into a workbook; more make it slow to open, and are left to CSV."""

OF_LOANS = ("loans", "loan_contributions")
"""Tables with a row for each loan."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def parsed(folder: Path) -> dict[str, Any]:
    """The folder's result.json."""
    result: dict[str, Any] = json.loads((folder / "result.json").read_bytes())
    return result


def result_tables(result: Mapping[str, Any]) -> dict[str, pa.Table]:
    """The figures of result.json, a table for each kind, with a row for each figure or part."""
    cases = result.get("cases", {})
    apart = ("cases", "parameters", "portfolio", "contributions", "reverse_stress")
    told = {name: value for name, value in result.items() if name not in apart}
    portfolio = result.get("portfolio", {})
    about = {name: value for name, value in portfolio.items() if name not in ("segments", "regions", "dimensions")}
    return {
        "run": _table(("name", "value"), [*_leaves(told), *_leaves(about, "portfolio.")]),
        "measures": _table(
            ("case", "measure", "value", "standard_error", "interval_low", "interval_high"),
            chain.from_iterable(_measures(name, case) for name, case in cases.items()),
        ),
        **{kind: _parts(kind, portfolio.get(kind, {}), cases) for kind in ("segments", "regions")},
        **({"dimensions": _dimensions(portfolio["dimensions"], cases)} if "dimensions" in portfolio else {}),
        **({"contributions": _contributions(result["contributions"])} if result.get("contributions") else {}),
        **({"reverse_stress": _economies(result["reverse_stress"])} if result.get("reverse_stress") else {}),
        "parameters": _table(("name", "value"), _leaves(result.get("parameters", {}))),
    }


def _measures(case_name: str, case: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """The figures of a case, each with its error where it has one."""
    apart = (
        "standard_error",
        "interval_95",
        "segments",
        "regions",
        "dimensions",
        "convergence",
        "probit_shift",
        "collateral_shift",
        "probability",
    )
    errors, intervals = dict(_leaves(case.get("standard_error", {}))), dict(_pairs(case.get("interval_95", {})))
    for name, value in _leaves({key: value for key, value in case.items() if key not in apart}):
        if isinstance(value, bool | str):
            continue
        yield case_name, name, value, errors.get(name), *intervals.get(name, (None, None))


def _parts(kind: str, holdings: Mapping[str, Any], cases: Mapping[str, Any]) -> pa.Table:
    """What each segment or region holds and loses, a row for each case."""
    return _rows(
        {
            "case": case_name,
            kind.removesuffix("s"): part,
            **dict(_leaves(holdings.get(part, {}))),
            **dict(_leaves(lost)),
        }
        for case_name, case in cases.items()
        for part, lost in case.get(kind, {}).items()
    )


def _dimensions(dimensions: Mapping[str, Any], cases: Mapping[str, Any]) -> pa.Table:
    """What each value of each dimension holds and loses, a row for each case."""
    return _rows(
        {
            "case": case_name,
            "dimension": dimension,
            "value": value,
            **dict(_leaves(found["values"].get(value, {}))),
            **dict(_leaves(lost)),
        }
        for case_name, case in cases.items()
        for dimension, found in dimensions.items()
        for value, lost in case.get("dimensions", {}).get(dimension, {}).items()
    )


def _contributions(found: Mapping[str, Any]) -> pa.Table:
    """The loans and the borrowers that contribute most, a row for each case."""

    def told(case: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield from (("loan", row) for row in case.get("loans", []))
        yield from (("borrower", row) for row in case.get("borrowers", []))
        yield from ((kind.replace("_", " "), case[kind]) for kind in ("others", "other_borrowers") if kind in case)

    cases = found.get("cases", {}).items()
    return _rows({"case": name, "kind": kind, **dict(_leaves(row))} for name, case in cases for kind, row in told(case))


def _economies(found: Mapping[str, Any]) -> pa.Table:
    """The economy of each case that costs the capital available, a row for each segment."""
    return _rows(
        {
            "case": case_name,
            "segment": segment,
            **{f"segment_{name}": value for name, value in lost.items()},
            **dict(_leaves({name: value for name, value in case.items() if name != "segments"})),
        }
        for case_name, case in found.get("cases", {}).items()
        for segment, lost in (case.get("segments") or {"": {}}).items()
    )


def _rows(given: Iterable[dict[str, Any]]) -> pa.Table:
    rows = list(given)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return _table(names, ([row.get(name) for name in names] for row in rows))


def _leaves(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value with its path; of a pair, such as an interval, each end; longer lists as one text."""
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        elif isinstance(value, list) and len(value) == 2 and "interval" in f"{path}{name}":
            yield from ((f"{path}{name}.low", value[0]), (f"{path}{name}.high", value[1]))
        else:
            yield f"{path}{name}", str(value) if isinstance(value, list) else value


def _pairs(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from _pairs(value, f"{path}{name}.")
        elif isinstance(value, list) and len(value) == 2:
            yield f"{path}{name}", (value[0], value[1])


def _table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table({name: _array(column) for name, column in zip(names, columns, strict=True)})


def _array(values: Sequence[Any]) -> pa.Array:
    """Numbers where all are numbers, else texts."""
    given = [value for value in values if value is not None]
    if all(isinstance(value, float | int) and not isinstance(value, bool) for value in given):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def detail_files(folder: Path) -> dict[str, list[Path]]:
    """The Parquet files of a folder of results, by what they hold."""
    found = {name: [folder / f"{name}.parquet"] for name in ("losses",)}
    found |= {name: sorted((folder / name).glob("*.parquet")) for name in ("loans", "rejects")}
    found["loan_contributions"] = sorted((folder / "contributions").glob("*.parquet"))
    return {name: there for name, files in found.items() if (there := [file for file in files if file.is_file()])}


def check_details(folder: Path) -> None:
    """Raise CommandError, which names the file, where one of the Parquet files is damaged."""
    for path in (path for files in detail_files(folder).values() for path in files):
        try:
            pq.read_metadata(path)
        except (OSError, pa.ArrowException) as error:
            raise CommandError(
                f"{path} cannot be read: {str(error).splitlines()[0]} Take it from the run again, or repeat the run."
            ) from None


# ---------------------------------------------------------------------------------------------------------------------
# CSV


def write_csv(result: Mapping[str, Any], folder: Path, target: Path) -> list[Path]:
    """Write every table of the results to a CSV file in `target`, a folder; returns the files."""
    written = []
    for name, table in result_tables(result).items():
        with (target / f"{name}.csv").open("xb") as file:
            pa_csv.write_csv(harmless(table), file)
        written.append(target / f"{name}.csv")
    for name, files in detail_files(folder).items():
        schema = harmless(pq.read_schema(files[0]).empty_table()).schema
        with (target / f"{name}.csv").open("xb") as file, pa_csv.CSVWriter(file, schema) as writer:
            for path in files:
                for batch in pq.ParquetFile(path).iter_batches():
                    writer.write_table(harmless(pa.table(batch)))
        written.append(target / f"{name}.csv")
    return written


def harmless(table: pa.Table) -> pa.Table:
    """The table with an apostrophe before texts that a spreadsheet would carry out as formulas."""
    columns = {
        name: pa.array(map(harmless_text, table[name].to_pylist()), pa.string())
        if pa.types.is_string(table[name].type) or pa.types.is_large_string(table[name].type)
        else table[name]
        for name in table.column_names
    }
    return pa.table(columns)


def harmless_text(text: str | None) -> str | None:
    """The text, unless a spreadsheet would take it for a formula; a plain number is none."""
    if text and text.startswith(_FORMULA):
        try:
            float(text)
        except ValueError:
            return f"'{text}"
    return text


# ---------------------------------------------------------------------------------------------------------------------
# Workbook


def write_workbook(result: Mapping[str, Any], folder: Path, target: Path) -> list[str]:
    """Write the tables as the sheets of a workbook; returns what was too long for it. Raises CommandError."""
    try:
        import xlsxwriter
    except ImportError:
        raise CommandError("XlsxWriter is missing, which writes workbooks: run `make setup`.") from None
    left_out = []
    options = {"constant_memory": True, "nan_inf_to_errors": True}  # no text becomes a formula: see write_string
    with target.open("xb") as file, xlsxwriter.Workbook(file, options) as book:
        for name, table in result_tables(result).items():
            _sheet(book, name, table.column_names, [table])
        for name, files in detail_files(folder).items():
            rows = sum(pq.ParquetFile(path).metadata.num_rows for path in files)
            if rows > (SHEET_LOANS if name in OF_LOANS else SHEET_ROWS):
                left_out.append(f"{name} ({rows:,} rows)")
            else:
                _sheet(book, name, pq.read_schema(files[0]).names, map(pq.read_table, files))
    return left_out


def _sheet(book: Any, name: str, columns: Sequence[str], tables: Iterable[pa.Table]) -> None:
    """A sheet with a head that stays in sight, numbers as numbers, and columns as wide as their heads."""
    sheet = book.add_worksheet(name)
    bold, number = book.add_format({"bold": True, "bottom": 1}), book.add_format({"num_format": "#,##0.00##"})
    for column, title in enumerate(columns):
        sheet.set_column(column, column, max(14, min(40, len(title) + 2)))
    sheet.freeze_panes(1, 0)
    sheet.write_row(0, 0, columns, bold)
    row = 0
    for table in tables:
        for values in zip(*(table[column].to_pylist() for column in columns), strict=True):
            row += 1
            for column, value in enumerate(values):
                if isinstance(value, float | int) and not isinstance(value, bool):
                    sheet.write_number(row, column, value, number if isinstance(value, float) else None)
                elif value is not None:
                    sheet.write_string(row, column, str(value))
