"""What the report shows of a result, and how its figures are worded. Imports NumPy and the standard library only.

A result may come from an older or later version: every key may be missing, and nothing in it is taken for granted.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from montecarlo.model.measures import Z_95

CURRENCY = "$"
BEYOND_WORDS = 1e9  # of the unit at hand: from here on in powers of ten
MISSING = "–"
COMPARED = 3
"""Cases side by side at most; of more, the first and those of the largest VaR are compared."""


@dataclass(frozen=True)
class Case:
    """One case of the result, e.g. base or stressed. `index` picks its colour; the others are compared with case 0."""

    name: str
    index: int
    figures: Mapping[str, Any]

    @property
    def rate(self) -> str:
        """The Federal Funds rate, or nothing."""
        rate = number(self.figures.get("fed_rate"))
        return "" if rate is None else f"{rate:.2f} %"

    @property
    def title(self) -> str:
        return shortened(humanise(self.name), 32)

    @property
    def label(self) -> str:
        return f"{self.title} ({self.rate})" if self.rate else self.title

    @property
    def style(self) -> str:
        return f"case{self.index}" if self.index < COMPARED else "other"

    def value(self, measure: "Measure") -> float | None:
        return number(lookup(self.figures, measure.path))

    def interval(self, measure: "Measure") -> tuple[float, float] | None:
        bounds = lookup(self.figures, ("interval_95", *measure.path))
        if not isinstance(bounds, Sequence) or isinstance(bounds, str) or len(bounds) != 2:
            return None
        low, high = number(bounds[0]), number(bounds[1])
        return None if low is None or high is None else (low, high)


@dataclass(frozen=True)
class Measure:
    """A figure that each case has. kind: "amount", "rate" (in %) or "share" (of 1). short: for a column's head."""

    label: str
    path: tuple[str, ...]
    kind: str = "amount"
    short: str = ""

    def text(self, value: float | None, unit: "Unit") -> str:
        if value is None:
            return MISSING
        match self.kind:
            case "rate":
                return f"{value:.2f} %"
            case "share":
                return percent(value)
            case _:
                return unit.text(value)

    def change(self, reference: Case, case: Case) -> str:
        """The relative change in %; for rates and shares, the difference in percentage points."""
        before, after = reference.value(self), case.value(self)
        if before is None or after is None:
            return MISSING
        if self.kind in ("rate", "share"):
            text = f"{(after - before) * (100 if self.kind == 'share' else 1):+.2f} pp"
        elif before:
            change = 100 * (after / before - 1)
            text = f"{change:+,.1f} %" if abs(change) < 1e7 else f"{change:+.1e} %"
        else:
            text = MISSING
        return text.replace("-", "−")


@dataclass(frozen=True)
class Unit:
    """One unit for all amounts of a table, so that they compare by eye."""

    size: float
    suffix: str
    word: str

    @property
    def name(self) -> str:
        return f"{CURRENCY} {self.word}".strip()

    def text(self, amount: float) -> str:
        scaled = amount / self.size
        text = f"{scaled:,.2f}" if abs(scaled) < BEYOND_WORDS else f"{scaled:.3e}"
        return "<0.01" if amount > 0 and text == "0.00" else text.replace("-", "−")


UNITS = (
    Unit(1e12, "T", "trillion"),
    Unit(1e9, "B", "billion"),
    Unit(1e6, "M", "million"),
    Unit(1e3, "K", "thousand"),
    Unit(1.0, "", ""),
)


def cases_of(result: Mapping[str, Any]) -> list[Case]:
    return [Case(str(name), index, figures) for index, (name, figures) in enumerate(mapping(result, "cases").items())]


def compared(cases: Sequence[Case]) -> list[Case]:
    """The cases that are shown side by side, renumbered: all of few; of many the first and those of the largest VaR."""
    if len(cases) <= COMPARED:
        return list(cases)
    tail = tail_measure(cases)
    by_loss = sorted(cases[1:], key=lambda case: -(case.value(tail) or 0.0))
    kept = {cases[0].index, *(case.index for case in by_loss[: COMPARED - 1])}
    return [replace(case, index=place) for place, case in enumerate(case for case in cases if case.index in kept)]


EXPECTED_LOSS = Measure("Expected loss (EL)", ("el",), short="EL")
BASEL_CAPITAL = Measure("Basel IRB capital", ("capital",), short="IRB capital")
TWELVE_MONTH_ECL = Measure("ECL, 12 months (stage 1)", ("ecl", "twelve_month"), short="ECL 12 months")
LIFETIME_ECL = Measure("ECL, lifetime (stage 2, CECL)", ("ecl", "lifetime"), short="ECL lifetime")
RISK_WEIGHT_FACTOR = 12.5
"""Risk-weighted assets are so many times the capital: the inverse of 8 %."""


def measures_of(cases: Sequence[Case]) -> list[Measure]:
    """The measures of the loss distribution that at least one case has, in the order of the table."""

    def by_level(key: str, label: str, short: str) -> list[Measure]:
        levels = {level for case in cases for level in mapping(case.figures, key) if number_from(level) is not None}
        return [
            Measure(f"{label}, {level} %", (key, level), short=f"{short} {level} %")
            for level in sorted(levels, key=float)
        ]

    measures = [
        Measure("Federal Funds rate", ("fed_rate",), "rate", "Fed rate"),
        Measure("Mean probability of default", ("mean_pd",), "share", "Mean PD"),
        EXPECTED_LOSS,
        Measure("EL, analytic", ("analytic_el",), short="EL, analytic"),
        Measure("Unexpected loss (UL)", ("ul",), short="UL"),
        *by_level("var", "Value at risk (VaR)", "VaR"),
        *by_level("es", "Expected shortfall (ES)", "ES"),
        *by_level("economic_capital", "Economic capital", "Econ. cap."),
        Measure("Worst scenario", ("worst",), short="Worst"),
    ]
    return known(measures, cases)


def known(measures: Iterable[Measure], cases: Sequence[Case]) -> list[Measure]:
    """Those that at least one case has."""
    return [measure for measure in measures if any(case.value(measure) is not None for case in cases)]


def further_figures(case: Case, measures: Sequence[Measure]) -> dict[str, float]:
    """What the case holds beyond the measures (a later version's keys), flattened to "irb, capital": value."""
    shown = {measure.path for measure in (*measures, BASEL_CAPITAL, TWELVE_MONTH_ECL, LIFETIME_ECL)}
    apart = {"standard_error", "interval_95", "convergence", "effective_sample_size", "segments", "regions"}

    def walk(path: tuple[str, ...], value: Any) -> Iterable[tuple[tuple[str, ...], float]]:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield from walk((*path, str(key)), inner)
        elif path not in shown and (leaf := number(value)) is not None:
            yield path, leaf

    return {
        ", ".join(humanise(part) for part in path): leaf
        for key, value in case.figures.items()
        if key not in apart
        for path, leaf in walk((str(key),), value)
    }


def tail_measure(cases: Sequence[Case]) -> Measure:
    """The VaR at the highest level there is: 99.9 % unless the run was asked for others."""
    return highest_level("var", cases) or Measure("VaR, 99.9 %", ("var", "99.9"), short="VaR 99.9 %")


def highest_level(key: str, cases: Sequence[Case]) -> Measure | None:
    """VaR, ES or economic capital ("var", "es", "economic_capital") at the highest level that a case has."""
    measures = [measure for measure in measures_of(cases) if measure.path[0] == key]
    return measures[-1] if measures else None


def half_width(case: Case, measure: Measure) -> float | None:
    """Half the 95 % interval, relative to the value."""
    value, bounds = case.value(measure), case.interval(measure)
    return (bounds[1] - bounds[0]) / 2 / abs(value) if value and bounds else None


@dataclass(frozen=True)
class Trial:
    """What fewer scenarios would have told: estimates by name, each a value and its standard error, if known."""

    scenarios: float
    estimates: Mapping[str, tuple[float, float | None]]


def convergence(case: Case) -> list[Trial]:
    """The case's trials, most scenarios first."""
    rows = case.figures.get("convergence")
    trials = []
    for row in rows if isinstance(rows, Sequence) else ():
        scenarios = number(lookup(row, ("scenarios",)))
        if scenarios is None or scenarios < 1:
            continue
        estimates = {}
        for name, pair in row.items():
            if isinstance(pair, Sequence) and len(pair) == 2 and (value := number(pair[0])) is not None:
                estimates[str(name)] = value, number(pair[1])
        trials.append(Trial(scenarios, estimates))
    return sorted(trials, key=lambda trial: -trial.scenarios)


def unit_of(cases: Sequence[Case], measures: Sequence[Measure]) -> Unit:
    return unit_for(case.value(measure) for case in cases for measure in measures if measure.kind == "amount")


def unit_for(amounts: Iterable[float | None]) -> Unit:
    """The unit in which the largest amount has three to five digits before the point, so that others have some."""
    largest = max((abs(amount) for amount in amounts if amount is not None), default=0.0)
    return next((unit for unit in UNITS if unit.size * 100 <= largest), UNITS[-1])


def mapping(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    child = parent.get(key)
    return child if isinstance(child, Mapping) else {}


def lookup(figures: Any, path: Sequence[str]) -> Any:
    for key in path:
        figures = figures.get(key) if isinstance(figures, Mapping) else None
    return figures


def number(value: Any) -> float | None:
    """A finite number, or None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        return None
    return float(value)


def number_from(text: str) -> float | None:
    try:
        return number(float(text))
    except ValueError:
        return None


def sum_or_none(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def money(amount: float) -> str:
    """Three significant digits: $82.1M, $1.02B; below a thousand to the cent."""
    sign = "−" if amount < 0 else ""
    size = abs(amount)
    if size < 999.995:
        return f"{sign}{CURRENCY}{size:.2f}"
    rounded = float(f"{size:.3g}")
    unit = next(unit for unit in UNITS if unit.size <= rounded)
    scaled = rounded / unit.size
    if scaled >= BEYOND_WORDS:
        return f"{sign}{CURRENCY}{size:.2e}"
    return f"{sign}{CURRENCY}{scaled:,.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{unit.suffix}"


def money_or_missing(amount: float | None) -> str:
    return MISSING if amount is None else money(amount)


def percent(share: float) -> str:
    """A share of 1 in %, with two decimals or, if it is smaller than they can show, two significant digits."""
    scaled = 100 * share
    return f"{scaled:.2f} %" if scaled == 0 or abs(scaled) >= 0.01 else f"{scaled:.2g} %"


def count(value: Any) -> str:
    known = number(value)
    if known is None:
        return MISSING
    return f"{known:,.0f}" if abs(known) < 1e15 else f"{known:.3e}"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours:,} h {minutes} min" if hours else f"{minutes} min") + f" {rest} s"


def humanise(name: str) -> str:
    """credit_card -> Credit card"""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def shortened(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: columns - 1] + "…"


def plus_minus(share: float) -> str:
    """±1.5 %"""
    return f"±{100 * share:.2g} %" if share < 0.0995 else f"±{100 * share:,.0f} %"


def dollars(amount: float) -> str:
    """A price in US dollars, whatever the portfolio's currency."""
    return "US$ " + (f"{amount:,.2f}" if abs(amount) >= 1 or amount == 0 else f"{amount:.2g}")


def record_entry(key: str, value: Any) -> tuple[str, str]:
    """A key of the run record and its value for people; the key's ending tells the unit."""
    known = number(value)
    if known is not None and key.endswith("_seconds") and not key.endswith("_gb_seconds"):
        return humanise(key.removesuffix("_seconds") + "_time"), duration(known)
    if known is not None and key.endswith("_usd"):
        return humanise(key.removesuffix("_usd")), dollars(known)
    if known is not None and key.endswith("_mb"):
        return humanise(key.removesuffix("_mb")), f"{known:,.0f} MB"
    if known is not None:
        return humanise(key), f"{known:,.0f}" if known.is_integer() else f"{known:,.6g}"
    return humanise(key), value if isinstance(value, str) else json.dumps(value, default=str)


def loan_equation(result: Mapping[str, Any]) -> str:
    loans = mapping(result, "loans")
    return (
        f"{count(loans.get('read'))} read = {count(loans.get('simulated'))} simulated"
        f" + {count(loans.get('rejected'))} rejected + {count(loans.get('not_sampled'))} not sampled"
    )


def sampled_one_in(result: Mapping[str, Any]) -> float:
    """One loan in so many was simulated; 1 is all."""
    return number(lookup(result, ("sampling", "one_in"))) or 1.0


def notices(result: Mapping[str, Any]) -> list[str]:
    """What a reader must know before using any figure, in full sentences."""
    found = []
    one_in = sampled_one_in(result)
    if one_in > 1:
        error = number(lookup(result, ("sampling", "relative_error")))
        adds = f"; that adds {plus_minus(Z_95 * error)}, which the intervals include" if error else ""
        found.append(f"One loan in {count(one_in)} was simulated and amounts are scaled up to all loans{adds}.")
    elif number(lookup(result, ("loans", "not_sampled"))):
        found.append("The run simulated a sample of the loans; amounts are scaled up to all loans.")
    waves = mapping(result, "waves")
    if waves.get("reached") is False:
        target = number(waves.get("target_error"))
        asked = "asked for" if target is None else f"of {percent(target)} asked for"
        found.append(f"The run ended before it reached the precision {asked}: allow more scenarios.")
    cases = cases_of(result)
    tail = tail_measure(cases)
    if any(lookup(case.figures, ("interval_95", *tail.path)) == [None, None] for case in cases):
        found.append(f"Too few scenarios reach {tail.short} to tell how precise it is: use more.")
    return found
