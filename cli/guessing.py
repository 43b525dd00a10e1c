"""Guesses from the beginning of a file where it keeps the portfolio's columns and how it writes them, and how sure.

By name first, then by what the cells hold: a column whose cells cannot be what its name says is no candidate. Imports
numpy, pyarrow and the portfolio's room.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from montecarlo.model.parameters import MAX_GRADES
from montecarlo.portfolio.cells import as_text, numbers
from montecarlo.portfolio.columns import COLUMN, COLUMNS
from montecarlo.portfolio.dates import LANGUAGES, parse_date
from montecarlo.portfolio.dialect import PLAIN, Dialect
from montecarlo.portfolio.mapping import UNIT

NAMES: Mapping[str, tuple[str, ...]] = {
    "AccountID": ("accountid", "accountnumber", "account", "loanid", "loannumber", "contractid", "contractnumber",
                  "contract", "memberid", "id", "kontonummer", "vertragsnummer", "kreditnummer", "darlehensnummer",
                  "vertrag", "konto"),
    "ObligorID": ("obligorid", "borrowerid", "customerid", "clientid", "debtorid", "kundennummer", "kreditnehmer"),
    "ZipCode": ("zipcode", "zip", "postalcode", "postcode", "state", "addrstate", "plz", "postleitzahl"),
    "Rate": ("interestrate", "intrate", "nominalrate", "couponrate", "rate", "apr", "zinssatz", "sollzins", "zins"),
    "Payment": ("payment", "monthlypayment", "installment", "instalment", "monthlyinstalment", "pmt",
                "monatsrate", "annuitaet", "rate"),
    "LoanAmount": ("loanamount", "originalamount", "originalbalance", "loanamnt", "fundedamount", "fundedamnt",
                   "principal", "amount", "kreditbetrag", "darlehensbetrag", "kreditsumme", "betrag"),
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
    "AssetCorrelation": ("assetcorrelation", "rsquared"),
    "Sector": ("sector",),
    "Amortisation": ("amortisation", "amortization", "amortisationtype", "amortizationtype", "repaymenttype",
                     "tilgungsart"),
    "PaymentFrequency": ("paymentfrequency", "repaymentfrequency", "instalmentfrequency", "zahlungsrhythmus",
                         "ratenrhythmus"),
    "InterestOnlyUntil": ("interestonlyuntil", "interestonlyend", "ioenddate", "tilgungsfreibis"),
    "Balloon": ("balloon", "balloonamount", "balloonpayment", "residualvalue", "schlussrate"),
    "Limit": ("limit", "creditlimit", "commitment", "committedamount", "kreditlimit", "kreditlinie", "zusage"),
    "CollateralValue": ("collateralvalue", "collateral", "propertyvalue", "appraisedvalue", "securityvalue",
                        "sicherheitenwert", "immobilienwert", "beleihungswert"),
    "Stage": ("stage", "ifrs9stage", "ifrsstage", "eclstage", "stufe", "risikovorsorgestufe"),
    "DaysPastDue": ("dayspastdue", "dpd", "daysinarrears", "ueberfaelligkeitstage", "verzugstage"),
    "EffectiveRate": ("effectiverate", "effectiveinterestrate", "eir", "effektivzins"),
    "OriginationPD": ("originationpd", "pdatorigination", "initialpd", "anfangspd"),
    "Grade": ("grade", "riskgrade", "ratinggrade", "creditgrade", "rating", "internalrating", "creditrating",
              "ratingclass", "riskrating", "riskclass", "ratingklasse", "ratingstufe", "risikoklasse",
              "bonitaetsklasse", "bonitaetsstufe"),
}  # fmt: skip
"""What lenders call the columns, the likeliest first, in lower case and without anything but letters and digits."""

FORMATS = ("%d.%m.%Y", "%d/%m/%Y", "%Y%m%d", "%b-%Y", "%b %Y", "%B %Y", "%d-%b-%Y", "%d %b %Y", "%d. %b %Y",
           "%d.%b.%Y", "%d/%b/%Y", "%d %B %Y", "%d. %B %Y", "%B %d, %Y", "%b %d, %Y", "%d-%b-%y", "%b-%y", "%d-%m-%Y",
           "%m-%d-%Y", "%Y-%m", "%m/%Y", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%y", "%m/%d/%y")  # fmt: skip
"""Of dates that are neither YYYY-MM-DD nor MM/DD/YYYY; of several that fit, the first is proposed, the others named."""

RATE_TYPES = {
    "fixed": "fixed", "fix": "fixed", "f": "fixed", "fest": "fixed",
    "floating": "floating", "variable": "floating", "var": "floating", "v": "floating", "arm": "floating",
    "adjustable": "floating", "variabel": "floating",
}  # fmt: skip

AMORTISATIONS = {
    "annuity": "annuity", "level": "annuity", "level payment": "annuity", "annuitaet": "annuity",
    "annuit\u00e4t": "annuity", "french": "annuity",
    "linear": "linear", "straight line": "linear", "equal principal": "linear", "ratierlich": "linear",
    "bullet": "bullet", "balloon": "bullet", "interest only": "bullet", "non-amortising": "bullet",
    "revolving": "bullet", "endf\u00e4llig": "bullet", "endfaellig": "bullet",
}  # fmt: skip

STAGES = {
    f"{word}{stage}{end}": stage
    for stage in ("1", "2", "3")
    for word, end in (("", ""), ("", ".0"), ("stage ", ""), ("stage", ""), ("s", ""), ("stufe ", ""))
}

PAYMENT_FREQUENCIES = {
    "monthly": "monthly", "month": "monthly", "m": "monthly", "12": "monthly", "monatlich": "monthly",
    "quarterly": "quarterly", "quarter": "quarterly", "q": "quarterly", "4": "quarterly",
    "viertelj\u00e4hrlich": "quarterly", "quartalsweise": "quarterly",
    "semi-annual": "semi-annual", "semiannual": "semi-annual", "half-yearly": "semi-annual", "s": "semi-annual",
    "2": "semi-annual", "halbj\u00e4hrlich": "semi-annual",
    "annual": "annual", "annually": "annual", "yearly": "annual", "a": "annual", "1": "annual",
    "j\u00e4hrlich": "annual",
}  # fmt: skip
"""By name, or by how many payments a year."""

SEGMENTS = {
    "consumer": "personal", "konsum": "personal", "konsumkredit": "personal", "privat": "personal",
    "ratenkredit": "personal", "vehicle": "auto", "car": "auto", "kfz": "auto", "autokredit": "auto",
    "home": "mortgage", "home loan": "mortgage", "hypothek": "mortgage", "baufinanzierung": "mortgage",
    "immobilien": "mortgage", "card": "credit_card", "credit card": "credit_card", "kreditkarte": "credit_card",
    "sme": "small_business", "small business": "small_business", "kmu": "small_business", "gewerbe": "small_business",
    "corporate": "commercial", "firmenkunden": "commercial",
}  # fmt: skip
"""What lenders call the default segments, in small letters."""

MISSING = ("NA", "N/A", "n/a", "#N/A", "n.a.", "NaN", "nan", "NULL", "null", "None", "none", "-", "--", "?", ".",
           "k.A.", "k. A.", "unknown", "missing")  # fmt: skip
"""Texts that mean missing where the rest of a column are numbers or dates; those of the first line, anywhere."""
_ANYWHERE = frozenset(("N/A", "n/a", "#N/A", "NULL", "NaN"))

CURRENCIES = {"\u20ac": "EUR", "$": "USD", "\u00a3": "GBP", "eur": "EUR", "usd": "USD", "gbp": "GBP", "chf": "CHF"}

_MEANT = {
    **dict.fromkeys(("%", "% p.a.", "% p. a.", "%p.a.", "percent", "prozent", "pct"), "%"),
    **dict.fromkeys(("months", "month", "monate", "monat", "mon", "mths", "mois", "meses", "mesi"), "months"),
    **dict.fromkeys(("years", "year", "yrs", "yr", "jahre", "jahr", "ans", "a\u00f1os", "anni"), "years"),
    **CURRENCIES,
}
"""Units that are known, by their spelling."""

STATUS = ("status", "loanstatus", "accountstatus", "kreditstatus", "vertragsstatus")
MOST_STATES = 12

ENOUGH = 0.9
"""The share of a column's cells that must be what the column wants."""
MOST_UNITS = 4

_AMOUNT = frozenset(CURRENCIES.values())
_SHARE = frozenset(("%",))
_UNITS = {
    "% a year": _SHARE, "probability": _SHARE, "share of EAD": _SHARE, "": _SHARE,
    "months": frozenset(("months", "years")),
}  # fmt: skip
"""What may stand beside the numbers of a column, by the column's unit; beside amounts, a currency."""

MOST_LIKELY = {"Rate": 60.0, "PD": 100.0, "LGD": 100.0, "LoanTerm": 1_200.0, "AssetCorrelation": 1.0}
"""Medians above these are of something else, whatever the column is called."""

_WORDS = {
    "RateType": RATE_TYPES,
    "Stage": STAGES,
    "Amortisation": AMORTISATIONS,
    "PaymentFrequency": PAYMENT_FREQUENCIES,
}
"""Of columns that hold one of a few words, what lenders write for them."""

Bools = NDArray[np.bool_]


@dataclass
class Proposal:
    """A mapping, what is unsure of it, and which columns nothing was found for."""

    columns: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    dialect: Dialect = PLAIN
    missing: list[str] = field(default_factory=list)
    currency: str | None = None
    lacks: list[str] = field(default_factory=list)
    knows_nothing: bool = False
    """Whether no column of the file was found to be one of the portfolio's."""
    passed_over: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Columns of the file that are called like one of the portfolio, which they cannot be; and why."""

    def to_json(self) -> dict[str, Any]:
        """The mapping file."""
        plain = asdict(PLAIN)
        dialect = {name: value for name, value in asdict(self.dialect).items() if value != plain[name]}
        extra = {"dialect": dialect, "missing": self.missing, "currency": self.currency}
        return {**{name: value for name, value in extra.items() if value}, "columns": self.columns}


@dataclass(frozen=True)
class _File:
    """The file's columns; texts trimmed, null where empty or missing. `units`: what stands beside numbers."""

    cells: dict[str, pa.Array]
    dialect: Dialect
    units: dict[str, tuple[str, ...]]

    def numbers(self, name: str) -> NDArray[np.float64]:
        return numbers(self.cells[name], self.dialect, self.units.get(name, ()))


def propose(table: pa.Table, segments: Sequence[str], dialect: Dialect = PLAIN, doubts: Sequence[str] = ()) -> Proposal:
    """A mapping for a file that begins with these rows; texts trimmed, null where empty.

    dialect: what is known of it, by the file's bytes; how numbers are spelled is found here.
    """
    found = Proposal(doubts=list(doubts), dialect=dialect)
    file = _spelled(table, found)
    taken: set[str] = set()
    for exactly in (True, False):
        for column in COLUMNS:
            if column.name not in found.columns:
                _find(column.name, file, exactly, taken, segments, found)
    _by_content(file, taken, segments, found)
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
    if "ZipCode" not in found.columns and not {"PD", "EAD"} <= {*found.columns}:
        found.columns["ZipCode"] = {"constant": "unknown"}
        found.doubts.append("no column tells the ZipCode, so the region is unknown. Losses do not depend on it.")
    if (
        "Payment" not in found.columns
        and "PD" not in found.columns
        and {"LoanAmount", "Rate", "LoanTerm"} <= {*found.columns}
    ):
        found.columns["Payment"] = {"computed": "annuity"}
        found.doubts.append(
            "no column tells the Payment: it is computed as that of level payments over the LoanTerm at the Rate."
        )
    found.columns = {column.name: found.columns[column.name] for column in COLUMNS if column.name in found.columns}
    for name, (called, why) in found.passed_over.items():
        if name not in taken:
            found.doubts.append(f"{name!r} is called like {called}, but {why}: it is not used.")
    for name in [name for name in file.cells if _plain(name) in STATUS and name not in taken]:
        values = sorted(set(_texts(file.cells[name])))
        if 1 < len(values) <= MOST_STATES:
            found.doubts.append(
                f"{name!r} holds {', '.join(map(repr, values))}: if some of these are no loans any more, leave them "
                f'out with "filter": {{{json.dumps(name, ensure_ascii=False)}: {{"in": [...]}}}}.'
            )
    found.knows_nothing = not taken
    has_pd, has_ead = "PD" in found.columns, "EAD" in found.columns
    needed = [column.name for column in COLUMNS if column.is_needed(has_pd, has_ead)]
    found.lacks = [name for name in needed if name not in found.columns]
    graded = "Grade" in found.columns
    by_grade = {column.name for column in COLUMNS if graded and not column.is_needed(True, has_ead)}
    for name in found.lacks:
        unless = " unless the parameters tell the PDs of the grades" if name in by_grade else ""
        found.doubts.append(f"no column was found for {name} ({_meaning(name)}), which is needed{unless}.")
    return found


def _spelled(table: pa.Table, found: Proposal) -> _File:
    """The cells with what is missing as null; how numbers are spelled goes into the proposal."""
    cells = {name: table[name].combine_chunks() for name in table.column_names}
    texts = {name: array for name, array in cells.items() if pa.types.is_string(array.type)}
    units = {name: unit for name, array in texts.items() if (unit := _units(name, array, found.doubts))}
    found.dialect = _spelling(found.dialect, texts, units, found.doubts)
    missing: set[str] = set()
    for name, array in texts.items():
        known = array.filter(pc.is_in(array, pa.array(MISSING)))
        rest = array.filter(pc.and_(pc.is_valid(array), pc.invert(pc.is_in(array, pa.array(MISSING)))))
        wanted = set(known.to_pylist())
        if wanted - _ANYWHERE and len(rest):
            fits = np.isfinite(numbers(rest, found.dialect, units.get(name, ()))).mean() >= ENOUGH or _formats(
                _texts(rest)
            )
            wanted = wanted if fits else wanted & _ANYWHERE
        missing |= wanted
    found.missing = [text for text in MISSING if text in missing]
    if found.missing:
        for name, array in texts.items():
            is_missing = pc.is_in(array, pa.array(found.missing))
            cells[name] = pc.if_else(is_missing, pa.scalar(None, pa.string()), array)
    return _File(cells, found.dialect, units)


_MINUS_BEHIND = r"^[0-9][0-9.,' ]* ?-$"
_AROUND = re.compile(r"([^\d+\-.,]*?)[ \u00a0]*([+-]?\d[\d.,'\u2019 \u00a0\u202f_]*?)[ \u00a0]*([^\d+\-.,'][^\d]*)?")


def _meant(units: Iterable[str]) -> set[str | None]:
    """What units are, by any of their spellings; None for one that is not known."""
    return {_MEANT.get(unit.lower()) for unit in units}


def _units(name: str, array: pa.Array, doubts: list[str]) -> tuple[str, ...]:
    """What stands beside the numbers of a column of texts, if nearly all are numbers with spellings of one known unit.

    Anything else beside numbers may be a magnitude, a sign, or several units: such cells are not read as if it were not
    there, but left to be told of.
    """
    distinct = [text for text in array.unique().to_pylist() if text is not None and text not in MISSING]
    found = [(match[1].strip(), (match[3] or "").strip()) for text in distinct if (match := _AROUND.fullmatch(text))]
    beside = dict.fromkeys(unit for pair in found for unit in pair if unit)
    few = 0 < len(beside) <= MOST_UNITS and all(UNIT.fullmatch(unit) and len(unit) <= 12 for unit in beside)
    if not few or len(found) < ENOUGH * len(distinct):
        return ()
    meant = _meant(beside)
    bare = sum(pair == ("", "") for pair in found)
    if len(meant) == 1 and None not in meant and not (bare and "%" in meant):
        return tuple(beside)
    if not any(behind for _, behind in found):  # in front of numbers stand names: LN0017, term_36
        return tuple(beside) if len(beside) == 1 and not bare else ()
    which = ", ".join(map(repr, [*beside, *(["nothing"] if bare else [])]))
    doubts.append(
        f"{name!r} has beside its numbers {which}: bring them to one unit, or say with unit and scale what it means."
    )
    return ()


def _spelling(
    dialect: Dialect, texts: Mapping[str, pa.Array], units: Mapping[str, tuple[str, ...]], doubts: list[str]
) -> Dialect:
    """The dialect with the decimal mark and thousands separator in which the most cells are numbers."""
    marks = [(".", ""), (".", ","), (",", "."), (",", ""), (",", " "), (".", " "), (".", "'"), (",", "'")]
    if dialect.delimiter == ";":  # where a comma parts no columns, it mostly is a decimal mark
        marks = [marks[0], *marks[2:4], marks[1], *marks[4:]]
    behind = [
        name
        for name, array in texts.items()
        if pc.any(signed := pc.match_substring_regex(array, _MINUS_BEHIND)).as_py()
        and pc.mean(pc.or_(signed, pc.match_substring_regex(array, "^[+-]?[0-9][0-9.,' ]*$"))).as_py() >= ENOUGH
    ]
    if behind:
        dialect = replace(dialect, minus="behind")
        doubts.append(f"the minus stands behind some numbers of {', '.join(map(repr, behind))}: 12.50- is -12.50.")
    candidates = [replace(dialect, decimal=decimal, thousands=thousands) for decimal, thousands in marks]
    spelled = {
        name: array
        for name, array in texts.items()
        if pc.any(pc.match_substring_regex(array, "[0-9][.,' ][0-9]")).as_py()
    }

    def read(candidate: Dialect) -> list[NDArray[np.float64]]:
        return [numbers(array, candidate, units.get(name, ())) for name, array in spelled.items()]

    values = [read(candidate) for candidate in candidates]
    counts = [sum(int(np.isfinite(column).sum()) for column in each) for each in values]
    best = counts.index(max(counts)) if counts else 0
    for other, count in enumerate(counts):
        if count < counts[best] or candidates[other].decimal == candidates[best].decimal:
            continue
        pairs = zip(values[best], values[other], strict=True)
        if any(not np.array_equal(ours, theirs, equal_nan=True) for ours, theirs in pairs):
            doubts.append(
                f"numbers are read with {candidates[best].decimal!r} as the decimal mark; with "
                f"{candidates[other].decimal!r} they would be others, and nothing tells which is meant."
            )
            break
    return candidates[best]


_WHOLE_NAMES = ("Balloon", "Limit", "CollateralValue", "Stage", "DaysPastDue", "OriginationPD", "Grade")
"""Columns that a longer name does not tell: a borrower's limit on all its cards is not the loan's."""


def _find(column: str, file: _File, exactly: bool, taken: set[str], segments: Sequence[str], found: Proposal) -> None:
    """Propose a column by its name: the known names' own, or such as begin or end with one."""
    called = [
        name
        for known in (_plain(column), *NAMES[column])
        for name in file.cells
        if _is_called(name, known, exactly or column in _WHOLE_NAMES) and name not in taken
    ]
    why = {name: _unfit(column, name, file) for name in called}
    candidates = [name for name in called if not why[name]]
    if exactly:
        found.passed_over |= {name: (column, reason) for name, reason in why.items() if reason}
    if not candidates:
        return
    name = candidates[0]
    taken.add(name)
    found.columns[column] = _origin(column, name, file, segments, found)
    if others := [other for other in dict.fromkeys(candidates) if other != name]:
        found.doubts.append(f"{column} is taken from {name!r}; it might be {', '.join(map(repr, others))}.")
    elif not exactly:
        found.doubts.append(f"{column} is taken from {name!r} by its name.")


def _is_called(name: str, known: str, exactly: bool) -> bool:
    plain = _plain(name)
    return plain == known if exactly else len(known) > 4 and (plain.startswith(known) or plain.endswith(known))


def _by_content(file: _File, taken: set[str], segments: Sequence[str], found: Proposal) -> None:
    """Propose what only one column can be by its cells, where no name told."""

    def of_unit(*wanted: str) -> list[str]:
        return [name for name in file.cells if _meant(file.units.get(name, ())) & {*wanted}]

    likely: dict[str, list[str]] = {
        "OriginationDate": list(file.cells),
        "Rate": of_unit("%"),
        "LoanTerm": of_unit("months", "years"),
    }
    for column, names in likely.items():
        only = [name for name in names if name not in taken and not _unfit(column, name, file)]
        if column not in found.columns and len(only) == 1:
            taken.add(only[0])
            found.columns[column] = _origin(column, only[0], file, segments, found)
            found.doubts.append(f"{column} is taken from {only[0]!r}, the only column whose cells could be that.")


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


def _unfit(column: str, name: str, file: _File) -> str:
    """Why the cells cannot be what the column wants; nothing where they can."""
    array = file.cells[name]
    texts = _texts(array)
    if not texts:
        return "it is empty"
    if column == "AccountID":
        if pa.types.is_floating(array.type):
            return "its cells are numbers with fractions"
        return "" if len(set(texts)) == len(array) else "it does not name each row once"
    if column == "Grade":
        many = len(set(texts))
        return f"it has {many:,} values, more than {MAX_GRADES} grades" if many > MAX_GRADES else ""
    kind = COLUMN[column].kind
    if kind == "number":
        if np.isfinite(file.numbers(name)).sum() < ENOUGH * len(texts):
            return "too few of its cells are numbers"
        return _contradicted(column, name, file)
    if kind == "date":
        return "" if pa.types.is_temporal(array.type) or _formats(texts) else "its cells are no dates that are known"
    return ""


def _contradicted(column: str, name: str, file: _File) -> str:
    """Why numbers cannot be what the column wants, by what stands beside them or by their size."""
    beside, of_column = _meant(file.units.get(name, ())) - {None}, _UNITS.get(COLUMN[column].unit, _AMOUNT)
    if beside and not beside & of_column:
        return f"beside its numbers stands {', '.join(map(repr, file.units[name]))}"
    values = file.numbers(name)
    median = float(np.nanmedian(values))
    if median > MOST_LIKELY.get(column, np.inf):
        points = "; if these are basis points, map it with a scale of 0.01" if column == "Rate" else ""
        return f"its numbers are too large for that (median {median:,.4g}{points})"
    return ""


def _formats(texts: Sequence[str]) -> list[tuple[str | None, str | None]]:
    """The formats and languages that read the dates, and only such as lie in the time that loans are from; those that
    read most of them first.
    """
    distinct = list(dict.fromkeys(texts))
    if not any(char.isdigit() for char in "".join(distinct[:5])):
        return []

    def reads(format: str | None, language: str | None, most: int | None = 5) -> int:
        """How many, if enough."""
        dates = [parse_date(text, format, language) for text in distinct[:most]]
        good = sum(1 for each in dates if each and date(1950, 1, 1) <= each <= date(2100, 1, 1))
        if good < ENOUGH * len(dates):
            return 0
        return good if most is None else reads(format, language, None)

    fitting: list[tuple[int, str | None, str | None]] = []
    named = any(char.isalpha() for text in distinct[:20] for char in text)
    for format in (None, *FORMATS):
        by_name = format is not None and "%b" in format.lower()
        for language in (None, *LANGUAGES) if by_name and named else (None,):
            if good := reads(format, language):
                fitting.append((good, format, language))
                if language is None and good == len(distinct):
                    break
    fitting.sort(key=lambda each: -each[0])
    return [(format, language) for _, format, language in fitting]


def _origin(column: str, name: str, file: _File, segments: Sequence[str], found: Proposal) -> Any:
    """The mapping of one column; what is unsure goes into the proposal's doubts."""
    array = file.cells[name]
    if COLUMN[column].kind == "date" and not pa.types.is_temporal(array.type):
        return _dated(name, _formats(_texts(array)), found.doubts)
    if COLUMN[column].kind == "number":
        return _measured(column, name, file, found)
    if column in ("Segment", *_WORDS):
        words = _WORDS.get(column, {})
        if column == "Segment":
            lower = {segment.lower(): segment for segment in segments}
            words = {**{word: ours for word, ours in SEGMENTS.items() if ours in segments}, **lower}
        return _translated(column, name, sorted(set(_texts(array))), words, found.doubts)
    if column == "Grade":
        found.doubts.append(
            f"{name!r} is taken for the Grade, which is read only where the parameters have grades, each with its PDs "
            "by year, or a migration matrix."
        )
        texts = sorted(set(_texts(array)))
        if all(re.fullmatch(r"\d+\.0", text) for text in texts):  # whole numbers beside empty cells, as pandas has them
            return {"from": name, "values": {text: text.removesuffix(".0") for text in texts}}
    return name


def _dated(name: str, fitting: Sequence[tuple[str | None, str | None]], doubts: list[str]) -> Any:
    (format, language), *others = fitting
    if format is None:
        if any(shape and shape.startswith("%d/%m/%") for shape, _ in others):
            doubts.append(f"dates of {name!r} are read as month/day/year; day/month/year would fit too.")
        return name
    same = [shape for shape, spoken in others if shape != format and spoken in (None, language)]
    if same:
        doubts.append(
            f"{name!r} is read as dates in {format}; {', '.join(map(str, dict.fromkeys(same)))} would fit too."
        )
    if language is None:
        return {"from": name, "format": format}
    spoken = [each for shape, each in others if shape == format and each]
    if spoken:
        doubts.append(f"months of {name!r} are read as {language}; {', '.join(spoken)} would fit too.")
    return {"from": name, "format": format, "language": language}


def _measured(column: str, name: str, file: _File, found: Proposal) -> Any:
    """A number's origin, with what stands beside the numbers, and a scale where another unit is seen or likely."""
    units = file.units.get(name, ())
    values = file.numbers(name)
    median = float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")
    meant = _meant(units)
    for currency in meant & {*CURRENCIES.values()}:  # at most one, see `_units`
        found.currency = found.currency or currency
    scale: float | None = None
    if column in ("PD", "LGD") and "%" in meant:
        scale = 0.01
    elif column == "LoanTerm" and "years" in meant:
        scale = 12
    elif not units:
        scale = _scale(column, name, median, found.doubts)
    more: dict[str, Any] = {"unit": units[0] if len(units) == 1 else list(units)} if units else {}
    if scale is not None:
        more["scale"] = scale
    return {"from": name, **more} if more else name


def _scale(column: str, name: str, median: float, doubts: list[str]) -> float | None:
    """What to multiply a number by, where its size says that it has another unit."""
    if column == "Rate" and 0 < median < 1:
        doubts.append(f"{name!r} looks like fractions (median {median:.3g}), so the Rate is scaled by 100 to percent.")
        return 100
    if column in ("PD", "LGD") and median > 1:
        doubts.append(f"{name!r} looks like percent (median {median:.3g}), so {column} is scaled by 0.01.")
        return 0.01
    if column == "LoanTerm" and median <= 40 and "month" not in _plain(name) and median not in (12, 24, 36):
        doubts.append(f"{name!r} has a median of {median:g}: check whether terms are in months or in years.")
        return 12 if median <= 6 else None
    if column == "GrossIncome" and "month" in _plain(name):
        doubts.append(f"{name!r} is called monthly, so GrossIncome is scaled by 12 to a year.")
        return 12
    return None


def _translated(column: str, name: str, values: Sequence[str], known: Mapping[str, str], doubts: list[str]) -> Any:
    """A choice's origin, with the values that must be translated. Those that nobody knows are named, and stay as they
    are: their rows are rejected until somebody says what they mean.
    """
    translated = {value: known[value.lower()] for value in values if value.lower() in known}
    if unknown := [value for value in values if value not in translated]:
        shown = ", ".join(map(repr, unknown[:5])) + (" and more" if len(unknown) > 5 else "")
        ours = ", ".join(dict.fromkeys(known.values()))
        doubts.append(
            f"{name!r} holds {shown}, which {column} does not know: say in values what each is, one of {ours}, or "
            "leave the column out. Until then their rows are rejected."
        )
    needed = {value: ours for value, ours in translated.items() if value.lower() != ours.lower()}
    return {"from": name, "values": needed} if needed else name
