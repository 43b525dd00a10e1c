"""A what-if for people: what comes and goes, every measure before and after, and the difference with its margin.

One self-contained HTML file in the style of a run's report; and the same figures as rows for the terminal.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from additive.what_if import WhatIf
from montecarlo.report.figures import (
    BASEL_CAPITAL,
    LIFETIME_ECL,
    TWELVE_MONTH_ECL,
    Measure,
    case_label,
    known,
    measures_of,
    page_unit,
    tail_measure,
)
from montecarlo.report.markup import Html, cell, contents, section, table, tag
from montecarlo.report.page import document
from montecarlo.report.view import CaseView, ResultView
from montecarlo.report.words import MISSING, Currency, Unit, count

Path = Sequence[str]


def rows(found: WhatIf, case: str) -> list[list[str]]:
    """A row for each measure of a case: name, before, after, difference, and half its 95 % interval."""
    before, after = (ResultView.of(result) for result in (found.before, found.after))
    unit = page_unit(before)
    old, new = (next(each for each in view.cases if each.name == case) for view in (before, after))
    return [
        [
            measure.label,
            *(_value(view, measure, unit) for view in (old, new)),
            *_difference(found.difference[case], measure, before.currency),
        ]
        for measure in _measures([old, new])
    ]


def money(found: WhatIf, amount: float) -> str:
    """An amount in the run's currency."""
    return ResultView.of(found.before).currency.money(amount)


def unit_in_words(found: WhatIf) -> str:
    """What the amounts of `rows` are in."""
    before = ResultView.of(found.before)
    unit = before.currency.name(page_unit(before))
    return f"Before and after in {unit}; 95 %: half of the difference's interval."


def render(found: WhatIf) -> str:
    """The page, an HTML document that is also well-formed XML."""
    before, after = (ResultView.of(result) for result in (found.before, found.after))
    unit, currency = page_unit(before), before.currency
    parts = [
        *(_measures_section(found, case, currency, unit) for case in before.cases),
        *(_segments_section(found, case, before, after) for case in before.cases),
        _reading(before),
    ]
    title = f"What if: {found.run}"
    body = tag(
        "main",
        tag(
            "header",
            tag("p", "What-if report", class_="kicker"),
            tag("h1", found.run),
            tag("p", *headline(found, before, after), class_="headline"),
        ),
        _facts(found, before, after),
        contents(parts),
        *parts,
    )
    return document(title, body)


def headline(found: WhatIf, before: ResultView, after: ResultView) -> list[str]:
    """What comes and goes, and what that does to the tail of the last case."""
    money = before.currency.spelled
    moves = [
        f"{count(held['loans'])} loans of {money(held['exposure'])} {word}"
        for held, word in ((found.added, "come"), (found.removed, "go"))
        if held["loans"]
    ]
    tail = tail_measure(before.cases)
    sentences: list[str] = [f"{' and '.join(moves)}. "]
    for old, new in zip(before.cases, after.cases, strict=True):
        change = (new.figure(tail.path).value or 0.0) - (old.figure(tail.path).value or 0.0)
        verb = "rises" if change > 0 else "falls" if change < 0 else "stays the same"
        by = f" by {money(abs(change))}" if change else ""
        sentences.append(f"{tail.label} {verb}{by} in the case {case_label(old)}. ")
    return sentences


def _measures(cases: Sequence[CaseView]) -> list[Measure]:
    found = [*measures_of(cases), *known((BASEL_CAPITAL, TWELVE_MONTH_ECL, LIFETIME_ECL), cases)]
    return [measure for measure in found if measure.path != ("fed_rate",)]


def _value(case: CaseView, measure: Measure, unit: Unit) -> str:
    value = measure.value(case)
    if value is None:
        return MISSING
    return unit.text(value) if measure.kind == "amount" else f"{value:.2%}".replace("%", " %")


def _difference(difference: Mapping[str, Any], measure: Measure, currency: Currency) -> list[str]:
    """The difference, and half of its interval."""
    value, interval = _at(difference, measure.path), _at(difference["interval_95"], measure.path)
    if value is None:
        return [MISSING, MISSING]
    if measure.kind != "amount":
        return [f"{value * 100:+.3f} pp".replace("-", "−"), ""]
    return [signed(value, currency), _margin(interval, currency)]


def signed(amount: float, currency: Currency) -> str:
    """An amount with its sign, to three digits whatever its size: a difference may be far smaller than what differs."""
    return f"+{currency.money(amount)}" if amount > 0 else currency.money(amount)


def _margin(interval: Any, currency: Currency) -> str:
    if not isinstance(interval, list | tuple):
        return ""
    low, high = interval
    if low is None or high is None:
        return "not known"
    return f"±{currency.money((high - low) / 2)}" if high > low else "exact"


def _at(node: Any, path: Path) -> Any:
    for name in path:
        node = node.get(name) if isinstance(node, Mapping) else None
    return node


def _measures_section(found: WhatIf, case: CaseView, currency: Currency, unit: Unit) -> Html:
    cells = [
        [name, before, after, cell(difference, margin or None)]
        for name, before, after, difference, margin in rows(found, case.name)
    ]
    caption = f"Before and after in {currency.name(unit)}; below each difference, half of its 95 % interval."
    return section(f"Measures, {case_label(case)}", table(caption, ["Measure", "Before", "After", "Difference"], cells))


def _segments_section(found: WhatIf, case: CaseView, before: ResultView, after: ResultView) -> Html:
    level, currency = before.contribution_level, before.currency
    key = f"es_{level}_contribution"
    body = []
    for name, part in found.difference[case.name]["segments"].items():
        share = cell(signed(part[key], currency), _margin(part["interval_95"][key], currency) or None)
        held = [view.portfolio.segments.get(name) for view in (before, after)]
        loans = [count(each.loans) if each else "0" for each in held]
        plain = [
            MISSING if part[figure] is None else signed(part[figure], currency)
            for figure in ("exposure", "el", "capital")
        ]
        body.append([name, " → ".join(loans), *plain, share])
    head = ["Segment", "Loans", "Exposure", "EL", "Basel capital", f"Share of ES, {level} %"]
    caption = "After less before; below each share, half of its 95 % interval."
    return section(f"Segments, {case_label(case)}", table(caption, head, body))


def _facts(found: WhatIf, before: ResultView, after: ResultView) -> Html:
    entries = [
        ("Run", found.run),
        ("Portfolio", before.portfolio.source or MISSING),
        ("As of", before.portfolio.as_of or MISSING),
        ("Loans", f"{count(before.rows.simulated)} → {count(after.rows.simulated)}"),
        ("Exposure", f"{before.currency.spelled(before.exposure)} → {before.currency.spelled(after.exposure)}"),
        ("Scenarios", count(before.scenarios)),
    ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in entries), class_="facts")


def _reading(before: ResultView) -> Html:
    told = [
        "Only the loans that come or go were simulated, under the run's own scenarios; the rest is in the run's sums. "
        "A run over the changed portfolio under these scenarios has the same figures to the last bit.",
        "Before and after share their scenarios and each loan's luck, so a difference is far more certain than either "
        "of its ends: its margin comes from what the scenarios add to both. It says how much chance is in the "
        "difference, and nothing about the model.",
    ]
    if before.sampling.method == "mixture":
        told.append(
            "The scenarios are aimed at the tail of the portfolio as it was. A change that moves the tail elsewhere is "
            "told with a wider margin; simulate it with scenarios of its own, then."
        )
    return section("How to read this", *(tag("p", text) for text in told))
