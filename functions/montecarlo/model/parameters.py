"""The model's parameters: the defaults of `parameters.json`, what a user overrides, and the checks on both.

Every leaf of the file is a number, or {"value": number, "source": text}; only the values are kept here. Imports nothing
that touches AWS.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from montecarlo.errors import InvalidInput
from montecarlo.model import capital

SCHEMA = 1
MAX_ASSET_CORRELATION = 0.95
"""Above it the fixed-point scale of `normal` could overflow; no published correlation comes near."""

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


@dataclass(frozen=True)
class Parameters:
    """One validated parameter set. Segments are in the order of the sector factors."""

    name: str
    base_fed_rate: float
    global_factor_share: float
    scorecard: Scorecard
    segments: dict[str, Segment]

    def to_json(self) -> dict[str, Any]:
        """The same shape as the file, values only."""
        return {"schema": SCHEMA, **asdict(self)}


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
}


@cache
def _defaults() -> dict[str, Any]:
    text = (Path(__file__).parent / "parameters.json").read_text(encoding="utf-8")
    values: dict[str, Any] = _values(json.loads(text))
    return values


def load(overrides: Mapping[str, Any] | None = None) -> Parameters:
    """The default parameters with `overrides` laid over them, checked.

    `overrides` has the shape of parameters.json, any part of it; a new name under `segments` adds a segment, which then
    must be complete. Raises InvalidInput that names the parameter, its value and its allowed range.
    """
    given = _values(dict(overrides or {}))
    if not isinstance(given, Mapping):
        raise InvalidInput(f"parameters must be an object that names parameters, not the one value {given!r}.")
    merged = _merge(_defaults(), given, "")
    if merged.pop("schema") != SCHEMA:
        raise InvalidInput(f"parameters: schema must be {SCHEMA}, the version that this release reads.")
    if not isinstance(merged["name"], str):
        raise InvalidInput("parameters: name must be a text.")
    segments = {name: _segment(values, f"segments.{name}") for name, values in merged["segments"].items()}
    top = {key: value for key, value in merged.items() if key not in ("name", "scorecard", "segments")}
    checked = {key: _number(key, value, key) for key, value in top.items()}
    return Parameters(
        name=merged["name"],
        base_fed_rate=checked["base_fed_rate"],
        global_factor_share=checked["global_factor_share"],
        scorecard=Scorecard(**_numbers(merged["scorecard"], Scorecard, "scorecard")),
        segments=segments,
    )


def _values(node: Any) -> Any:
    """The tree with each {"value": v, "source": s} replaced by v."""
    if isinstance(node, Mapping):
        if "value" in node and set(node) <= {"value", "source"}:
            return node["value"]
        return {key: _values(value) for key, value in node.items()}
    return node


def _merge(base: Mapping[str, Any], over: Mapping[str, Any], path: str) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        here = f"{path}{key}"
        if key not in base and path != "segments.":
            raise InvalidInput(f"parameters: {here} is unknown; here one may give {', '.join(base)}.")
        below = base.get(key)
        if isinstance(below, Mapping) or (below is None and path == "segments."):
            if not isinstance(value, Mapping):
                raise InvalidInput(f"parameters: {here} must be an object, not {value!r}.")
            known = below if below is not None else {field.name: None for field in fields(Segment)}
            value = _merge(known, value, f"{here}.")
        merged[key] = value
    return merged


def _numbers(values: Mapping[str, Any], kind: type, path: str) -> dict[str, float]:
    return {field.name: _number(field.name, values[field.name], f"{path}.{field.name}") for field in fields(kind)}


def _segment(values: Mapping[str, Any], path: str) -> Segment:
    given = dict(values)
    exposure_class, sales = given.pop("exposure_class"), given.pop("annual_sales")
    if exposure_class not in capital.CLASSES:
        raise InvalidInput(
            f"parameters: {path}.exposure_class must be one of {', '.join(capital.CLASSES)}, not {exposure_class!r}."
        )
    return Segment(
        **{name: _number(name, value, f"{path}.{name}") for name, value in given.items()},
        exposure_class=exposure_class,
        annual_sales=None if sales is None else _number("annual_sales", sales, f"{path}.annual_sales"),
    )


def _number(name: str, value: Any, path: str) -> float:
    low, high = _RANGES[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"parameters: {path} must be a number from {low:g} to {high:g}, not {value!r}.")
    if name == "lgd_volatility" and 0 < value < SMALLEST_VOLATILITY:
        raise InvalidInput(
            f"parameters: {path} is {value:g}, but must be 0 or lie from {SMALLEST_VOLATILITY:g} to {high:g}."
        )
    if not low <= value <= high:
        raise InvalidInput(f"parameters: {path} is {value:g}, but must lie from {low:g} to {high:g}.")
    return float(value)
