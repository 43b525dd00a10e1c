"""The run's result for people: one self-contained HTML file, and a short table for the terminal.

Imports NumPy and the standard library only, so that it runs wherever the aggregator runs. The page needs no script,
font or network. Names of runs, segments and reject reasons come from users: all markup is made by `tag`, which escapes
every child and attribute that is not markup of its own making.
"""

import html
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CURRENCY = "$"
BEYOND_WORDS = 1e9  # of the unit at hand: from here on in powers of ten
MISSING = "–"
HISTOGRAM_BINS = 120  # at most
CURVE_POINTS = 300
CASE_STYLES = 6  # colours in STYLE; further cases reuse them with another dash
TERMINAL_COLUMNS = 100
CASE_NAME_COLUMNS = 20

ZIP_REGIONS = {
    "0": "CT MA ME NH NJ RI VT PR",
    "1": "DE NY PA",
    "2": "DC MD NC SC VA WV",
    "3": "AL FL GA MS TN",
    "4": "IN KY MI OH",
    "5": "IA MN MT ND SD WI",
    "6": "IL KS MO NE",
    "7": "AR LA OK TX",
    "8": "AZ CO ID NM NV UT WY",
    "9": "AK CA HI OR WA",
}


@dataclass(frozen=True)
class Distribution:
    """The simulated losses of one case.

    losses: int64 cents, shape (S,), one for each scenario, in any order.
    weights: float64, shape (S,), each scenario's probability; they sum to about 1.
    """

    losses: NDArray[np.int64]
    weights: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.losses.ndim != 1 or self.losses.shape != self.weights.shape:
            raise ValueError(
                f"`losses` and `weights` must be vectors of one length, not of shapes {self.losses.shape} and "
                f"{self.weights.shape}: pass one loss and one weight for each scenario."
            )


def render(result: Mapping[str, Any], distributions: Mapping[str, Distribution]) -> str:
    """The report as an HTML document that is also well-formed XML.

    result: as in result.json, schema 1. Cases are shown in their order and compared with the first.
        Every key may be missing.
    distributions: case name to its losses; a case without one is left out of the charts.
    """
    drawn = [
        Curve(case, *sorted_amounts(distributions[case.name]))
        for case in cases_of(result)
        if case.name in distributions and distributions[case.name].weights.sum() > 0
    ]
    run = str(result.get("run", ""))
    body = tag(
        "main",
        tag("header", tag("p", "Loan portfolio loss report", class_="kicker"), tag("h1", run), headline(result)),
        facts(result),
        measures_section(result),
        distribution_section(drawn),
        breakdown_section(result, "segments", "Segment"),
        breakdown_section(result, "regions", "ZIP region"),
        loans_section(result),
        record_section(result),
        READING_GUIDE,
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{run} – loan portfolio loss report"),
        tag("style", Html(STYLE)),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, "\n", tag("body", body), lang="en") + "\n"


def format_table(result: Mapping[str, Any]) -> str:
    """The measures as plain text, at most 100 columns wide: measures down, cases and their changes across.

    Cases that do not fit beside the first go into further blocks below.
    """
    cases = cases_of(result)
    measures = measures_of(cases)
    unit = unit_of(cases, measures)
    columns = [[""] + [measure.label for measure in measures]]
    for case in cases:
        columns.append([terminal_text(case.name)] + [measure.text(case.value(measure), unit) for measure in measures])
        if case is not cases[0]:
            columns.append(["change"] + [measure.change(cases[0], case) for measure in measures])
    first, others = columns[:2], columns[2:]
    blocks = [text_block(first + pair) for pair in fit_pairs(first, others)]

    counts = f"Loans: {loan_equation(result)}"
    amounts = f"Amounts in {unit.name}; exposure {money_or_missing(number(result.get('exposure')))}."
    run = f"Run {result.get('run', '')}: {count(result.get('scenarios'))} scenarios, seed {result.get('seed', MISSING)}"
    lines = [shortened(terminal_text(line), TERMINAL_COLUMNS) for line in (run, amounts, counts)]
    return "\n".join([lines[0], "", "\n\n".join(blocks), "", *lines[1:], ""])


# ---- Reading the result: nothing in it is taken for granted ----------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One case of the result, e.g. base or stressed; `index` picks its colour."""

    name: str
    index: int
    figures: Mapping[str, Any]

    @property
    def label(self) -> str:
        rate = number(self.figures.get("fed_rate"))
        return humanise(self.name) + ("" if rate is None else f" ({rate:.2f} %)")

    @property
    def style(self) -> str:
        return f"case{self.index % CASE_STYLES}" + (" again" if self.index >= CASE_STYLES else "")

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
    """A row of the table of measures. kind: "amount", "rate" (in %), "share" (of 1) or "count"."""

    label: str
    path: tuple[str, ...]
    kind: str = "amount"

    def text(self, value: float | None, unit: "Unit") -> str:
        if value is None:
            return MISSING
        match self.kind:
            case "rate":
                return f"{value:.2f} %"
            case "share":
                return percent(value)
            case "count":
                return count(value)
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


def measures_of(cases: Sequence[Case]) -> list[Measure]:
    """The measures that at least one case has, in the order of the table."""

    def by_level(key: str, label: str) -> list[Measure]:
        levels = {level for case in cases for level in mapping(case.figures, key) if number_from(level) is not None}
        return [Measure(f"{label}, {level} %", (key, level)) for level in sorted(levels, key=float)]

    measures = [
        Measure("Federal Funds rate", ("fed_rate",), "rate"),
        Measure("Mean probability of default", ("mean_pd",), "share"),
        Measure("Expected loss (EL)", ("el",)),
        Measure("EL, analytic", ("analytic_el",)),
        Measure("Unexpected loss (UL)", ("ul",)),
        *by_level("var", "Value at risk (VaR)"),
        *by_level("es", "Expected shortfall (ES)"),
        *by_level("economic_capital", "Economic capital"),
        Measure("Worst scenario", ("worst",)),
        Measure("Effective sample size", ("effective_sample_size",), "count"),
    ]
    return [measure for measure in measures if any(case.value(measure) is not None for case in cases)]


def further_figures(case: Case, measures: Sequence[Measure]) -> dict[str, float]:
    """What the case holds beyond the measures (a later version's keys), flattened to "irb, capital": value."""
    shown = {measure.path for measure in measures}
    apart = {"standard_error", "interval_95", "segments", "regions"}

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
    measures = [measure for measure in measures_of(cases) if measure.path[0] == "var"]
    return measures[-1] if measures else Measure("VaR", ("var", "99.9"))


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


# ---- Figures as text -------------------------------------------------------------------------------------------------


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


def record_entry(key: str, value: Any) -> tuple[str, str]:
    """A key of the run record and its value for people; the key's ending tells the unit."""
    known = number(value)
    if known is not None and key.endswith("_seconds") and not key.endswith("_gb_seconds"):
        return humanise(key.removesuffix("_seconds") + "_time"), duration(known)
    if known is not None and key.endswith("_usd"):
        digits = f"{known:,.2f}" if abs(known) >= 1 or known == 0 else f"{known:.2g}"
        return humanise(key.removesuffix("_usd")), f"US$ {digits}"
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


# ---- The terminal's table --------------------------------------------------------------------------------------------


def terminal_text(text: str) -> str:
    """Text without anything that could steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def shortened(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: columns - 1] + "…"


def fit_pairs(first: Sequence[Sequence[str]], others: Sequence[list[str]]) -> list[list[list[str]]]:
    """Cuts the columns (value, change, value, change, …) into blocks that fit beside the first ones; one at least."""
    blocks: list[list[list[str]]] = [[]]
    for start in range(0, len(others), 2):
        pair = list(others[start : start + 2])
        if blocks[-1] and sum(column_widths([*first, *blocks[-1], *pair])) > TERMINAL_COLUMNS:
            blocks.append([])
        blocks[-1].extend(pair)
    return blocks


def column_widths(columns: Sequence[Sequence[str]]) -> list[int]:
    """Widths with the gap to the left; a case's name alone never widens its column beyond CASE_NAME_COLUMNS."""
    return [
        max([min(len(column[0]), CASE_NAME_COLUMNS), *(len(cell) for cell in column[1:])]) + (2 if index else 0)
        for index, column in enumerate(columns)
    ]


def text_block(columns: Sequence[Sequence[str]]) -> str:
    widths = column_widths(columns)
    lines = []
    for row, cells in enumerate(zip(*columns, strict=True)):
        label, *values = (shortened(cell, CASE_NAME_COLUMNS) if row == 0 else cell for cell in cells)
        lines.append(
            label.ljust(widths[0])
            + "".join(value.rjust(width) for value, width in zip(values, widths[1:], strict=True))
        )
        if row == 0:
            lines.append("-" * sum(widths))
    return "\n".join(line.rstrip() for line in lines)


# ---- Markup ----------------------------------------------------------------------------------------------------------


class Html(str):
    """Markup that is written as it is. Any other string is text."""


NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
VOID_ELEMENTS = ("meta",)


def escape(text: str) -> str:
    return html.escape(NOT_IN_XML.sub("\ufffd", text))


def tag(name: str, /, *children: str, **attributes: str | float | None) -> Html:
    """One element, its text escaped. `class_` stands for class, `text_anchor` for text-anchor; None leaves one out."""
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
            words.append(f'{key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    if name in VOID_ELEMENTS:
        return Html(f"<{' '.join(words)}/>")
    return Html(f"<{' '.join(words)}>{joined(children)}</{name}>")


def joined(children: Iterable[str]) -> Html:
    return Html("".join(child if isinstance(child, Html) else escape(child) for child in children))


def cell(value: str, below: str | None = None) -> Html:
    return tag("td", value, tag("small", below)) if below else tag("td", value)


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], foot: Sequence[str] | None = None) -> Html:
    """A table whose first column names the row. Cells may be text or ready <td> and <th> elements."""

    def ready(value: str) -> bool:
        return isinstance(value, Html) and value.startswith(("<td", "<th"))

    def row(cells: Sequence[str]) -> Html:
        rest = (value if ready(value) else tag("td", value) for value in cells[1:])
        return tag("tr", tag("th", cells[0], scope="row"), *rest)

    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *(title if ready(title) else tag("th", title, scope="col") for title in head))),
            tag("tbody", *(row(cells) for cells in rows)),
            tag("tfoot", row(foot)) if foot else Html(),
        ),
        class_="wide",
    )


def section(title: str, *children: str) -> Html:
    return tag("section", tag("h2", title), *children)


# ---- The sections ----------------------------------------------------------------------------------------------------


def headline(result: Mapping[str, Any]) -> Html:
    """Expected loss and tail, today and after the shock, in one sentence."""
    cases = cases_of(result)
    if not cases:
        return tag("p", "This run holds no cases.", class_="headline")
    loss, tail = Measure("", ("el",)), tail_measure(cases)

    def strong(case: Case, measure: Measure) -> Html:
        return tag("strong", money_or_missing(case.value(measure)))

    exposure = number(result.get("exposure"))
    level = tail.path[-1]
    first, *others = cases
    words: list[str] = [
        "Today the portfolio" if exposure is None else f"Today the portfolio of {money(exposure)}",
        " is expected to lose ",
        strong(first, loss),
        f" and, with {level} % confidence, loses no more than ",
        strong(first, tail),
        " (VaR)",
    ]
    for case in others:
        rate = number(case.figures.get("fed_rate"))
        shock = f"in the case “{case.name}”"
        if rate is not None:
            shock = f"after a shock of the Federal Funds rate to {rate:.2f} %"
        words += ["; ", shock, ", ", strong(case, loss), " and ", strong(case, tail)]
    return tag("p", *words, ".", class_="headline")


def facts(result: Mapping[str, Any]) -> Html:
    portfolio = mapping(result, "portfolio")
    entries = [
        ("Portfolio", str(portfolio.get("source", MISSING))),
        ("As of", str(portfolio.get("as_of", MISSING))),
        ("Loans simulated", count(mapping(result, "loans").get("simulated"))),
        ("Exposure", money_or_missing(number(result.get("exposure")))),
        ("Scenarios", count(result.get("scenarios"))),
        ("Seed", str(result.get("seed", MISSING))),
    ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in entries), class_="facts")


def measures_section(result: Mapping[str, Any]) -> Html:
    cases = cases_of(result)
    if not cases:
        return Html()
    measures = measures_of(cases)
    unit = unit_of(cases, measures)

    def cells(measure: Measure) -> Iterable[str]:
        yield measure.label
        for case in cases:
            value, bounds = case.value(measure), case.interval(measure)
            yield cell(
                measure.text(value, unit),
                f"{measure.text(bounds[0], unit)} to {measure.text(bounds[1], unit)}" if bounds else None,
            )
            if case is not cases[0]:
                yield change_cell(measure, cases[0], case, unit)

    head = ["Measure"]
    for case in cases:
        head += [case.label] if case is cases[0] else [case.label, "Change"]
    caption = f"Amounts in {unit.name}. Small figures: 95 % interval of the simulation; for a change, the difference."
    return section(
        "Measures", table(caption, head, (list(cells(measure)) for measure in measures)), further_table(cases)
    )


def change_cell(measure: Measure, reference: Case, case: Case, unit: Unit) -> Html:
    before, after = reference.value(measure), case.value(measure)
    if measure.kind != "amount" or before is None or after is None:
        return cell(measure.change(reference, case))
    difference = unit.text(after - before)
    return cell(measure.change(reference, case), difference if difference.startswith("−") else f"+{difference}")


def further_table(cases: Sequence[Case]) -> Html:
    measures = measures_of(cases)
    figures = [further_figures(case, measures) for case in cases]
    names = list(dict.fromkeys(name for by_name in figures for name in by_name))
    if not names:
        return Html()
    rows = [[name, *(f"{by_name[name]:,.6g}" if name in by_name else MISSING for by_name in figures)] for name in names]
    return tag(
        "details",
        tag("summary", "Further figures of this run"),
        table("Amounts in currency units.", ["Figure", *(case.label for case in cases)], rows),
    )


def breakdown_section(result: Mapping[str, Any], key: str, title: str) -> Html:
    """Expected loss and contribution to the 99 % ES by segment or region, with a bar for each case."""
    cases = cases_of(result)
    holdings = mapping(mapping(result, "portfolio"), key)
    by_case = [mapping(case.figures, key) for case in cases]
    names = list(dict.fromkeys(str(name) for group in (holdings, *by_case) for name in group))
    if key == "regions":
        names.sort(key=lambda name: int(name) if name in ZIP_REGIONS else len(ZIP_REGIONS))
    if not any(by_case):
        return Html()

    def loss(group: Mapping[str, Any], name: str) -> float | None:
        return number(lookup(group, (name, "el")))

    def contribution(group: Mapping[str, Any], name: str) -> float | None:
        return number(lookup(group, (name, "es_99_contribution")))

    losses = [loss(group, name) for group in by_case for name in names]
    contributions = [contribution(group, name) for group in by_case for name in names]
    has_contributions = any(value is not None for value in contributions)
    unit = unit_for([*losses, *contributions])
    longest = max((value for value in losses if value is not None), default=0.0)

    def loss_cell(value: float | None, exposure: float | None) -> Html:
        share = percent(value / exposure) if value is not None and exposure else None
        return cell(MISSING if value is None else unit.text(value), share)

    def row(name: str) -> list[str]:
        exposure = number(lookup(holdings, (name, "exposure")))
        values = [loss(group, name) for group in by_case]
        cells: list[str] = [
            breakdown_label(key, name),
            count(lookup(holdings, (name, "loans"))),
            money_or_missing(exposure),
            *(loss_cell(value, exposure) for value in values),
            tag("td", bars(cases, values, longest), class_="bars"),
        ]
        if has_contributions:
            tails = (contribution(group, name) for group in by_case)
            cells += [MISSING if value is None else unit.text(value) for value in tails]
        return cells

    exposure = sum_or_none(number(lookup(holdings, (name, "exposure"))) for name in names)
    foot: list[str] = [
        "Total",
        count(sum_or_none(number(lookup(holdings, (name, "loans"))) for name in names)),
        money_or_missing(exposure),
        *(loss_cell(sum_or_none(loss(group, name) for name in names), exposure) for group in by_case),
        "",
    ]
    head = [title, "Loans", "Exposure", *(f"{humanise(case.name)} EL" for case in cases)]
    head.append(tag("th", "EL compared", scope="col", class_="bars"))
    if has_contributions:
        head += [f"{humanise(case.name)} ES 99\u00a0%" for case in cases]
        totals = (sum_or_none(contribution(group, name) for name in names) for group in by_case)
        foot += [MISSING if total is None else unit.text(total) for total in totals]
    caption = f"Losses in {unit.name}. Small figures: share of the exposure."
    if any(number(case.figures.get("analytic_el")) is not None for case in cases):
        caption += " EL: analytic, free of simulation error."
    if has_contributions:
        caption += " ES 99 %: the part of the portfolio's expected shortfall that arises here."
    heading = "Losses by segment" if key == "segments" else "Losses by ZIP region"
    return section(heading, legend(cases, "bar"), table(caption, head, map(row, names), foot))


def breakdown_label(key: str, name: str) -> Html:
    if key != "regions":
        return joined([humanise(name)])
    states = ZIP_REGIONS.get(name)
    return joined([f"{name}xxxx", tag("small", states)]) if states else joined([humanise(name)])


def loans_section(result: Mapping[str, Any]) -> Html:
    loans = mapping(result, "loans")
    if not loans:
        return Html()
    read, *parts = (number(loans.get(key)) for key in ("read", "simulated", "rejected", "not_sampled"))
    total = sum_or_none(parts)
    notes: list[Html] = [tag("p", loan_equation(result), class_="equation")]
    if read is not None and total is not None and read != total:
        notes.append(
            tag("p", f"These counts do not add up: they differ by {count(abs(read - total))}.", class_="warning")
        )
    if number(loans.get("not_sampled")):
        notes.append(tag("p", "The run simulated a sample of the loans; amounts are scaled up to the whole portfolio."))
    reasons = mapping(result, "rejected_by_reason")
    if reasons:
        rows = sorted(reasons.items(), key=lambda item: (-(number(item[1]) or 0), str(item[0])))
        caption = "Rejected loans by reason. The run's rejects file names file, row, column and value of each."
        notes.append(table(caption, ["Reason", "Loans"], [[str(reason), count(many)] for reason, many in rows]))
    return section("Loans", *notes)


def record_section(result: Mapping[str, Any]) -> Html:
    portfolio = mapping(result, "portfolio")
    entries: list[tuple[str, str]] = [
        ("Run", str(result.get("run", MISSING))),
        ("Portfolio", f"{portfolio.get('source', MISSING)}, as of {portfolio.get('as_of', MISSING)}"),
        ("Seed", str(result.get("seed", MISSING))),
        ("Scenarios", count(result.get("scenarios"))),
        *((f"Version of {key}", str(value)) for key, value in mapping(result, "versions").items()),
    ]
    for title, key in (("Measured", "timings"), ("Cost", "cost")):
        entries += [
            (f"{title}: {name[:1].lower()}{name[1:]}", value)
            for name, value in (record_entry(str(inner), value) for inner, value in mapping(result, key).items())
        ]
    parameters = result.get("parameters")
    listing = (
        tag(
            "details",
            tag("summary", "Parameters"),
            tag("pre", json.dumps(parameters, indent=2, ensure_ascii=False, default=str)),
        )
        if parameters
        else Html()
    )
    note = tag("p", "The same seed, portfolio, parameters and versions give the same results to the last bit.")
    return section(
        "Run record",
        tag("div", table("What produced these figures", ["Item", "Value"], entries), class_="record"),
        note,
        listing,
    )


DEFINITIONS = (
    ("Expected loss (EL)", "The mean loss over all scenarios. Pricing and provisions should cover it."),
    ("Unexpected loss (UL)", "The standard deviation of the loss around its mean."),
    (
        "Value at risk (VaR)",
        "The smallest loss x with F(x) ≥ α, inf{x : F(x) ≥ α}, where F is the distribution of the simulated losses:"
        " with probability α the loss is no larger. It is always a simulated loss, never interpolated.",
    ),
    (
        "Expected shortfall (ES)",
        "The mean loss over the worst 1 − α of the distribution: how bad it is once it is that bad.",
    ),
    ("Economic capital", "VaR − EL at the same level: the capital to hold beyond what EL already covers."),
    (
        "95 % interval",
        "Where the figure would lie, 19 times in 20, with other random scenarios. It covers the error of the"
        " simulation, not that of the model, its parameters or the data.",
    ),
    (
        "Cases",
        "All cases use the same random numbers, so their difference is the effect of the Federal Funds rate, and chance"
        " has little part in it.",
    ),
    (
        "Parameters",
        "Listed in the run record. The defaults are judgement, not calibrated to a portfolio: set your own before"
        " relying on the figures.",
    ),
)


# ---- Charts ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """A case with its losses in currency units, ascending, and their probabilities, which sum to 1; both (S,)."""

    case: Case
    amounts: NDArray[np.float64]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """The plot's area in SVG units and the losses and heights (0 to 1) that it shows."""

    low: float
    high: float
    left: float = 76.0
    right: float = 944.0
    top: float = 16.0
    bottom: float = 320.0

    def x(self, amount: float) -> float:
        return self.left + (self.right - self.left) * (amount - self.low) / (self.high - self.low)

    def y(self, height: float) -> float:
        return self.bottom - (self.bottom - self.top) * height


def sorted_amounts(distribution: Distribution) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    order = np.argsort(distribution.losses, kind="stable")
    weights = distribution.weights[order]
    return distribution.losses[order] / 100.0, weights / weights.sum()


def exceedance(curve: Curve) -> NDArray[np.float64]:
    """P(loss > x) at each of the curve's amounts, shape (S,). Summed from the far end, where precision matters."""
    from_end = np.cumsum(curve.probabilities[::-1])[::-1]
    return np.append(from_end[1:], 0.0)


def round_step(least: float) -> float:
    """The smallest 1, 2 or 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999)


def ticks(low: float, high: float, target: int = 7) -> list[float]:
    """Values at round steps within [low, high], about `target` of them."""
    step = round_step((high - low) / target)
    return [step * index for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def tick_labels(values: Sequence[float]) -> list[str]:
    """All with one unit and as many decimals as the distance between them needs: $0, $2.5M, $5.0M"""
    largest = max((abs(value) for value in values), default=0.0)
    unit = next((unit for unit in UNITS if unit.size <= largest * (1 + 1e-9)), UNITS[-1])
    step = (values[1] - values[0] if len(values) > 1 else largest or 1.0) / unit.size
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [
        f"{CURRENCY}{value / unit.size:,.{decimals}f}{unit.suffix}" if value else f"{CURRENCY}0" for value in values
    ]


def svg(name: str, title: str, description: str, height: float, *children: Html) -> Html:
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", description, id=f"{name}-desc"),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 960 {height:g}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def text_at(x: float, y: float, text: str, anchor: str = "start", class_: str | None = None) -> Html:
    return tag("text", text, x=x, y=y, text_anchor=anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Html:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def amount_axis(frame: Frame, title: str) -> Html:
    values = ticks(frame.low, frame.high)
    marks = [line(frame.x(value), frame.bottom, frame.x(value), frame.bottom + 5, "axis") for value in values]
    labels = [
        text_at(frame.x(value), frame.bottom + 20, label, "middle")
        for value, label in zip(values, tick_labels(values), strict=True)
    ]
    base = line(frame.left, frame.bottom, frame.right, frame.bottom, "axis")
    return joined([base, *marks, *labels, text_at(frame.right, frame.bottom + 40, title, "end", "title")])


def steps(points: Iterable[tuple[float, float]]) -> str:
    """Path data of a staircase: along to each point's x, then up or down to its y."""
    return "".join(f"H{x:.1f}V{y:.1f}" for x, y in points)


def place(centres: Sequence[float], widths: Sequence[float], low: float, high: float, gap: float = 14.0) -> list[float]:
    """Centres moved so that labels, from left to right, neither overlap nor leave [low, high], if there is room."""
    placed: list[float] = []
    edge = low
    for centre, width in zip(centres, widths, strict=True):
        placed.append(max(centre, edge + width / 2))
        edge = placed[-1] + width / 2 + gap
    edge = high
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = min(placed[index], edge - widths[index] / 2)
        edge = placed[index] - widths[index] / 2 - gap
    return placed


def case_summary(curves: Sequence[Curve]) -> str:
    tail = tail_measure([curve.case for curve in curves])
    return " ".join(
        f"{curve.case.label}: expected loss {money_or_missing(curve.case.value(Measure('', ('el',))))}, "
        f"{tail.path[-1]} % VaR {money_or_missing(curve.case.value(tail))}."
        for curve in curves
    )


def distribution_chart(curves: Sequence[Curve]) -> tuple[Html, float]:
    """The loss distributions over each other with EL and VaR marked, and the probability beyond the right edge."""
    tail = tail_measure([curve.case for curve in curves])
    marks = [markers(curve.case, tail) for curve in curves]
    # A few scenarios far out would squeeze all the others into the left corner.
    reach = [float(curve.amounts[exceedance(curve) <= 5e-4][0]) for curve in curves]
    reach += [amount for marked in marks for _, amount in marked]
    low = min(0.0, *(float(curve.amounts[0]) for curve in curves))
    span = max(max(reach) - low, 0.01) * 1.04
    scenarios = max(len(curve.amounts) for curve in curves)
    band = round_step(span / min(max(4 * math.sqrt(scenarios), 12), HISTOGRAM_BINS))
    edges = low + band * np.arange(math.ceil(span / band) + 1)
    high = float(edges[-1])
    lanes = 18.0 * len(curves)
    frame = Frame(low, high, top=lanes + 14, bottom=lanes + 300)
    heights = [np.histogram(curve.amounts, edges, weights=curve.probabilities)[0] for curve in curves]
    tallest = max(float(height.max()) for height in heights) * 1.04 or 1.0

    grid: list[Html] = []
    for value in ticks(0.0, tallest, 5):
        y = frame.y(value / tallest)
        grid += [
            line(frame.left, y, frame.right, y, "grid"),
            text_at(frame.left - 8, y + 4, f"{100 * value:.3g} %", "end"),
        ]
    areas: list[Html] = []
    labels: list[Html] = []
    for lane, (curve, height, marked) in enumerate(zip(curves, heights, marks, strict=True)):
        tops = [frame.y(float(value) / tallest) for value in height]
        rights = [frame.x(float(edge)) for edge in edges[1:]]
        start = f"M{frame.left:.1f},{frame.bottom:.1f}V{tops[0]:.1f}"
        path = start + steps(zip(rights, [*tops[1:], frame.bottom], strict=True))
        areas += [
            tag("path", d=path + "Z", class_=f"area {curve.case.style}"),
            tag("path", d=path, class_=f"outline {curve.case.style}"),
        ]
        y = 14.0 + 18 * lane
        texts = [f"{name} {money(amount)}" for name, amount in marked]
        centres = place(
            [frame.x(amount) for _, amount in marked], [7.2 * len(text) for text in texts], frame.left, frame.right
        )
        for (name, amount), text, centre in zip(marked, texts, centres, strict=True):
            kind = "mean" if name == "EL" else "tail"
            labels += [
                line(frame.x(amount), y + 5, frame.x(amount), frame.bottom, f"marker {kind} {curve.case.style}"),
                text_at(centre, y, text, "middle", f"label {curve.case.style}"),
            ]
    chart = svg(
        "distribution",
        "Loss distributions",
        f"Histogram of the loss for each case, over each other. {case_summary(curves)}",
        frame.bottom + 48,
        *grid,
        *areas,
        *labels,
        text_at(
            frame.left,
            frame.bottom + 40,
            f"Height: probability of a loss in a band {tick_labels([0.0, band])[1]} wide",
            "start",
            "title",
        ),
        amount_axis(frame, "Loss"),
    )
    beyond = max(float(curve.probabilities[curve.amounts > high].sum()) for curve in curves)
    return chart, beyond


def markers(case: Case, tail: Measure) -> list[tuple[str, float]]:
    """What is marked on the loss axis, from left to right."""
    known = [("EL", case.value(Measure("", ("el",)))), (f"VaR {tail.path[-1]} %", case.value(tail))]
    return sorted(((name, amount) for name, amount in known if amount is not None), key=lambda item: item[1])


def exceedance_chart(curves: Sequence[Curve]) -> Html:
    """The probability of a loss larger than x, on a logarithmic axis, with each case's VaR as points on its curve."""
    tails = [exceedance(curve) for curve in curves]
    smallest = min((float(tail[tail > 0].min()) for tail in tails if (tail > 0).any()), default=0.1)
    # Half of the smallest, so that the last step stands clear of the axis; beyond 1 in 10 million is nothing to learn.
    floor = min(max(smallest / 2, 1e-7), 0.09)
    decades = -math.log10(floor)

    def height(probability: float) -> float:
        return 1 + math.log10(max(probability, floor)) / decades

    ends = [min(first_below(tail, floor), len(tail) - 1) for tail in tails]
    low = min(0.0, *(float(curve.amounts[0]) for curve in curves))
    farthest = max(float(curve.amounts[end]) for curve, end in zip(curves, ends, strict=True))
    frame = Frame(low, low + max(farthest - low, 0.01) * 1.04)

    grid: list[Html] = []
    for decade in range(math.floor(decades) + 1):
        y = frame.y(1 - decade / decades)
        grid += [
            line(frame.left, y, frame.right, y, "grid"),
            text_at(frame.left - 8, y + 4, f"{100 * 10.0**-decade:g} %", "end"),
        ]
    paths: list[Html] = []
    for curve, tail in zip(curves, tails, strict=True):
        points = [(frame.x(float(curve.amounts[i])), frame.y(height(float(tail[i])))) for i in thinned(tail, floor)]
        start = f"M{frame.left:.1f},{frame.y(1):.1f}"
        paths.append(tag("path", d=start + steps(points), class_=f"curve {curve.case.style}"))
    return svg(
        "exceedance",
        "Exceedance curves",
        f"Probability of a loss larger than the amount on the axis, for each case. {case_summary(curves)}",
        frame.bottom + 48,
        *grid,
        *paths,
        *value_at_risk_points(curves, frame, height),
        text_at(frame.left, frame.bottom + 40, "Height: probability of a larger loss, logarithmic", "start", "title"),
        amount_axis(frame, "Loss"),
    )


def thinned(tail: NDArray[np.float64], floor: float) -> NDArray[np.intp]:
    """Indices, ascending, of the points that show the curve down to `floor`: all of few, evenly spaced ones of many."""
    end = min(first_below(tail, floor), len(tail) - 1)
    if end < CURVE_POINTS:
        return np.arange(end + 1)
    levels = np.geomspace(1.0, floor, CURVE_POINTS)
    return np.unique(np.append(np.searchsorted(-tail, -levels).clip(max=end), end))


def first_below(tail: NDArray[np.float64], floor: float) -> int:
    """The index of the first loss that is exceeded with less probability than `floor`."""
    return int(np.searchsorted(-tail, -floor * (1 - 1e-9), side="right"))


def value_at_risk_points(curves: Sequence[Curve], frame: Frame, height: Callable[[float], float]) -> list[Html]:
    """Each case's VaR as points; the highest level is named where no curve runs."""
    drawn: list[Html] = []
    for curve in curves:
        levels = [measure for measure in measures_of([curve.case]) if measure.path[0] == "var"]
        for measure in levels:
            amount, share = curve.case.value(measure), height(1 - float(measure.path[1]) / 100)
            if amount is None or not frame.low <= amount <= frame.high or not 0 < share <= 1:
                continue
            x, y = frame.x(amount), frame.y(share)
            drawn.append(tag("circle", cx=x, cy=y, r=4.0, class_=f"point {curve.case.style}"))
            if measure is levels[-1]:
                text = f"VaR {measure.path[1]} % {money(amount)}"
                width = 7.2 * len(text)
                if curve is curves[-1]:
                    drawn.append(
                        text_at(min(x + 10, frame.right - width), y - 8, text, "start", f"label {curve.case.style}")
                    )
                elif curve is curves[0]:
                    drawn.append(
                        text_at(max(x - 10, frame.left + width), y + 18, text, "end", f"label {curve.case.style}")
                    )
    return drawn


def bars(cases: Sequence[Case], values: Sequence[float | None], longest: float) -> Html:
    """A row's bars, one for each case. Hidden from screen readers: the numbers stand beside them."""
    lengths = [160 * value / longest if value is not None and longest > 0 else 0.0 for value in values]
    drawn = (
        tag("rect", x=0, y=1 + 9 * row, width=max(length, 0.0), height=7, class_=f"bar {case.style}")
        for row, (case, length) in enumerate(zip(cases, lengths, strict=True))
    )
    return tag("svg", *drawn, viewBox=f"0 0 160 {9 * len(cases)}", width=160, height=9 * len(cases), aria_hidden="true")


def legend(cases: Sequence[Case], sample: str) -> Html:
    """sample: "curve" or "bar", as the chart draws the cases."""

    def swatch(case: Case) -> Html:
        look = f"{sample} {case.style}"
        mark = line(0, 6, 26, 6, look) if sample == "curve" else tag("rect", y=1, width=12, height=10, class_=look)
        width = 26 if sample == "curve" else 12
        return tag("svg", mark, viewBox=f"0 0 {width} 12", width=width, height=12, aria_hidden="true")

    return tag("ul", *(tag("li", swatch(case), " ", case.label) for case in cases), class_="legend")


def distribution_section(curves: Sequence[Curve]) -> Html:
    if not curves:
        return Html()
    if not any(curve.amounts.any() for curve in curves):
        return section("Loss distribution", tag("p", "No scenario lost anything, so there is nothing to draw."))
    chart, beyond = distribution_chart(curves)
    left_out = (
        f" Losses beyond the right edge ({percent(beyond)} of the probability at most) are not drawn." if beyond else ""
    )
    cases = [curve.case for curve in curves]
    return section(
        "Loss distribution",
        tag(
            "figure",
            legend(cases, "bar"),
            tag("div", chart, class_="wide"),
            tag(
                "figcaption",
                f"How likely each loss is. Dotted: expected loss (EL). Dashed: value at risk (VaR).{left_out}",
            ),
        ),
        tag("h3", "Exceedance curve"),
        tag(
            "figure",
            legend(cases, "curve"),
            tag("div", exceedance_chart(curves), class_="wide"),
            tag(
                "figcaption",
                "How likely a loss larger than the one on the axis is. Points: value at risk at each level.",
            ),
        ),
    )


READING_GUIDE = section(
    "How to read this",
    tag("dl", *(tag("div", tag("dt", term), tag("dd", meaning)) for term, meaning in DEFINITIONS), class_="guide"),
)

# Colours after Okabe and Ito, told apart with any colour vision; shifted to a text contrast of 4.5 or more.
STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --text: #1b2330; --soft: #566173; --rule: #d5dae2; --faint: #eceff3; --panel: #f6f7f9;
  --warning: #a12a00;
  --case0: #0067a6; --case1: #b84700; --case2: #00785a; --case3: #9c4a80; --case4: #7d6200; --case5: #4a5a9a;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #12161d; --text: #e6e9ef; --soft: #a3adbd; --rule: #39424f; --faint: #232a34; --panel: #1a2029;
    --warning: #ff9b73;
    --case0: #5cb8f0; --case1: #ff9a52; --case2: #3fd0a6; --case3: #e39ac6; --case4: #e0c04a; --case5: #a8b6f5;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 400 16px/1.5 "Segoe UI", "Helvetica Neue", Helvetica, "Liberation Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums lining-nums;
}
main { max-width: 66rem; margin: 0 auto; padding: 3rem 2rem 4rem; }
h1, h2, .headline { font-family: "Iowan Old Style", Charter, Georgia, Cambria, "Liberation Serif", serif; }
.kicker { margin: 0; color: var(--soft); font-size: .8125rem; letter-spacing: .09em; text-transform: uppercase; }
h1 { margin: .25rem 0 1.25rem; font-size: 2.25rem; line-height: 1.15; font-weight: 600; overflow-wrap: anywhere; }
.headline { margin: 0; font-size: 1.375rem; line-height: 1.45; }
.headline strong { font-weight: 700; white-space: nowrap; }
h2 { margin: 0 0 .75rem; padding-top: 1.25rem; border-top: 2px solid var(--text); font-size: 1.5rem; font-weight: 600; }
h3 { margin: 2rem 0 .5rem; font-size: 1.0625rem; }
section { margin-top: 3rem; }
.facts { display: flex; flex-wrap: wrap; gap: .75rem 2.5rem; margin: 1.75rem 0 0; padding-top: 1rem; }
.facts { border-top: 1px solid var(--rule); }
.facts dt { color: var(--soft); font-size: .8125rem; }
.facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .9375rem; }
caption { padding-bottom: .5rem; color: var(--soft); font-size: .875rem; text-align: left; }
th, td { padding: .45rem 0 .45rem 1.25rem; text-align: right; vertical-align: top; }
td { white-space: nowrap; }
tr > * { border-bottom: 1px solid var(--faint); }
th:first-child { padding-left: 0; text-align: left; }
thead th { border-bottom: 1px solid var(--text); vertical-align: bottom; }
thead th { color: var(--soft); font-size: .8125rem; font-weight: 600; }
tbody th { font-weight: 400; overflow-wrap: break-word; }
tfoot th, tfoot td { border-top: 1px solid var(--text); border-bottom: 0; font-weight: 600; }
td small, th small { display: block; color: var(--soft); font-size: .8125rem; font-weight: 400; white-space: nowrap; }
.bars { text-align: left; }
td.bars { vertical-align: middle; }
td.bars svg { display: block; }
.record :is(th, td) { text-align: left; }
.record td { white-space: normal; overflow-wrap: anywhere; }
.record th { white-space: nowrap; }
.equation { font-size: 1.0625rem; }
.warning { color: var(--warning); font-weight: 600; }
figure { margin: 0; }
figcaption { margin-top: .5rem; color: var(--soft); font-size: .875rem; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; margin: .5rem 0; padding: 0; list-style: none; }
.legend { font-size: .875rem; }
figure svg[role] { display: block; width: 100%; height: auto; min-width: 640px; }
svg text { fill: var(--text); font-size: 13px; }
svg text.title { fill: var(--soft); }
svg text.label { font-weight: 600; }
.axis { stroke: var(--text); stroke-width: 1; }
.grid { stroke: var(--faint); stroke-width: 1; }
.case0 { --case: var(--case0); } .case1 { --case: var(--case1); } .case2 { --case: var(--case2); }
.case3 { --case: var(--case3); } .case4 { --case: var(--case4); } .case5 { --case: var(--case5); }
svg text.label { fill: var(--case); }
.area { fill: var(--case); fill-opacity: .16; }
.outline, .curve { fill: none; stroke: var(--case); stroke-width: 2; stroke-linejoin: round; }
.curve.case1 { stroke-dasharray: 8 3; } .curve.case2 { stroke-dasharray: 2 3; }
.curve.case3 { stroke-dasharray: 8 3 2 3; } .curve.case4 { stroke-dasharray: 14 4; }
.curve.again { stroke-dasharray: 12 6; }
.marker { stroke: var(--case); stroke-width: 1.5; }
.marker.mean { stroke-dasharray: 1.5 3; } .marker.tail { stroke-dasharray: 7 4; }
.point { fill: var(--page); stroke: var(--case); stroke-width: 2; }
.bar { fill: var(--case); }
details { margin-top: 1.25rem; }
summary { cursor: pointer; font-weight: 600; }
pre { padding: 1rem; background: var(--panel); white-space: pre-wrap; overflow-wrap: anywhere; }
pre { font: .8125rem/1.45 ui-monospace, Consolas, "Liberation Mono", monospace; }
.guide { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); }
.guide { gap: 1.1rem 2.5rem; margin: 0; }
.guide dt { font-weight: 600; }
.guide dd { margin: 0; color: var(--soft); }
@media (max-width: 40rem) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.75rem; }
  .headline { font-size: 1.1875rem; }
}
@page { size: A4; margin: 16mm 15mm; }
@media print {
  :root { color-scheme: light; }
  html, body { font-size: 9.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  section { margin-top: 1.75rem; }
  h2, h3, caption, thead, .legend { break-after: avoid; }
  section, figure, tr, .guide div { break-inside: avoid; }
  tfoot { display: table-row-group; } /* else the total is printed at the foot of every page */
  td, td small { white-space: normal; }
  .wide { overflow: visible; }
  figure svg[role] { min-width: 0; }
  details::details-content { content-visibility: visible; display: block; block-size: auto; }
}
"""
