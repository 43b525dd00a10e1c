"""The model's parameters: the defaults of `parameters.json`, what a user overrides, and the checks on both.

Every leaf of the file is a number, or {"value": number, "source": text}; only the values are kept here. Imports nothing
that touches AWS.
"""

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache, cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from montecarlo.errors import InvalidInput, checked_text, shown
from montecarlo.model import capital, factors, migration
from montecarlo.portfolio.columns import COLUMN
from montecarlo.portfolio.stages import STAGING, Staging

SCHEMA = 1
TIMINGS = ("mid-year", "year-end", "monthly")
MAX_ASSET_CORRELATION = 0.95
"""Above it the fixed-point scale of `normal` could overflow; no published correlation comes near."""

BENCHMARK_RATE = "Federal Funds rate"
"""What cases differ in, unless a parameter names another rate."""

SMALLEST_VOLATILITY = 0.01
"""Of an LGD that is drawn at all: below it, the Beta distribution is a point for every purpose but arithmetic."""


@dataclass(frozen=True)
class Scorecard:
    """Coefficients of the logit scorecard; see `credit.score` for the formula. Months, % a year, currency units."""

    debt_to_income: float
    debt_to_income_cap: float
    rate: float
    reference_rate: float
    term: float
    reference_term: float
    age: float
    age_cap: float
    size: float
    reference_amount: float


@dataclass(frozen=True)
class Segment:
    """What loans of one segment share.

    `rate_sensitivity` is in probits per percentage point of the Fed rate; `lgd_volatility` and `lgd_correlation` are
    those of `severity`, and the last three those of `capital`, sales in millions of euros a year.
    """

    intercept: float
    asset_correlation: float
    lgd: float
    lgd_volatility: float
    lgd_correlation: float
    rate_sensitivity: float
    pass_through: float
    exposure_class: str
    annual_sales: float | None
    pd_floor: float
    sector: str | None = None
    """Whose factor its loans have; one of its own where there is none."""
    basel_correlation: bool = False
    """Whether each loan's asset correlation is Basel's for its PD in the base case, in place of the segment's."""
    ccf: float = 0.4
    """Credit conversion factor: the share of what a credit line may still draw that is drawn at default."""
    haircut: float = 0.2
    """By which share collateral brings less than it is worth today."""
    recovery_cost: float = 0.1
    """Of selling it, as a share of what it brings."""
    prepayment: float = 0.0
    """The share of what is owed that is repaid early in a year: of lifetime losses only."""
    pd_by_year: tuple[float, ...] = ()
    """PDs of the years after the first, of a loan that is alive then, as multiples of the first's; the last one stays.
    None: the same PD every year.
    """
    unsecured_lgd: float = 1.0
    """The share that is lost of what collateral does not cover."""


@dataclass(frozen=True)
class Migration:
    """A migration matrix of G grades: G rows of G + 1 probabilities of being in each grade a year later, of default
    last. Kept as it was given, each row adding up to 1 within SUM_OF_ROW.
    """

    grades: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Parameters:
    """One validated parameter set.

    grades: PDs of each year by grade, of a loan that is alive at its beginning; the last one stays. migration: a matrix
    that they follow from, in place of them.
    sector_correlations: those of two sectors' factors, each pair once; of other pairs it is `global_factor_share`.
    benchmark_rate: what the report calls the rate that cases differ in, and that `base_fed_rate` is today.
    default_timing: one of TIMINGS, where in a year provisions take defaults to happen.
    staging: which loans are in which stage of IFRS 9, if they do not tell.
    """

    name: str
    base_fed_rate: float
    global_factor_share: float
    scorecard: Scorecard
    segments: dict[str, Segment]
    sector_correlations: dict[str, dict[str, float]] = field(default_factory=dict)
    benchmark_rate: str = BENCHMARK_RATE
    default_timing: str = "mid-year"
    grades: dict[str, tuple[float, ...]] = field(default_factory=dict)
    migration: Migration | None = None
    staging: Staging = STAGING

    def to_json(self) -> dict[str, Any]:
        """The same shape as the file, values only, and without what is optional and was not given."""
        values = {"schema": SCHEMA, **asdict(self)}
        for name, nothing in _NOTHING.items():
            if values[name] == nothing:
                del values[name]
        for segment in values["segments"].values():
            for name in [name for name, nothing in _OPTIONAL.items() if segment[name] == nothing]:
                del segment[name]
        return values

    @cached_property
    def pds_by_grade(self) -> dict[str, tuple[float, ...]]:
        """The PDs of each year by grade, as `grades` has them, whether given or by the matrix; none without grades."""
        if self.migration is None:
            return self.grades
        pds = migration.pds_by_year(self.migration.matrix, MAX_YEARS)
        return dict(zip(self.migration.grades, pds, strict=True))

    @property
    def first_pds(self) -> dict[str, float]:
        """The first year's PD by grade."""
        return {name: pds[0] for name, pds in self.pds_by_grade.items()}

    @property
    def sectors(self) -> list[str]:
        """The sectors, in the order of their factors: those of the segments, and others with correlations."""
        of_segments = [segment.sector or name for name, segment in self.segments.items()]
        pairs = [name for one, others in self.sector_correlations.items() for name in (one, *others)]
        return list(dict.fromkeys((*of_segments, *pairs)))

    @property
    def named_sectors(self) -> list[str]:
        """The sectors that a loan may name; none where no parameter speaks of sectors."""
        spoken_of = self.sector_correlations or any(segment.sector for segment in self.segments.values())
        return self.sectors if spoken_of else []


_OPTIONAL = {"sector": None, "basel_correlation": False, "ccf": 0.4, "haircut": 0.2, "recovery_cost": 0.1,
             "unsecured_lgd": 1.0,
             "prepayment": 0.0, "pd_by_year": ()}  # fmt: skip
"""What a segment need not have, and what it has then."""

_NOTHING: Mapping[str, Any] = {
    "sector_correlations": {}, "benchmark_rate": BENCHMARK_RATE, "default_timing": TIMINGS[0],
    "grades": {}, "migration": None,
    "staging": asdict(STAGING),
}  # fmt: skip
"""What is left out of parameters where it is this."""

_SHARES = ("ccf", "haircut", "recovery_cost", "unsecured_lgd", "prepayment")
"""Those that are numbers."""

_MOST_DAYS = COLUMN["DaysPastDue"].high

WHOLE = ("stage_2_days", "stage_3_days")
"""Numbers that must be whole, as DaysPastDue is."""

# Allowed range of each number, ends included: (low, high).
_RANGES: dict[str, tuple[float, float]] = {
    "base_fed_rate": (-5, 30),
    "global_factor_share": (0, 1),
    "debt_to_income": (0, 100),  # not negative, or a higher payment could lower a PD and stress could fall below base
    "debt_to_income_cap": (0.01, 100),
    "rate": (-10, 10),
    "reference_rate": (-5, 100),
    "term": (-10, 10),
    "reference_term": (0, 1200),
    "age": (-10, 10),
    "age_cap": (0, 1200),
    "size": (-10, 10),
    "reference_amount": (0.01, 1e12),
    "intercept": (-20, 20),
    "asset_correlation": (0, MAX_ASSET_CORRELATION),
    "lgd": (0, 1),
    "lgd_volatility": (0, 0.9),
    "lgd_correlation": (0, MAX_ASSET_CORRELATION),
    "rate_sensitivity": (0, 5),
    "pass_through": (0, 1),
    "annual_sales": (0, 1e6),
    "pd_floor": (capital.LOWEST_PD, 0.5),
    **dict.fromkeys(_SHARES, (0.0, 1.0)),
    "prepayment": (0, 0.9),
    "pd_by_year": (0, 100),
    "grades": (0, 1),
    "migration": (0, 1),
    "sector_correlations": (-1, 1),
    "stage_2_days": (1, _MOST_DAYS),
    "stage_3_days": (1, _MOST_DAYS),
    "pd_multiple": (1, 100),
    "pd_rise": (0, 1),
}


MAX_YEARS = 40
"""That a term structure of PDs may tell apart."""

MAX_GRADES = 50
"""Each has a term structure."""

SUM_OF_ROW = 1e-6
"""By how much the probabilities of a row may miss 1, from which they are divided by their sum."""

MAX_SEGMENTS = 64
"""Each has its own factor, and its own rows in every table of the report."""

_SEGMENT_NAME = re.compile(r"[^\W_][\w .&()+/-]{0,39}")
_NAMES = "take 1 to 40 letters, digits, spaces, and any of _ . & ( ) + / -, a letter or digit first"


@cache
def _defaults() -> Parameters:
    text = (Path(__file__).parent / "parameters.json").read_text(encoding="utf-8")
    return _parameters(json.loads(text), None)


@cache
def sources() -> dict[str, str]:
    """Where each default comes from, by the names that lead to it: segments.auto.lgd."""
    text = (Path(__file__).parent / "parameters.json").read_text(encoding="utf-8")
    found: dict[str, str] = {}

    def walk(node: Mapping[str, Any], path: str) -> None:
        for name, value in node.items():
            if isinstance(value, Mapping) and "source" in value:
                found[f"{path}{name}"] = str(value["source"])
            elif isinstance(value, Mapping):
                walk(value, f"{path}{name}.")

    walk(json.loads(text), "")
    return found


def load(overrides: Mapping[str, Any] | None = None) -> Parameters:
    """The default parameters with `overrides` laid over them, checked.

    `overrides` has the shape of parameters.json, any part of it; a new name under `segments` adds a segment, which then
    must be complete. Raises InvalidInput that names the parameter, its value and its allowed range.
    """
    return _parameters({} if overrides is None else overrides, _defaults())


def _parameters(given: object, base: Parameters | None) -> Parameters:
    """The document `given`, each part that it lacks taken from `base`; without a base it must be complete."""
    document = _object(given, "", ("$schema", "schema", *(field.name for field in fields(Parameters))))
    schema = document.get("schema", SCHEMA)
    if isinstance(schema, bool) or schema != SCHEMA:
        raise InvalidInput(f"parameters: schema must be {SCHEMA}, the version that this release reads.")
    name = document.get("name", base and base.name)
    names = [field.name for field in fields(Scorecard)]
    scorecard = _object(document.get("scorecard", {}), "scorecard", names)
    parameters = Parameters(
        name=checked_text(name, "parameters: name"),
        base_fed_rate=_number(document, "base_fed_rate", base),
        global_factor_share=_number(document, "global_factor_share", base),
        scorecard=Scorecard(**{key: _number(scorecard, key, base and base.scorecard, "scorecard.") for key in names}),
        segments=_segments(document.get("segments", {}), base.segments if base else {}),
        sector_correlations=_correlations(document.get("sector_correlations", {})),
        benchmark_rate=_rate_name(document.get("benchmark_rate", base.benchmark_rate if base else BENCHMARK_RATE)),
        default_timing=_timing(document.get("default_timing", base.default_timing if base else TIMINGS[0])),
        grades=_grades(document.get("grades", {})),
        migration=_migration(document["migration"]) if "migration" in document else None,
        staging=_staging(document.get("staging", {}), base.staging if base else None),
    )
    if "grades" in document and "migration" in document:
        raise InvalidInput("parameters: give grades or migration, not both: each tells the PDs of all grades.")
    if len(parameters.sectors) > MAX_SEGMENTS:
        raise InvalidInput(f"parameters: there are {len(parameters.sectors)} sectors, more than {MAX_SEGMENTS}.")
    lower = [name.lower() for name in parameters.sectors]
    for name in parameters.sectors:
        if lower.count(name.lower()) > 1:
            raise InvalidInput(f"parameters: the sector {name} is there twice: capitals make no difference.")
    factors.mixing(parameters.sectors, parameters.global_factor_share, parameters.sector_correlations)
    return parameters


def _timing(given: object) -> str:
    if given not in TIMINGS:
        raise InvalidInput(f"parameters: default_timing must be one of {', '.join(TIMINGS)}, not {shown(given)}.")
    return str(given)


def _staging(given: object, base: Staging | None) -> Staging:
    names = [field.name for field in fields(Staging)]
    document = _object(given, "staging", names)
    second, third, multiple, rise = (_number(document, name, base, "staging.") for name in names)
    if second > third:
        raise InvalidInput(
            f"parameters: staging.stage_2_days is {second:,.0f}, but must not be above staging.stage_3_days, which is "
            f"{third:,.0f}: a loan comes to stage 2 before it comes to 3."
        )
    return Staging(int(second), int(third), multiple, rise)


def _rate_name(given: object) -> str:
    if not isinstance(given, str) or not _SEGMENT_NAME.fullmatch(given):
        raise InvalidInput(
            f"parameters: benchmark_rate must be the name of a rate such as '3-month Euribor', not {shown(given)}."
        )
    return given


def _correlations(given: object) -> dict[str, dict[str, float]]:
    """Correlations of pairs of sectors, each once."""
    found: dict[str, dict[str, float]] = {}
    seen: set[frozenset[str]] = set()
    for one, others in _object(given, "sector_correlations", None).items():
        where = f"sector_correlations.{one}."
        pairs = _object(others, where[:-1], None)
        for name in (one, *pairs):
            if not _SEGMENT_NAME.fullmatch(name):
                raise InvalidInput(f"parameters: {where[:-1]}: {shown(name)} is no name for a sector.")
        for other in pairs:
            if one == other or frozenset((one, other)) in seen:
                raise InvalidInput(f"parameters: {where}{other}: give each pair of two sectors once.")
            seen.add(frozenset((one, other)))
            given_value = _leaf(others, other, None, where)
            found.setdefault(one, {})[other] = _in_range("sector_correlations", given_value, f"{where}{other}")
    return found


def _grades(given: object) -> dict[str, tuple[float, ...]]:
    document = _object(given, "grades", None)
    names = _grade_names(list(document), "grades")
    return {name: _yearly(_leaf(document, name, None, "grades."), f"grades.{name}") for name in names}


def _yearly(given: object, where: str) -> tuple[float, ...]:
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= MAX_YEARS:
        raise InvalidInput(
            f"parameters: {where} must be a list of 1 to {MAX_YEARS} PDs, one for each year, not {shown(given)}."
        )
    return _each_in_range("grades", given, where)


def _migration(given: object) -> Migration:
    document = _object(given, "migration", ("grades", "matrix"))
    for name in ("grades", "matrix"):
        if name not in document:
            raise InvalidInput(f"parameters: migration.{name} is missing: it needs the grades and the matrix.")
    grades, matrix = document["grades"], _leaf(document, "matrix", None)
    if not isinstance(grades, list | tuple) or not grades:
        raise InvalidInput(f"parameters: migration.grades must be a list of the grades' names, not {shown(grades)}.")
    names, size = _grade_names(grades, "migration.grades"), len(grades)
    if not isinstance(matrix, list | tuple) or len(matrix) != size:
        many = f"{len(matrix)} rows" if isinstance(matrix, list | tuple) else shown(matrix)
        raise InvalidInput(
            f"parameters: migration.matrix must be a list of {size} rows, one for each grade and none for default, not "
            f"{many}."
        )
    return Migration(names, tuple(_row(row, size, f"migration.matrix[{place}]") for place, row in enumerate(matrix)))


def _row(given: object, grades: int, where: str) -> tuple[float, ...]:
    if not isinstance(given, list | tuple) or len(given) != grades + 1:
        many = f"{len(given)}" if isinstance(given, list | tuple) else shown(given)
        raise InvalidInput(
            f"parameters: {where} must be a list of {grades + 1} probabilities, one for each grade and that of default "
            f"last, not {many}."
        )
    row = _each_in_range("migration", given, where)
    if abs(math.fsum(row) - 1) > SUM_OF_ROW:
        raise InvalidInput(
            f"parameters: {where} adds up to {math.fsum(row):.9g}, not to 1: spread what is missing, such as ratings "
            "that were withdrawn, over the row."
        )
    return row


def _grade_names(given: Sequence[object], where: str) -> tuple[str, ...]:
    """Names of grades, each once; capitals make a difference, as Aaa and AAA are grades of two agencies."""
    if len(given) > MAX_GRADES:
        raise InvalidInput(f"parameters: {where} has {len(given):,} grades, more than {MAX_GRADES}.")
    names: list[str] = []
    for name in given:
        if not isinstance(name, str) or not _SEGMENT_NAME.fullmatch(name):
            raise InvalidInput(f"parameters: {where}: {shown(name)} is no name for a grade: {_NAMES}.")
        if name != name.strip():
            raise InvalidInput(f"parameters: {where}: {shown(name)} ends with a blank, which no cell does.")
        if name in names:
            raise InvalidInput(f"parameters: {where}: {name} is there twice.")
        names.append(name)
    return tuple(names)


def _segments(given: object, base: Mapping[str, Segment]) -> dict[str, Segment]:
    document = _object(given, "segments", None)
    names = [*base, *(name for name in document if name not in base)]
    if len(names) > MAX_SEGMENTS:
        raise InvalidInput(
            f"parameters: there are {len(names):,} segments with the defaults, but a report can show {MAX_SEGMENTS} at "
            "most: bring some of them together."
        )
    lower = [name.lower() for name in names]
    for name in names:
        if not _SEGMENT_NAME.fullmatch(name):
            raise InvalidInput(f"parameters: segments: {shown(name)} is no name for a segment: {_NAMES}.")
        if lower.count(name.lower()) > 1:
            raise InvalidInput(f"parameters: segments.{name} is there twice: capitals make no difference.")
    return {name: _segment(document.get(name, {}), base.get(name), f"segments.{name}.") for name in names}


def _segment(given: object, base: Segment | None, path: str) -> Segment:
    names = [field.name for field in fields(Segment)]
    document = _object(given, path.rstrip("."), names)
    exposure_class = _leaf(document, "exposure_class", base, path)
    if not isinstance(exposure_class, str) or exposure_class not in capital.CLASSES:
        classes = ", ".join(capital.CLASSES)
        raise InvalidInput(f"parameters: {path}exposure_class must be one of {classes}, not {shown(exposure_class)}.")
    sector = _leaf(document, "sector", base or _OPTIONS, path)
    if sector is not None and not (isinstance(sector, str) and _SEGMENT_NAME.fullmatch(sector)):
        raise InvalidInput(f"parameters: {path}sector must be a name such as a segment's, not {shown(sector)}.")
    by_basel = _leaf(document, "basel_correlation", base or _OPTIONS, path)
    if not isinstance(by_basel, bool):
        raise InvalidInput(f"parameters: {path}basel_correlation must be true or false, not {shown(by_basel)}.")
    no_sales = _leaf(document, "annual_sales", base, path) is None
    numbers = [name for name in names if name not in ("exposure_class", "annual_sales", *_OPTIONAL)]
    return Segment(
        **{name: _number(document, name, base, path) for name in numbers},
        exposure_class=exposure_class,
        annual_sales=None if no_sales else _number(document, "annual_sales", base, path),
        sector=sector,
        basel_correlation=by_basel,
        **{name: _number(document, name, base or _OPTIONS, path) for name in _SHARES},
        pd_by_year=_multiples(_leaf(document, "pd_by_year", base or _OPTIONS, path), f"{path}pd_by_year"),
    )


def _multiples(given: object, where: str) -> tuple[float, ...]:
    if not isinstance(given, list | tuple) or len(given) > MAX_YEARS:
        raise InvalidInput(f"parameters: {where} must be a list of at most {MAX_YEARS} numbers, not {shown(given)}.")
    return _each_in_range("pd_by_year", given, where)


def _object(value: object, path: str, known: Collection[str] | None) -> Mapping[str, Any]:
    """An object of the document, with no keys but those that are known (None: any)."""
    where = f"parameters: {path}" if path else "parameters"
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where} must be an object, not {shown(value)}.")
    for key in value:
        if not isinstance(key, str) or (known is not None and key not in known):
            here = f"{path}." if path else ""
            raise InvalidInput(
                f"parameters: {here}{shown(key)} is unknown; here one may give {', '.join(known or ())}."
            )
    return value


def _leaf(document: Mapping[str, Any], name: str, base: object, path: str = "") -> Any:
    """The value of one parameter: the document's, plain or as {"value": ..., "source": ...}, or else that of `base`."""
    if name not in document:
        if base is None:
            raise InvalidInput(f"parameters: {path}{name} is missing; a new segment must be complete.")
        return getattr(base, name)
    value = document[name]
    if isinstance(value, Mapping) and "value" in value and set(value) <= {"value", "source"}:
        return value["value"]
    return value


_OPTIONS = SimpleNamespace(**_OPTIONAL)


def _each_in_range(name: str, values: Sequence[object], where: str) -> tuple[float, ...]:
    return tuple(_in_range(name, each, f"{where}[{place}]") for place, each in enumerate(values))


def _in_range(name: str, value: object, where: str) -> float:
    low, high = _RANGES[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidInput(f"parameters: {where} must be a number from {low:g} to {high:g}, not {shown(value)}.")
    return float(value)


def _number(document: Mapping[str, Any], name: str, base: object, path: str = "") -> float:
    """A number within its range."""
    value, high = _in_range(name, _leaf(document, name, base, path), f"{path}{name}"), _RANGES[name][1]
    if name == "lgd_volatility" and 0 < value < SMALLEST_VOLATILITY:
        raise InvalidInput(
            f"parameters: {path}{name} must be 0 or a number from {SMALLEST_VOLATILITY:g} to {high:g}, not "
            f"{shown(value)}."
        )
    if name in WHOLE and value != int(value):
        raise InvalidInput(f"parameters: {path}{name} must be a whole number, not {shown(value)}.")
    return value
