"""What a user may ask of a run, checked before anything is spent. Imports nothing that touches AWS."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any, Literal

from montecarlo.errors import InvalidInput, checked_text, shown
from montecarlo.limits import INLINE_ITERATIONS, MAP_RUN_CHILDREN
from montecarlo.model.cases import Case
from montecarlo.model.measures import ES_LEVELS, VAR_LEVELS
from montecarlo.model.parameters import load
from montecarlo.portfolio import filters
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.run.dimensions import MAX_DIMENSIONS
from montecarlo.run.parts import BOOKS, Book

MAX_CASES = 16

MAX_LEVELS = 8

LONGEST_TITLE = 120
"""Characters of the institution's name and of the portfolio's."""

_DIMENSION = re.compile(r"[^\W_][\w .&()+/-]{0,39}")

TARGET_MEASURES = ("ul", *(f"var_{level:g}" for level in VAR_LEVELS), *(f"es_{level:g}" for level in ES_LEVELS))
"""Measures that a run can be asked to be precise in, beside VaR and ES at levels of its own."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
SCENARIOS_FROM = re.compile(rf"(?:s3://([a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9])/runs/)?({NAME.pattern})/?")
RUN = re.compile(rf"{NAME.pattern}(/waves/(\d{{3,}}|tail))?")

# Allowed range of each number, ends included, and whether it must be whole.
_NUMBERS: dict[str, tuple[float, float, bool]] = {
    "scenarios": (1, 1_000_000, True),
    "target_error": (0.0001, 1, False),
    "max_scenarios": (1, 10_000_000, True),
    "seed": (0, 2**63 - 1, True),
    "fed_rate": (-5, 30, False),
    "probit_shift": (-5, 5, False),
    "collateral_shift": (-1, 1, False),
    "probability": (0, 1, False),
    "levels": (50, 99.999, False),
    "contribution_level": (50, 99.999, False),
    "chunk_loans": (1, 10_000_000, True),
    "max_concurrency": (1, 400_000, True),
    "max_groups": (1, INLINE_ITERATIONS, True),
    "max_group_concurrency": (1, MAP_RUN_CHILDREN, True),
    "max_cost_usd": (0, 1e9, False),
    "sample": (1, 1_000_000, True),
    "max_rejected_share": (0, 1, False),
    "max_duplicate_share": (0, 1, False),
    "capital_available": (0.01, 1e15, False),
    "loans": (1, 10_000_000_000, True),
    "part_loans": (1, 10_000_000, True),
}


NOTES = ("Comment", "$schema")
"""Fields of no effect: the Step Functions console fills the first in, and editors look for the second."""


@dataclass(frozen=True)
class RunRequest:
    """One simulation.

    `portfolio` is a prefix, a file or a manifest in S3. `cases` names the cases beside the base, each with a
    `fed_rate` in % a year, a `probability` and, by segment, `probit_shift` and `collateral_shift`; without it there is
    one, "stressed", at `fed_rate`.
    `tail_sampling` draws half of the scenarios where the portfolio loses much (see `scenarios.Design`).
    With a `target_error`, waves of `scenarios` are added until the relative standard error of `target_measure` is no
    larger in any case, or `max_scenarios` are reached.
    The run fails where more than `max_rejected_share` of the rows are rejected, or more than `max_duplicate_share` have
    an AccountID that another has; `exact_duplicates` counts these among any number of loans.
    `reuse` names a run of this stack whose scenarios are taken, and whose chunks, too, where they would come out the
    same: where their objects are the same, by their ETags, and all that decides numbers is.
    `scenarios_from` takes the scenarios of another run, which is done: all waves of them, with its seed, cases,
    parameters and sample, so that both runs' losses add up. It is the name of a run of this stack, or
    s3://bucket/runs/NAME/ in a bucket that the stack reads portfolios from.
    Results are broken down by the values of the `dimensions` too: columns of the portfolio or of its files, or those
    that the mapping tells of. With a `filter` the loans are those rows that it keeps, see `filters.parse`.
    VaR, ES and economic capital are told at `levels` in percent, too; contributions at `contribution_level`.
    With `contributions` a pass over the scenarios of the tail tells what each loan and each borrower contributes.
    `institution` and `portfolio_name` head the report, which holds the tail against `capital_available`, in currency
    units, and compares with the figures of another run, `compare_with`, which is done.
    `sample`: one loan in so many is simulated. At most `max_concurrency` chunks run at once, in at most `max_groups`
    groups of at most `max_group_concurrency` each. A run that would cost more than `max_cost_usd` is not started.
    """

    run: str
    portfolio: str = "portfolios/default/"
    scenarios: int = 10_000
    seed: int = 42
    fed_rate: float = 8.0
    cases: Mapping[str, Any] | None = None
    tail_sampling: bool = True
    scenarios_from: str | None = None
    reuse: str | None = None
    target_error: float | None = None
    target_measure: str = "var_99.9"
    max_scenarios: int = 200_000
    levels: tuple[float, ...] | None = None
    contribution_level: float = 99.0
    contributions: bool = False
    dimensions: tuple[str, ...] | None = None
    filter: tuple[Any, ...] | None = None
    chunk_loans: int = 50_000
    sample: int = 1
    max_concurrency: int = 500
    max_groups: int = INLINE_ITERATIONS
    max_group_concurrency: int = MAP_RUN_CHILDREN
    max_cost_usd: float | None = None
    max_rejected_share: float = 0.001
    max_duplicate_share: float = 0.001
    exact_duplicates: bool = False
    mapping: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] | None = None
    as_of: str | None = None
    institution: str | None = None
    portfolio_name: str | None = None
    capital_available: float | None = None
    compare_with: str | None = None

    @property
    def columns(self) -> ColumnMapping:
        """The mapping of columns, with the request's dimensions, its filter and its grades. Raises InvalidInput."""
        chosen = () if self.filter is None else (filters.parse(self.filter),)
        return ColumnMapping.parse(self.mapping, self.dimensions or (), chosen, load(self.parameters).first_pds)


@dataclass(frozen=True)
class DatagenRequest:
    """One portfolio to generate: `loans` loans of a `book` as of the date `as_of`, in files of `part_loans`.

    `replace`: whether another generated portfolio of this name gives way; files that were not generated never do.
    """

    name: str = "default"
    loans: int = 500_000
    seed: int = 42
    book: Book = "retail"
    format: Literal["parquet", "csv"] = "parquet"
    part_loans: int = 50_000
    max_concurrency: int = 40
    as_of: str = "2026-01-01"
    replace: bool = False


def run_request(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> RunRequest:
    """`given` over the stack's `defaults` over the built-in ones, checked.

    Raises InvalidInput that names the field, its value and what is allowed.
    """
    values = _complete(given, defaults, RunRequest)
    check_name("run", values["run"])
    _check_text("portfolio", values["portfolio"])
    for name in ("mapping", "parameters"):
        if values[name] is not None and not isinstance(values[name], Mapping):
            raise InvalidInput(f"{name} must be an object, not {shown(values[name])}.")
    if values["as_of"] is not None:
        _check_date("as_of", values["as_of"])
    _check_source(values)
    _check_title(values)
    values["levels"] = _levels(values["levels"])
    values["dimensions"] = checked_dimensions(values["dimensions"])
    if values["filter"] is not None:
        filters.parse(values["filter"])
        values["filter"] = tuple(values["filter"])
    check_level("contribution_level", values["contribution_level"])
    own = [f"{name}_{level:g}" for name in ("var", "es") for level in values["levels"] or ()]
    if values["target_measure"] not in (*TARGET_MEASURES, *own):
        raise InvalidInput(
            f"target_measure must be one of {', '.join((*TARGET_MEASURES, *own))}, not "
            f"{shown(values['target_measure'])}."
        )
    for name in ("tail_sampling", "exact_duplicates", "contributions"):
        _check_flag(name, values[name])
    return RunRequest(**values)


def _check_title(values: Mapping[str, Any]) -> None:
    """What heads the report, and the run that it compares with."""
    for name in ("institution", "portfolio_name"):
        if values[name] is not None and not 1 <= len(checked_text(values[name], name).strip()) <= LONGEST_TITLE:
            raise InvalidInput(f"{name} must be a text of 1 to {LONGEST_TITLE} characters, not {shown(values[name])}.")
    if values["compare_with"] is not None:
        check_name("compare_with", values["compare_with"])
        if values["compare_with"] == values["run"]:
            raise InvalidInput("compare_with is the run itself: name the one before it.")


def _check_source(values: dict[str, Any]) -> None:
    if values["reuse"] is not None:
        check_name("reuse", values["reuse"])
        if values["reuse"] == values["run"]:
            raise InvalidInput("reuse must name another run: a run that goes on keeps what it has by itself.")
        if values["scenarios_from"] not in (None, values["reuse"]):
            raise InvalidInput("reuse takes the scenarios of its run: leave scenarios_from out.")
        values["scenarios_from"] = values["reuse"]
    place = values["scenarios_from"]
    if place is None:
        return
    if not isinstance(place, str) or not SCENARIOS_FROM.fullmatch(place):
        raise InvalidInput(f"scenarios_from must be the name of a run, or s3://bucket/runs/NAME/, not {shown(place)}.")
    if values["target_error"] is not None:
        raise InvalidInput(
            "scenarios_from takes the scenarios that the other run has, and no more: leave target_error out."
        )


def _levels(given: Any) -> tuple[float, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= MAX_LEVELS:
        raise InvalidInput(f"levels must be a list of 1 to {MAX_LEVELS} levels in percent, not {shown(given)}.")
    return tuple(sorted({check_level("levels", level) for level in given}))


def checked_dimensions(given: Any) -> tuple[str, ...] | None:
    """The names of dimensions, if they may be such; None where none are given. Raises InvalidInput."""
    if given is None:
        return None
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= MAX_DIMENSIONS:
        raise InvalidInput(f"dimensions must be a list of 1 to {MAX_DIMENSIONS} names of columns, not {shown(given)}.")
    for name in given:
        if not isinstance(name, str) or not _DIMENSION.fullmatch(name) or name in ("segments", "regions"):
            raise InvalidInput(
                f"dimensions: {shown(name)} is no name for a dimension: take 1 to 40 letters, digits, spaces, and any "
                "of _ . & ( ) + / -, a letter or digit first, but not segments or regions, and say under dimensions in "
                "the mapping which column of the file it is."
            )
        if sum(isinstance(other, str) and other.lower() == name.lower() for other in given) > 1:
            raise InvalidInput(f"dimensions: {name} is there twice: capitals make no difference.")
    return tuple(given)


def check_level(name: str, given: Any) -> float:
    """A confidence level in percent, which names a figure of the result. Raises InvalidInput."""
    level = _number(name, given)
    if round(level, 3) != level:
        raise InvalidInput(f"{name} must have at most three decimals, not {level!r}.")
    return level


def stress_cases(request: RunRequest, base: Case, segments: Collection[str]) -> tuple[Case, ...]:
    """The base case and the request's, checked. Raises InvalidInput that names the case and the field."""
    if request.cases is None:
        return base, Case("stressed", request.fed_rate, {})
    if not isinstance(request.cases, Mapping) or not 1 <= len(request.cases) <= MAX_CASES:
        given = f"of {len(request.cases)}" if isinstance(request.cases, Mapping) else shown(request.cases)
        raise InvalidInput(f"cases must be an object of 1 to {MAX_CASES} named cases, not {given}.")
    cases = [_case(name, given, base, segments) for name, given in request.cases.items()]
    probabilities = [case.probability for case in cases if case.probability is not None]
    if not probabilities:
        return base, *cases
    if len(probabilities) < len(cases):
        raise InvalidInput("cases: give each case a probability, or none; the base case has what is left of 1.")
    left = 1 - math.fsum(probabilities)
    if left < -1e-9:
        raise InvalidInput(f"cases: the probabilities are {1 - left:g} in all, but must not be more than 1.")
    return replace(base, probability=round(max(left, 0.0), 12)), *cases


_OF_A_CASE = ("fed_rate", "probit_shift", "collateral_shift", "probability")


def _case(name: str, given: Any, base: Case, segments: Collection[str]) -> Case:
    where = f"cases.{name}"
    check_name("the name of a case", name)
    if name == base.name:
        raise InvalidInput("cases: base is always there and takes its rate from the parameter base_fed_rate.")
    if not isinstance(given, Mapping) or not set(given) <= set(_OF_A_CASE):
        *others, last = _OF_A_CASE
        raise InvalidInput(f"{where} may have {', '.join(others)} and {last}, not {shown(given)}.")

    def by_segment(kind: str) -> dict[str, float]:
        shifts = given.get(kind, {})
        if not isinstance(shifts, Mapping) or not set(shifts) <= set(segments):
            unknown = [name for name in shifts if name not in segments] if isinstance(shifts, Mapping) else []
            which = f", and {shown(unknown[0])} is none" if unknown else ""
            raise InvalidInput(
                f"{where}.{kind} must be an object of numbers by segment ({', '.join(segments)}){which}."
            )
        return {segment: _number(kind, shift, f"{where}.{kind}.{segment}") for segment, shift in shifts.items()}

    fed_rate = _number("fed_rate", given.get("fed_rate", base.fed_rate), f"{where}.fed_rate")
    weight = given.get("probability")
    probability = None if weight is None else float(_number("probability", weight, f"{where}.probability"))
    return Case(name, fed_rate, by_segment("probit_shift"), by_segment("collateral_shift"), probability)


def datagen_request(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> DatagenRequest:
    """`given` over the stack's `defaults` over the built-in ones, checked.

    Raises InvalidInput that names the field, its value and what is allowed.
    """
    values = _complete(given, defaults, DatagenRequest)
    check_name("name", values["name"])
    if values["format"] not in ("parquet", "csv"):
        raise InvalidInput(f"format must be parquet or csv, not {shown(values['format'])}.")
    if values["book"] not in BOOKS:
        raise InvalidInput(f"book must be {' or '.join(BOOKS)}, not {shown(values['book'])}.")
    _check_date("as_of", values["as_of"])
    _check_flag("replace", values["replace"])
    return DatagenRequest(**values)


def _complete(given: Mapping[str, Any], defaults: Mapping[str, Any], kind: type) -> dict[str, Any]:
    names = [field.name for field in fields(kind)]
    built_in = {field.name: None if field.default is MISSING else field.default for field in fields(kind)}
    if not isinstance(given, Mapping):
        raise InvalidInput(f"the input must be a JSON object with any of {', '.join(names)}, not {shown(given)}.")
    for name in given:
        if name not in names and name not in NOTES:
            unknown = checked_text(name, "the name of a field")
            raise InvalidInput(f"{unknown} is unknown; the input may have {', '.join(names)}.")
    values = {name: _first(given.get(name), defaults.get(name), built_in[name]) for name in names}
    for name, value in values.items():
        if isinstance(value, Mapping):
            values[name] = {key: item for key, item in value.items() if key != "$schema"}
    for name, value in values.items():
        if name in _NUMBERS and name != "levels" and value is not None:
            values[name] = _number(name, value)
    return values


def _first(*values: Any) -> Any:
    """The first value that was given."""
    return next((value for value in values if value is not None), None)


def _number(name: str, value: Any, where: str = "") -> float | int:
    low, high, whole = _NUMBERS[name]
    name = where or name
    kind = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{name} must be {kind} from {low:,} to {high:,}, not {shown(value)}.")
    if not low <= value <= high:
        figure = f"{value:,}" if abs(value) < 1e20 else shown(value)
        raise InvalidInput(f"{name} is {figure}, but must be {kind} from {low:,} to {high:,}.")
    if whole and value != int(value):
        raise InvalidInput(f"{name} must be {kind} from {low:,} to {high:,}, not {shown(value)}.")
    return int(value) if whole else float(value)


def check_name(field: str, value: Any) -> None:
    """Raise InvalidInput unless the value may be the name of a run, a portfolio, a case or an execution."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise InvalidInput(
            f"{field} must be 1 to 80 letters, digits, '-', '_' or '.', starting with a letter or digit, not "
            f"{shown(value)}."
        )


def run_of(request: Any, execution: str, started: datetime | None = None) -> Any:
    """The run that an execution works for, unchecked: the one that its input names, or else the execution's own name.

    `{date}` and `{time}` in the name stand for when the execution was started, in UTC: 2026-01-31 and 0230. So one
    request can be given every night, and all states of an execution, repeated ones too, find the same name.
    """
    name = (request.get("run") if isinstance(request, Mapping) else None) or execution
    if started is None or not isinstance(name, str):
        return name
    moment = started.astimezone(UTC)
    return name.replace("{date}", f"{moment:%Y-%m-%d}").replace("{time}", f"{moment:%H%M}")


def check_run(field: str, value: Any) -> None:
    """As `check_name`, for the name of a run or of one of its waves (see `keys.wave`)."""
    if not isinstance(value, str) or not RUN.fullmatch(value):
        check_name(field, value)


def _check_flag(field: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise InvalidInput(f"{field} must be true or false, not {shown(value)}.")


def _check_text(field: str, value: Any) -> None:
    if not checked_text(value, field):
        raise InvalidInput(f"{field} must be a text, not {shown(value)}.")


def _check_date(field: str, value: Any) -> None:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidInput(f"{field} must be a date such as 2026-01-31, not {shown(value)}.") from None
