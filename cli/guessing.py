"""Guesses from the beginning of a file where it keeps the portfolio's columns, and how sure that is.

By name first, then by what the cells hold: a column whose cells cannot be what its name says is no candidate. Imports
numpy, pyarrow and the portfolio's room.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from montecarlo.portfolio.cells import as_text, numbers
from montecarlo.portfolio.columns import COLUMN, COLUMNS
from montecarlo.portfolio.dates import parse_date

NAMES: Mapping[str, tuple[str, ...]] = {
    "AccountID": ("accountid", "accountnumber", "account", "loanid", "loannumber", "contractid", "contractnumber",
                  "contract", "memberid", "id", "kontonummer", "vertragsnummer", "kreditnummer", "darlehensnummer"),
    "ObligorID": ("obligorid", "borrowerid", "customerid", "clientid", "debtorid", "kundennummer", "kreditnehmer"),
    "ZipCode": ("zipcode", "zip", "postalcode", "postcode", "state", "addrstate", "plz", "postleitzahl"),
    "Rate": ("interestrate", "intrate", "nominalrate", "couponrate", "rate", "apr", "zinssatz", "sollzins", "zins"),
    "Payment": ("payment", "monthlypayment", "installment", "instalment", "monthlyinstalment", "pmt",
                "monatsrate", "annuitaet"),
    "LoanAmount": ("loanamount", "originalamount", "originalbalance", "loanamnt", "fundedamount", "principal",
                   "amount", "kreditbetrag", "darlehensbetrag", "kreditsumme"),
    "LoanTerm": ("loanterm", "term", "termmonths", "originalterm", "maturitymonths", "durationmonths", "duration",
                 "laufzeit", "laufzeitmonate"),
    "OriginationDate": ("originationdate", "originated", "issuedate", "issuemonth", "issued", "issued", "startdate",
                        "opendate", "disbursementdate", "vertragsbeginn", "auszahlungsdatum", "startdatum"),
    "GrossIncome": ("grossincome", "annualincome", "annualinc", "yearlyincome", "income", "revenue", "salary",
                    "jahreseinkommen", "bruttoeinkommen", "einkommen"),
    "Balance": ("balance", "outstandingbalance", "currentbalance", "outstandingprincipal", "outstanding", "outprncp",
                "restschuld", "saldo"),
    "RateType": ("ratetype", "interesttype", "fixedfloating", "zinsart"),
    "Segment": ("segment", "product", "producttype", "portfolio", "assetclass", "produkt", "produktart"),
    "PD": ("pd", "probabilityofdefault", "defaultprobability", "pd12m", "ausfallwahrscheinlichkeit"),
    "LGD": ("lgd", "lossgivendefault"),
    "EAD": ("ead", "exposureatdefault", "exposure"),
}  # fmt: skip
"""What lenders call the columns, the likeliest first, in lower case and without anything but letters and digits."""

FORMATS = ("%d.%m.%Y", "%d/%m/%Y", "%Y%m%d", "%b-%Y", "%b %Y", "%B %Y", "%d-%b-%Y", "%d %b %Y", "%d-%m-%Y", "%m-%d-%Y",
           "%Y-%m", "%m/%Y", "%Y/%m/%d", "%d.%m.%y", "%m/%d/%y")  # fmt: skip
"""Of dates that are neither YYYY-MM-DD nor MM/DD/YYYY; of several that fit, the first is proposed, the others named."""

RATE_TYPES = {
    "fixed": "fixed", "fix": "fixed", "f": "fixed", "fest": "fixed",
    "floating": "floating", "variable": "floating", "var": "floating", "v": "floating", "arm": "floating",
    "adjustable": "floating", "variabel": "floating",
}  # fmt: skip

ENOUGH = 0.9
"""The share of a column's cells that must be what the column wants."""


@dataclass
class Proposal:
    """A mapping, what is unsure of it, and which columns nothing was found for."""

    columns: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The mapping file."""
        return {"columns": self.columns}


def propose(table: pa.Table, segments: Sequence[str]) -> Proposal:
    """A mapping for a file that begins with these rows; texts trimmed, null where empty."""
    found = Proposal()
    cells = {name: table[name].combine_chunks() for name in table.column_names}
    taken: set[str] = set()
    for column in COLUMNS:
        candidates = [
            name
            for known in (_plain(column.name), *NAMES[column.name])
            for name in cells
            if _plain(name) == known and name not in taken and _suits(column.name, cells[name])
        ]
        if candidates:
            name = candidates[0]
            taken.add(name)
            found.columns[column.name] = _origin(column.name, name, cells[name], segments, found.doubts)
            if others := [other for other in dict.fromkeys(candidates) if other != name]:
                found.doubts.append(
                    f"{column.name} is taken from {name!r}; it might be {', '.join(map(repr, others))}."
                )
    if "AccountID" not in found.columns:
        found.columns["AccountID"] = {"row_number": True, "prefix": "L-"}
        found.doubts.append(
            "no column names each loan once, so loans are named by their rows. Name a column if there is one: a loan "
            "keeps its random numbers only as long as it keeps its name."
        )
    if "Segment" not in found.columns and segments:
        found.doubts.append(
            f'no column tells the Segment: all loans would be {segments[0]}. Give {{"constant": ...}} or a column; '
            f"there are {', '.join(segments)}."
        )
    has_pd, has_ead = "PD" in found.columns, "EAD" in found.columns
    needed = [column.name for column in COLUMNS if column.is_needed(has_pd, has_ead)]
    missing = [name for name in needed if name not in found.columns]
    found.doubts += [f"no column was found for {name} ({_meaning(name)}), which is needed." for name in missing]
    return found


def _plain(name: str) -> str:
    """A name as `NAMES` has it."""
    for umlaut, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
        name = name.lower().replace(umlaut, letters)
    return re.sub(r"[^a-z0-9]", "", name)


def _meaning(name: str) -> str:
    column = COLUMN[name]
    return f"{column.description}, {column.unit}" if column.unit else column.description


def _texts(array: pa.Array) -> list[str]:
    return [text for text in as_text(array).to_pylist() if text is not None]


def _suits(column: str, array: pa.Array) -> bool:
    """Whether the cells can be what the column wants."""
    texts = _texts(array)
    if not texts:
        return False
    if column == "AccountID":
        return not pa.types.is_floating(array.type) and len(set(texts)) == len(array)
    kind = COLUMN[column].kind
    if kind == "number":
        return bool(np.isfinite(numbers(array)).sum() >= ENOUGH * len(texts))
    if kind == "date":
        return pa.types.is_temporal(array.type) or bool(_formats(texts))
    return True


def _formats(texts: Sequence[str]) -> list[str | None]:
    """The formats that read the dates, and only such as lie in the time that loans are from."""
    fitting = []
    for format in (None, *FORMATS):
        dates = [parse_date(text, format) for text in texts]
        good = [each for each in dates if each and date(1950, 1, 1) <= each <= date(2100, 1, 1)]
        if len(good) >= ENOUGH * len(texts):
            fitting.append(format)
    return fitting


def _origin(column: str, name: str, array: pa.Array, segments: Sequence[str], doubts: list[str]) -> Any:
    """The mapping of one column; what is unsure goes into `doubts`."""
    if column == "OriginationDate" and not pa.types.is_temporal(array.type):
        first, *others = _formats(_texts(array))
        if others and first is not None:
            doubts.append(
                f"{name!r} is read as dates in {first}; {', '.join(str(each) for each in others)} would fit too."
            )
        return name if first is None else {"from": name, "format": first}
    if COLUMN[column].kind == "number":
        return _scaled(column, name, float(np.nanmedian(numbers(array))), doubts)
    if column in ("Segment", "RateType"):
        known = RATE_TYPES if column == "RateType" else {segment: segment for segment in segments}
        return _translated(column, name, sorted(set(_texts(array))), known, doubts)
    return name


def _scaled(column: str, name: str, median: float, doubts: list[str]) -> Any:
    """A number's origin, with a scale where its size says that it has another unit."""
    scale: float | None = None
    if column == "Rate" and 0 < median < 1:
        scale = 100
        doubts.append(f"{name!r} looks like fractions (median {median:.3g}), so the Rate is scaled by 100 to percent.")
    elif column in ("PD", "LGD") and median > 1:
        scale = 0.01
        doubts.append(f"{name!r} looks like percent (median {median:.3g}), so {column} is scaled by 0.01.")
    elif column == "LoanTerm" and median <= 40 and "month" not in _plain(name) and median not in (12, 24, 36):
        scale = 12 if median <= 6 else None
        doubts.append(f"{name!r} has a median of {median:g}: check whether terms are in months or in years.")
    elif column == "GrossIncome" and "month" in _plain(name):
        scale = 12
        doubts.append(f"{name!r} is called monthly, so GrossIncome is scaled by 12 to a year.")
    return name if scale is None else {"from": name, "scale": scale}


def _translated(column: str, name: str, values: Sequence[str], known: Mapping[str, str], doubts: list[str]) -> Any:
    """A choice's origin, with the values that must be translated; those that nobody knows are named."""
    translated = {value: known[value.lower()] for value in values if value.lower() in known}
    unknown = [value for value in values if value not in translated]
    if unknown:
        shown = ", ".join(map(repr, unknown[:5])) + (" and more" if len(unknown) > 5 else "")
        doubts.append(
            f'{name!r} holds {shown}, which {column} does not know: give {{"from": {name!r}, "values": '
            f"{{...}}}} with one of {', '.join(dict.fromkeys(known.values()))} for each."
        )
    needed = {value: ours for value, ours in translated.items() if value.lower() != ours}
    return {"from": name, "values": needed} if needed else name
