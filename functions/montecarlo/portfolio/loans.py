"""Valid loans as arrays, or rejects that say which cell of which row is wrong.

No row gets lost: ``len(loans) + len(rejects)`` is the number of rows asked for. Whether a row is valid never depends on
the rows beside it. Nothing here calls ``exp``, ``log`` or ``power``, which differ between CPUs.

Imports numpy, pyarrow and this room only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from montecarlo.portfolio.amortisation import AMORTISATIONS, FREQUENCIES, Schedule, annuity, owed_share
from montecarlo.portfolio.cells import as_text, dates, numbers, per_distinct
from montecarlo.portfolio.columns import (
    COLUMN,
    COLUMNS,
    DEFAULT_FREQUENCY,
    DEFAULT_RATE_TYPE,
    DEFAULT_SEGMENT,
    STAGES,
    Column,
)
from montecarlo.portfolio.dates import whole_months
from montecarlo.portfolio.dialect import Dialect
from montecarlo.portfolio.mapping import DIMENSION, GRADE, LTV_BAND, REGIONS, STAGE, ColumnMapping, Origin
from montecarlo.portfolio.regions import STATE_REGION, UNKNOWN_REGION
from montecarlo.portfolio.rejects import MAX_VALUE, Reject, place
from montecarlo.portfolio.rows import RawRows
from montecarlo.portfolio.stages import STAGING, Staging

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Dates = NDArray[np.datetime64]


@dataclass(frozen=True)
class Loans:
    """Valid loans as arrays of one length n. What a loan need not bring is NaN, or 0 in whole numbers."""

    account_id: pa.Array
    """(n,) text."""
    key: NDArray[np.uint64]
    """(n,) FNV-1a of the AccountID: names the loan's own random numbers."""
    obligor_id: pa.Array
    """(n,) text; null where the loan is a borrower of its own."""
    obligor_key: NDArray[np.uint64]
    """(n,) names the random numbers that decide the borrower's default; the loan's own where it has no ObligorID."""
    segment: NDArray[np.int16]
    """(n,) index into the segments."""
    sector: NDArray[np.int16]
    """(n,) index into the sectors; -1: the segment's."""
    asset_correlation: Floats
    """(n,) NaN: the segment's."""
    region: NDArray[np.int8]
    """(n,) first digit of the ZIP code, or UNKNOWN_REGION."""
    rate: Floats
    """(n,) % a year."""
    payment: Floats
    """(n,) currency a month."""
    loan_amount: Floats
    """(n,) currency."""
    balance: Floats
    """(n,) currency; NaN: by amortisation."""
    income: Floats
    """(n,) currency a year."""
    term: Ints
    """(n,) months."""
    age: Ints
    """(n,) whole months from origination to the reporting date."""
    floating: Bools
    """(n,)."""
    pd: Floats
    """(n,) NaN: by grade, or else by scorecard."""
    grade: NDArray[np.int16]
    """(n,) index into the grades; -1: none."""
    lgd: Floats
    """(n,) NaN: the segment's."""
    ead: Floats
    """(n,) currency; NaN: from the balance."""
    amortisation: NDArray[np.int8]
    """(n,) index into AMORTISATIONS."""
    period: Ints
    """(n,) months between payments."""
    interest_only: Ints
    """(n,) months from origination in which payments repay nothing."""
    balloon: Floats
    """(n,) currency; NaN: none."""
    limit: Floats
    """(n,) currency; NaN: no credit line."""
    collateral: Floats
    """(n,) currency; NaN: none."""
    effective_rate: Floats
    """(n,) % a year, effective; NaN: that of the rate."""
    stage: NDArray[np.int8]
    """(n,) of IFRS 9: 1, 2 or 3."""
    dimensions: tuple[pa.Array, ...]
    """(n,) text each, of the mapping's dimensions; null where a loan has none."""

    def __len__(self) -> int:
        return len(self.key)

    @property
    def scheduled(self) -> Ints:
        """The places of the loans that repay otherwise than by level monthly payments alone."""
        other = (self.amortisation != 0) | (self.period != 1) | (self.interest_only > 0) | (self.balloon > 0)
        return np.flatnonzero(other)

    def schedule(self, rows: Ints) -> Schedule:
        """How the loans at these places repay."""
        kind = self.amortisation[rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            balloon = np.nan_to_num(self.balloon[rows] / self.loan_amount[rows])
        return Schedule(
            np.nan_to_num(self.rate[rows]) / 1200,
            self.term[rows],
            bullet=kind == AMORTISATIONS.index("bullet"),
            linear=kind == AMORTISATIONS.index("linear"),
            balloon=balloon,
            interest_only=self.interest_only[rows],
            period=self.period[rows],
        )

    def owed(self) -> Floats:
        """What is owed at the reporting date, shape (n,): Balance where the portfolio brings it, else the amortised
        amount. Nothing is owed once the term is over.
        """
        found = self.balance.copy()
        missing = np.flatnonzero(np.isnan(found))
        term = self.term[missing]
        share = owed_share(self.rate[missing] / 1200, term, np.minimum(self.age[missing], term))
        found[missing] = self.loan_amount[missing] * share
        rows = self.scheduled
        rows = rows[np.isnan(self.balance[rows])]
        if rows.size:
            found[rows] = self.loan_amount[rows] * self.schedule(rows).owed(self.age[rows])
        return found

    @property
    def loan_to_value(self) -> Floats:
        """What is owed by what the collateral is worth, (n,); NaN without collateral."""
        found = np.full(len(self), np.nan)
        rows = np.flatnonzero(self.collateral >= 0)
        if rows.size:
            with np.errstate(divide="ignore", invalid="ignore"):
                found[rows] = self.owed()[rows] / self.collateral[rows]
        return found

    def next_payment(self, rows: Ints) -> Floats:
        """What the next payment asks of the loans at these places by their schedule, currency a month."""
        schedule, age = self.schedule(rows), self.age[rows]
        owed = schedule.owed(np.minimum(age, np.maximum(self.term[rows] - 1, 0)))
        return np.asarray(self.loan_amount[rows] * owed * schedule.instalment(age))

    def select(self, rows: Bools) -> "Loans":
        """The loans where `rows` is true."""
        arrays = {item.name: getattr(self, item.name) for item in fields(self)}
        mask = pa.array(rows)
        texts = {name: arrays.pop(name).filter(mask) for name in _TEXTS}
        dimensions = tuple(array.filter(mask) for array in arrays.pop("dimensions"))
        return Loans(**texts, dimensions=dimensions, **{name: array[rows] for name, array in arrays.items()})


_TEXTS = ("account_id", "obligor_id")


class _Checks:
    """The first fault of each row, in the order the checks are made."""

    def __init__(self, rows: int) -> None:
        self.fault = np.zeros(rows, np.int16)
        self.faults: list[tuple[str, str]] = [("", "")]

    def of(self, rows: slice) -> "_Checks":
        """The same checks, of some of the rows."""
        part = _Checks(0)
        part.fault, part.faults = self.fault[rows], self.faults
        return part

    def reject(self, rows: Bools, column: str, reason: str) -> None:
        """Reject the rows, for a reason that reads on from the column's name."""
        if rows.any():
            fault = (column, f"{column} {reason}")
            if fault not in self.faults:
                self.faults.append(fault)
            self.fault[rows & (self.fault == 0)] = self.faults.index(fault)


def validate(
    raw: RawRows,
    mapping: ColumnMapping,
    segments: Sequence[str],
    as_of: date,
    sectors: Sequence[str] = (),
    staging: Staging = STAGING,
) -> tuple[Loans, list[Reject]]:
    """Parse and check rows: the valid loans, and all rejects, those of reading included, by file and row.

    segments, sectors: the names known, in index order; how they are capitalised does not matter. Grades are the
    mapping's, to the letter. as_of: the reporting date. staging: of the loans that do not tell their stage. A row is
    rejected once, for its first faulty column in the order of COLUMNS.
    """
    checks = _Checks(len(raw.row))
    account_id = _check_accounts(raw.tables, checks)
    parts, start = [], 0
    for table in raw.tables:
        rows = slice(start, start + len(table))
        columns = _Columns(table, mapping)
        known = segments, sectors
        parts.append(_parse(columns, account_id[rows.start : rows.stop], known, as_of, staging, checks.of(rows)))
        start = rows.stop
    loans = joined(parts)
    rejects = sorted([*raw.rejects, *_rejects(raw, checks)], key=place)
    return (loans.select(checks.fault == 0) if checks.fault.any() else loans), rejects


def _parse(
    table: "_Columns",
    account_id: pa.Array,
    known: tuple[Sequence[str], Sequence[str]],
    as_of: date,
    staging: Staging,
    checks: _Checks,
) -> Loans:
    """All rows of a table as loans, with nonsense where a row is at fault. known: segments and sectors."""
    segments, sectors = known
    sector = np.full(len(account_id), -1)
    grade = np.full(len(account_id), -1)
    has_pd, has_ead = table.given("PD"), table.given("EAD")
    if table.grades:
        has_pd = has_pd | table.given(GRADE)
    numbers: dict[str, Floats] = {}
    segment = region = np.zeros(len(account_id), np.int64)
    floating = np.zeros(len(account_id), np.bool_)
    obligor_id = as_text(table.array("ObligorID"))
    key = hash_ids(account_id)
    for column in COLUMNS[1:]:
        array = table.array(column.name)
        origin = table.origin(column.name)
        if column.name != "ZipCode" and not origin.computed:
            missing = ~table.given(column.name) & column.is_needed(has_pd, has_ead)
            checks.reject(missing, column.name, "is missing")
        if column.kind == "number":
            numbers[column.name] = _check_number(column, array, origin, table.dialect, checks)
        elif column.name == "OriginationDate":
            origination = _check_origination(array, origin, as_of, checks)
        elif column.name == "InterestOnlyUntil":
            until = _check_date(column, array, origin, checks)
            interest_only = np.maximum(whole_months(origination, np.where(np.isnat(until), origination, until)), 0)
        elif column.name == "ZipCode" and REGIONS not in table.dimensions:  # which take their place
            region = _regions(as_text(array))
        elif column.name == "RateType":
            floating = _check_choice(column, array, ("fixed", "floating"), DEFAULT_RATE_TYPE, checks) == 1
        elif column.name == "Segment":
            segment = _check_choice(column, array, segments, DEFAULT_SEGMENT, checks)
        elif column.name == "Sector" and sectors:
            sector = _check_choice(column, array, sectors, None, checks)
        elif column.name == "Amortisation":
            amortisation = _check_choice(column, array, AMORTISATIONS, AMORTISATIONS[0], checks)
            lines = table.given("Limit") & ~table.given(column.name)
            amortisation[lines] = AMORTISATIONS.index("bullet")
        elif column.name == "PaymentFrequency":
            frequency = _check_choice(column, array, tuple(FREQUENCIES), DEFAULT_FREQUENCY, checks)
            period = np.array(list(FREQUENCIES.values()))[frequency]
        elif column.name == "Stage":
            stage = _check_choice(column, array, STAGES, None, checks) + 1
        elif column.name == GRADE and table.grades:
            grade = _check_choice(column, array, tuple(table.grades), None, checks, fold=str)
        if column.name == "GrossIncome":
            zero = (numbers["GrossIncome"] == 0) & ~has_pd
            checks.reject(zero, "GrossIncome", "is zero")
        elif column.name == "Balloon":
            balloon, amount = numbers["Balloon"], numbers["LoanAmount"]
            checks.reject((balloon > 0) & np.isnan(amount), "Balloon", "needs a LoanAmount")
            checks.reject(balloon > amount, "Balloon", "must not be above the LoanAmount")
        elif column.name == "OriginationPD":
            checks.reject((numbers["OriginationPD"] > 0) & ~has_pd, "OriginationPD", "needs a PD")
        elif column.name == "Limit":
            unknown = table.given("Limit") & np.isnan(numbers["Balance"]) & ~has_ead
            checks.reject(unknown, "Limit", "needs a Balance, what is drawn of it, or an EAD")
    of_grade = np.array([*table.grades.values(), np.nan])[grade]  # -1: the last
    by_grade = {**numbers, "PD": np.where(np.isnan(numbers["PD"]), of_grade, numbers["PD"])}
    term = np.nan_to_num(numbers["LoanTerm"]).clip(0, COLUMN["LoanTerm"].high).astype(np.int64)
    if table.origin("Payment").computed:
        monthly = np.nan_to_num(numbers["Rate"]).clip(0, COLUMN["Rate"].high) / 1200
        numbers["Payment"] = np.where(term > 0, numbers["LoanAmount"] * annuity(monthly, np.maximum(term, 1)), np.nan)
        numbers["Payment"][np.isnan(numbers["Rate"])] = np.nan
    else:
        other = period > 1
        numbers["Payment"][other] /= period[other]
    loans = Loans(
        account_id=account_id,
        key=key,
        obligor_id=obligor_id,
        obligor_key=obligor_keys(obligor_id, key),
        segment=segment.astype(np.int16),
        sector=sector.astype(np.int16),
        asset_correlation=numbers["AssetCorrelation"],
        region=region.astype(np.int8),
        rate=numbers["Rate"],
        payment=numbers["Payment"],
        loan_amount=numbers["LoanAmount"],
        balance=numbers["Balance"],
        income=numbers["GrossIncome"],
        term=term,
        age=whole_months(origination, np.datetime64(as_of, "D")),
        floating=floating,
        pd=numbers["PD"],
        grade=grade.astype(np.int16),
        lgd=numbers["LGD"],
        ead=numbers["EAD"],
        amortisation=amortisation.astype(np.int8),
        period=period,
        interest_only=interest_only,
        balloon=numbers["Balloon"],
        limit=numbers["Limit"],
        collateral=numbers["CollateralValue"],
        effective_rate=numbers["EffectiveRate"],
        stage=np.where(stage > 0, stage, staging.stages_of(by_grade)).astype(np.int8),
        dimensions=tuple(as_text(table.array(f"{DIMENSION}{name}")) for name in table.dimensions),
    )
    for name, label in ((LTV_BAND, _ltv_bands), (STAGE, _stages)):
        if name in table.dimensions and table.origin(f"{DIMENSION}{name}").computed:
            at = table.dimensions.index(name)
            loans = replace(loans, dimensions=(*loans.dimensions[:at], label(loans), *loans.dimensions[at + 1 :]))
    if table.origin("Payment").computed and (rows := loans.scheduled).size:
        loans.payment[rows] = np.where(np.isnan(loans.payment[rows]), np.nan, loans.next_payment(rows))
    return loans


def joined(parts: Sequence[Loans]) -> Loans:
    """The loans of one part or more, one after the other."""
    if len(parts) == 1:
        return parts[0]

    def of(name: str) -> Any:
        arrays = [getattr(part, name) for part in parts]
        if name == "dimensions":
            return tuple(map(pa.concat_arrays, zip(*arrays, strict=True)))
        return pa.concat_arrays(arrays) if name in _TEXTS else np.concatenate(arrays)

    return Loans(**{item.name: of(item.name) for item in fields(Loans)})


_LTV_EDGES = (50, 60, 70, 80, 90, 100)
_LTV_BANDS = (
    "0 to 50 %",
    *(f"{low} to {high} %" for low, high in pairwise(_LTV_EDGES)),
    "above 100 %",
)


def _ltv_bands(loans: Loans) -> pa.Array:
    """The band of each loan-to-value, (n,) text, its upper end included; null without collateral."""
    loan_to_value = loans.loan_to_value
    band = np.searchsorted(np.array(_LTV_EDGES) / 100, loan_to_value, side="left")
    return pa.array(_LTV_BANDS).take(pa.array(band, mask=np.isnan(loan_to_value)))


def _stages(loans: Loans) -> pa.Array:
    return pa.array(STAGES).take(pa.array(loans.stage - 1))


_OBLIGORS = np.uint64(0x6F626C69676F7273)
"""Keeps keys of ObligorIDs apart from those of AccountIDs: the same text may name a loan and a borrower."""


def obligor_keys(obligor_id: pa.Array, key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The borrowers' keys, uint64 (n,). obligor_id: (n,) text or null. key: (n,), the loans' own, where it is null."""
    if obligor_id.null_count == len(obligor_id):
        return key
    return np.where(np.asarray(pc.is_valid(obligor_id)), hash_ids(obligor_id.fill_null("")) ^ _OBLIGORS, key)


class _Columns:
    """The raw columns with what the mapping says about parsing them; all null where the files lack one."""

    def __init__(self, table: pa.Table, mapping: ColumnMapping) -> None:
        self._arrays = {name: table[name].combine_chunks() for name in table.column_names}
        self.dialect, self.origin, self.grades = mapping.dialect, mapping.origin, mapping.grades
        self._rows = table.num_rows
        self.dimensions = tuple(mapping.dimensions)

    def array(self, column: str) -> pa.Array:
        return self._arrays.setdefault(column, pa.nulls(self._rows, pa.string()))

    def given(self, column: str) -> Bools:
        return np.asarray(pc.is_valid(self.array(column)))


def _check_accounts(tables: Sequence[pa.Table], checks: _Checks) -> pa.Array:
    account_id = pa.concat_arrays(
        [as_text(chunk) for table in tables for chunk in table["AccountID"].chunks] or [pa.nulls(0, pa.string())]
    )
    checks.reject(np.asarray(pc.is_null(account_id)), "AccountID", "is missing")
    return account_id.fill_null("")


def _check_number(column: Column, array: pa.Array, origin: Origin, dialect: Dialect, checks: _Checks) -> Floats:
    """Parse and check a number; NaN where there is none."""
    if array.null_count == len(array):  # most portfolios lack most columns
        return np.full(len(array), np.nan)
    value = numbers(array, dialect, origin.unit)
    checks.reject(np.asarray(pc.is_valid(array)) & ~np.isfinite(value), column.name, "is not a finite number")
    if origin.scale != 1:
        with np.errstate(over="ignore"):  # what is infinite then is above every limit
            value = value * origin.scale
    checks.reject(value < column.low, column.name, "must not be negative")
    if column.positive:
        checks.reject(value == 0, column.name, "must not be zero")
    most = f"{column.high:,.0f}" if column.high >= 1 else f"{column.high:g}"
    checks.reject(value > column.high, column.name, f"must not be above {most}")
    if column.whole:
        checks.reject(np.isfinite(value) & (value != np.floor(value)), column.name, "must be a whole number")
    return value


def _check_date(column: Column, array: pa.Array, origin: Origin, checks: _Checks) -> Dates:
    """Parse and check a date; NaT where there is none."""
    if array.null_count == len(array):
        return np.full(len(array), np.datetime64("NaT", "D"))
    found = dates(array, origin.format, origin.language)
    if not pa.types.is_temporal(array.type):
        expected = f"in the format {origin.format}" if origin.format else "(YYYY-MM-DD or MM/DD/YYYY)"
        wrong = np.asarray(pc.is_valid(array)) & np.isnat(found)
        checks.reject(wrong, column.name, f"is not a date {expected}")
    return found


def _check_origination(array: pa.Array, origin: Origin, as_of: date, checks: _Checks) -> Dates:
    """When each loan was paid out; the reporting date where no date is given."""
    origination = _check_date(COLUMN["OriginationDate"], array, origin, checks)
    reporting = np.datetime64(as_of, "D")
    checks.reject(origination > reporting, "OriginationDate", "is after the reporting date")
    return np.where(np.isnat(origination), reporting, origination)


def _regions(text: pa.Array) -> Ints:
    """The first digit of a ZIP code or state. 4 and 8 digits are codes that lost their leading zero."""
    digits = pc.subtract(pc.utf8_length(text), pc.utf8_length(pc.utf8_ltrim(text, "0123456789")))
    zero = pc.is_in(digits, pa.array([4, 8], digits.type))
    first = pc.cast(
        pc.if_else(zero, "0", pc.utf8_slice_codeunits(text, 0, 1)).filter(pc.greater(digits, 0)), pa.int64()
    )
    region = per_distinct(
        pc.if_else(pc.greater(digits, 0), None, text), lambda name: STATE_REGION.get(name.upper(), UNKNOWN_REGION),
        UNKNOWN_REGION,
    )  # fmt: skip
    region[np.asarray(pc.greater(digits, 0).fill_null(False))] = np.asarray(first)
    return region


def _check_choice(
    column: Column,
    array: pa.Array,
    known: Sequence[str],
    default: str | None,
    checks: _Checks,
    fold: Callable[[str], str] = str.lower,
) -> Ints:
    """The index into the known names; where nothing is given, the default's, or -1 if nothing need be.

    fold: by what two spellings are one name.
    """
    index = {fold(name): position for position, name in enumerate(known)}
    if array.null_count == len(array) and (default is None or default in known):
        return np.full(len(array), -1 if default is None else known.index(default))
    missing = pc.is_null(array)
    choice = per_distinct(as_text(array), lambda text: index.get(fold(text), -1), index.get(default or "", -1))
    unknown = choice < 0
    if default is None:
        unknown &= ~np.asarray(missing)
    checks.reject(unknown & np.asarray(missing), column.name, "is missing")
    checks.reject(unknown, column.name, f"is none of {', '.join(known)}")
    return choice


def _rejects(raw: RawRows, checks: _Checks) -> list[Reject]:
    rejects, start = [], 0
    for table in raw.tables:
        faulty = np.flatnonzero(checks.fault[start : start + len(table)])
        taken = table.take(pa.array(faulty, pa.int64()))
        columns = {name: as_text(taken[name].combine_chunks()).to_pylist() for name in taken.column_names}
        for i, row in enumerate(faulty + start):
            column, reason = checks.faults[checks.fault[row]]
            value = (columns[column][i] if column in columns else None) or ""
            rejects.append(Reject(raw.files[raw.file_index[row]], int(raw.row[row]), column, value[:MAX_VALUE], reason))
        start += len(table)
    return rejects


def hash_ids(ids: pa.Array) -> NDArray[np.uint64]:
    """64-bit FNV-1a of each text's UTF-8 bytes, (n,).

    Origin: Fowler, Noll, Vo; https://datatracker.ietf.org/doc/html/rfc9923 (offset basis, prime, test vectors).
    """
    _, offsets, data = ids.buffers()
    start = np.frombuffer(offsets, np.int32)[ids.offset : ids.offset + len(ids) + 1]
    length = np.diff(start)
    start = start[:-1].astype(np.int64)
    octets = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    hashed = np.full(len(ids), 0xCBF29CE484222325, np.uint64)
    for position in range(length.max(initial=0)):
        longer = np.flatnonzero(length > position)
        octet = octets[start[longer] + position].astype(np.uint64)
        hashed[longer] = (hashed[longer] ^ octet) * np.uint64(0x00000100000001B3)
    return hashed
