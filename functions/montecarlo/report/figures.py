"""Which figures of a case are shown, in which order and under which names, and how cases are compared.

Imports the view, words and the model's constants.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from montecarlo.model.measures import Z_95
from montecarlo.report.view import CaseView, Figure, Path, ResultView
from montecarlo.report.words import (
    MISSING,
    NOT_APPLICABLE,
    UNITS,
    Unit,
    count,
    humanise,
    percent,
    plus_minus,
    shortened,
    unit_for,
)

COMPARED = 3
"""Cases side by side at most; of more, the first and those of the largest VaR are compared."""

RISK_WEIGHT_FACTOR = 12.5
"""Risk-weighted assets are so many times the capital: the inverse of 8 %."""


@dataclass(frozen=True)
class Measure:
    """A figure that each case has. kind: "amount", "rate" (in %) or "share" (of 1). short: for a column's head."""

    label: str
    path: Path
    kind: str = "amount"
    short: str = ""

    def value(self, case: CaseView) -> float | None:
        """The case's figure; None where it has none."""
        return case.figure(self.path).value

    def known_of(self, case: CaseView) -> bool:
        """Whether the case has the figure, or says why it has none."""
        return self.value(case) is not None or case.figure(self.path).inapplicable > 0

    def interval(self, case: CaseView) -> tuple[float, float] | None:
        """Its 95 % interval."""
        return case.figure(self.path).interval

    def half_width(self, case: CaseView) -> float | None:
        """Half the 95 % interval, relative to the value."""
        return half_width(case.figure(self.path))

    def shown(self, case: CaseView, unit: Unit) -> str:
        """The case's figure for people, amounts in the table's unit."""
        figure = case.figure(self.path)
        if figure.value is None:
            return NOT_APPLICABLE if figure.inapplicable else MISSING
        return self.text(figure.value, unit)

    def text(self, value: float | None, unit: Unit) -> str:
        """A value of this kind; amounts in the table's unit."""
        if value is None:
            return MISSING
        match self.kind:
            case "rate":
                return f"{value:.2f} %"
            case "share":
                return percent(value)
            case _:
                return unit.text(value)

    def change(self, reference: CaseView, case: CaseView) -> str:
        """The relative change in %; for rates and shares, the difference in percentage points."""
        before, after = self.value(reference), self.value(case)
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


def half_width(figure: Figure) -> float | None:
    """Half the 95 % interval, relative to the value; None where either is not known or the value is nothing."""
    value, bounds = figure.value, figure.interval
    return (bounds[1] - bounds[0]) / 2 / abs(value) if value and bounds else None


FED_RATE = Measure("Federal Funds rate", ("fed_rate",), "rate", "Fed rate")
EXPECTED_LOSS = Measure("Expected loss (EL)", ("el",), short="EL")
SIMULATED_EL = "EL as simulated"
"""The label of what checks the expected loss, which is computed loan by loan."""

BASEL_CAPITAL = Measure("Basel IRB capital", ("capital",), short="IRB capital")
TWELVE_MONTH_ECL = Measure("ECL, 12 months (stage 1)", ("ecl", "twelve_month"), short="ECL 12 months")
ALLOWANCE = Measure("Allowance by stage", ("ecl", "allowance"), short="Allowance")
LIFETIME_ECL = Measure("ECL, lifetime (stage 2, CECL)", ("ecl", "lifetime"), short="ECL lifetime")


def measures_of(cases: Sequence[CaseView]) -> list[Measure]:
    """The measures of the loss distribution that at least one case has, in the order of the table."""
    measures = [
        *rate_measure(cases),
        Measure("Mean probability of default", ("mean_pd",), "share", "Mean PD"),
        EXPECTED_LOSS,
        Measure("Unexpected loss (UL)", ("ul",), short="UL"),
        *by_level("var", cases),
        *by_level("es", cases),
        *by_level("economic_capital", cases),
        Measure("Worst scenario", ("worst",), short="Worst"),
    ]
    return known(measures, cases)


def rate_measure(cases: Sequence[CaseView]) -> list[Measure]:
    """The rate that the cases differ in, by its name."""
    names = {case.rate_name for case in cases} - {FED_RATE.label}
    return [replace(FED_RATE, label=name, short=name) for name in names] or [FED_RATE]


LEVEL_NAMES = {
    "var": ("Value at risk (VaR)", "VaR"),
    "es": ("Expected shortfall (ES)", "ES"),
    "economic_capital": ("Economic capital", "Econ. cap."),
}


def by_level(key: str, cases: Sequence[CaseView]) -> list[Measure]:
    """VaR, ES or economic capital ("var", "es", "economic_capital") at every level that a case has, ascending."""
    label, short = LEVEL_NAMES[key]
    levels = {path[1] for case in cases for path in case.figures if path[0] == key}
    return [
        Measure(f"{label}, {level} %", (key, level), short=f"{short} {level} %") for level in sorted(levels, key=float)
    ]


def known(measures: Iterable[Measure], cases: Sequence[CaseView]) -> list[Measure]:
    """Those that at least one case has."""
    return [measure for measure in measures if any(measure.known_of(case) for case in cases)]


def highest_level(key: str, cases: Sequence[CaseView]) -> Measure:
    """VaR, ES or economic capital at the highest level that a case has; at 99.9 % where none has any."""
    label, short = LEVEL_NAMES[key]
    nothing = Measure(f"{label}, 99.9 %", (key, "99.9"), short=f"{short} 99.9 %")
    return (by_level(key, cases) or [nothing])[-1]


def tail_measure(cases: Sequence[CaseView]) -> Measure:
    """The VaR at the highest level there is: 99.9 % unless the run was asked for others."""
    return highest_level("var", cases)


def page_unit(result: ResultView) -> Unit:
    """The one unit of all amounts in the report's tables, and in the terminal's."""
    measures = [*measures_of(result.cases), BASEL_CAPITAL, TWELVE_MONTH_ECL, LIFETIME_ECL]
    return unit_for(measure.value(case) for case in result.cases for measure in measures if measure.kind == "amount")


def in_unit(result: ResultView) -> str:
    """What a table's caption says of its amounts."""
    return f"Amounts in {result.currency.name(page_unit(result))}."


def compared(cases: Sequence[CaseView]) -> list[CaseView]:
    """The cases that are shown side by side, renumbered: all of few; of many the first and those of the largest VaR."""
    if len(cases) <= COMPARED:
        return list(cases)
    tail = tail_measure(cases)
    by_loss = sorted(cases[1:], key=lambda case: -(tail.value(case) or 0.0))
    kept = {cases[0].index, *(case.index for case in by_loss[: COMPARED - 1])}
    return [replace(case, index=place) for place, case in enumerate(case for case in cases if case.index in kept)]


def case_title(case: CaseView) -> str:
    """The case's name for people."""
    return shortened(humanise(case.name), 32)


def case_rate(case: CaseView) -> str:
    """The benchmark rate, or nothing."""
    rate = FED_RATE.value(case)
    return "" if rate is None else FED_RATE.text(rate, UNITS[-1])


def case_label(case: CaseView) -> str:
    """The case's name with its rate: Stressed (8.00 %)"""
    rate = case_rate(case)
    return f"{case_title(case)} ({rate})" if rate else case_title(case)


def case_style(case: CaseView) -> str:
    """The class that gives a case its colour."""
    return f"case{case.index}" if case.index < COMPARED else "other"


def row_equation(result: ResultView) -> str:
    """Where every row of the portfolio went."""
    rows = result.rows
    return (
        f"{count(rows.read)} read = {count(rows.simulated)} simulated"
        f" + {count(rows.rejected)} rejected + {count(rows.not_sampled)} not sampled"
        + ("" if rows.filtered is None else f" + {count(rows.filtered)} filtered out")
    )


def verdict(case: CaseView) -> str:
    """Whether the simulated EL agrees with the one computed loan by loan; nothing where that cannot be told."""
    check = case.el_check
    if check is None or check.agrees is None:
        return ""
    return "agrees" if check.agrees else "differs"


def farthest(cases: Sequence[CaseView]) -> float | None:
    """The most standard errors that lie between the two, of all cases; None where none is known."""
    known = [case.el_check.errors_apart for case in cases if case.el_check and case.el_check.errors_apart is not None]
    return max(known, default=None)


def equal_ones(index: float, thing: str) -> str:
    """So many equal loans or borrowers have this Herfindahl-Hirschman index."""
    equal = count(1 / index)
    return f"one {thing}" if equal == "1" else f"{equal} equal {thing}s"


def sum_or_none(values: Iterable[float | None]) -> float | None:
    """The sum; None where one of the values is missing."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def weighted(result: ResultView) -> str:
    """The expected credit losses as the cases' probabilities weigh them: 12 months $1.2M, lifetime $3.4M."""
    names = {TWELVE_MONTH_ECL: "12 months", LIFETIME_ECL: "lifetime", ALLOWANCE: "allowance"}
    told = {name: result.weighted_ecl.get(measure.path[-1]) for measure, name in names.items()}
    return ", ".join(f"{name} {result.currency.money(value)}" for name, value in told.items() if value is not None)


def notices(result: ResultView) -> list[str]:
    """What a reader must know before using any figure, in full sentences."""
    found = []
    combined, sampling = result.combined, result.sampling
    if combined.expression:
        missing = "; ".join(f"{figure}, as {reason}" for figure, reason in combined.not_told.items())
        found.append(
            f"This is {combined.expression}, added up from what those runs left."
            + (f" It does not tell: {missing}." if missing else "")
        )
    if sampling.one_in > 1:
        error = sampling.relative_error
        adds = f"; that adds {plus_minus(Z_95 * error)}, which the intervals include" if error else ""
        found.append(
            f"One loan in {count(sampling.one_in)} was simulated and amounts are scaled up to all loans{adds}."
        )
    elif result.rows.not_sampled:
        found.append("The run simulated a sample of the loans; amounts are scaled up to all loans.")
    if result.waves.reached is False:
        target = result.waves.target_error
        asked = "asked for" if target is None else f"of {percent(target)} asked for"
        found.append(f"The run ended before it reached the precision {asked}: allow more scenarios.")
    tail = tail_measure(result.cases)
    if any(case.figure(tail.path).undetermined for case in result.cases):
        found.append(f"Too few scenarios reach {tail.short} to tell how precise it is: use more.")
    failed = [case for case in result.cases if verdict(case) == "differs"]
    if failed:
        apart = farthest(failed)
        distance = "" if apart is None else f", {apart:.1f} standard errors apart"
        found.append(
            f"The simulated EL differs from the one computed loan by loan by more than chance explains{distance}:"
            " repeat the run with another seed, and do not use its figures if they differ again."
        )
    if result.input.warnings:
        found.append("What went in looks doubtful. Look again: " + " ".join(result.input.warnings))
    repeated = result.duplicates
    if repeated.rows:
        share = "" if repeated.share is None else f" ({percent(repeated.share)} of the loans)"
        rows = f"{count(repeated.rows)} rows"
        if repeated.interval:
            low, high = repeated.interval
            rows = f"About {rows} (95 % interval {count(low)} to {count(high)})"
        found.append(
            f"{rows}{share} have an AccountID that another row has, and the same random numbers with it. That makes the"
            " tail fatter, unless it is meant: duplicates.parquet has the AccountIDs."
        )
    left_out = max((case.figure(LIFETIME_ECL.path).inapplicable for case in result.cases), default=0)
    if left_out:
        loans = "one loan that brings" if left_out == 1 else f"{count(left_out)} loans that bring"
        found.append(f"Lifetime ECL leaves out {loans} only PD and EAD: what remains of their terms is not known.")
    untold = max((case.figure(ALLOWANCE.path).inapplicable for case in result.cases), default=0)
    if untold:
        loans = "one loan in stage 2 or 3 has" if untold == 1 else f"{count(untold)} loans in stage 2 or 3 have"
        found.append(
            f"There is no allowance: {loans} no known term, and so no lifetime ECL. Give each a LoanTerm and an"
            " OriginationDate; where no end is agreed, the life that is expected of it."
        )
    return found
