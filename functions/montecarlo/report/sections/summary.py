"""The summary: every case in one table and one picture, where the tail comes from, who owes most, and how far to trust
it.
"""

from collections.abc import Callable, Iterator

from montecarlo.report.charts.cases import cases_chart
from montecarlo.report.figures import (
    ALLOWANCE,
    BASEL_CAPITAL,
    COMPARED,
    EXPECTED_LOSS,
    Measure,
    case_label,
    case_title,
    compared,
    equal_ones,
    farthest,
    highest_level,
    in_unit,
    known,
    page_unit,
    sum_or_none,
    tail_measure,
    verdict,
)
from montecarlo.report.markup import Html, scrolling, section, table, tag
from montecarlo.report.sections.portfolio import largest_borrowers
from montecarlo.report.sections.tables import PART_EL, Parts, part_es
from montecarlo.report.view import Holding, ResultView
from montecarlo.report.words import MISSING, count, percent, plus_minus

MOST = 5
"""Segments and borrowers that are named in the summary; of more, those that matter most."""


def summary_section(result: ResultView) -> Html:
    """What a board needs, on two pages with the headline; nothing where the run holds no case."""
    if not result.cases:
        return Html()
    chart = cases_chart(result)
    picture = (
        tag(
            "figure",
            scrolling(chart, "Chart: expected loss and tail of each case", more=True),
            tag(
                "figcaption", "From the expected loss (dot) to VaR (bar, with its 95 % interval) and ES (end of line)."
            ),
        )
        if chart
        else Html()
    )
    trust = list(trust_sentences(result))
    return section(
        "Summary",
        summary_table(result),
        picture,
        *since_last_run(result),
        *tail_sources(result),
        *largest_borrowers(result, MOST),
        *([tag("h3", "How far to trust it"), tag("ul", *(tag("li", said) for said in trust))] if trust else []),
    )


def summary_table(result: ResultView) -> Html:
    """The figures of each case that limits are set on: of few cases side by side, of many below each other."""
    cases, unit = result.cases, page_unit(result)
    tail, shortfall, economic = (highest_level(key, cases) for key in ("var", "es", "economic_capital"))
    shown = known([EXPECTED_LOSS, tail, shortfall, economic, BASEL_CAPITAL, ALLOWANCE], cases)
    if len(cases) > COMPARED:
        head = ["Case", *(measure.short for measure in shown), f"Change of {tail.short}"]
        changes = (tail.change(cases[0], case) if case.index else "" for case in cases)
        rows = [
            [case_label(case), *(measure.shown(case, unit) for measure in shown), change]
            for case, change in zip(cases, changes, strict=True)
        ]
        if result.capital_available:
            head.append("Of the capital")
            for case, row in zip(cases, rows, strict=True):
                row.append(of_capital(economic.value(case), result.capital_available))
        return table(in_unit(result), head, rows)

    def cells(measure: Measure) -> Iterator[str]:
        yield measure.label
        for case in cases:
            yield measure.shown(case, unit)
            if case.index:
                yield measure.change(cases[0], case)

    head = ["Measure"]
    for case in cases:
        head += [case_label(case), "Change"] if case.index else [case_label(case)]
    rows = [list(cells(measure)) for measure in shown]
    if result.capital_available:
        used = [f"{economic.label}, of the capital available"]
        for case in cases:
            used.append(of_capital(economic.value(case), result.capital_available))
            used += [""] if case.index else []
        rows.append(used)
    return table(in_unit(result), head, rows)


def of_capital(needed: float | None, available: float) -> str:
    """What is needed as a share of the capital available."""
    return MISSING if needed is None else f"{100 * needed / available:.0f} %"


def since_last_run(result: ResultView) -> list[Html]:
    """The portfolio and the compared cases beside those of the run that was named."""
    earlier, unit = result.earlier, page_unit(result)
    if earlier is None:
        return []
    heading = tag("h3", f"What changed since the run {earlier.run}")
    if earlier.currency not in (None, result.currency.code):
        return [heading, tag("p", f"That run is in {earlier.currency}, so that amounts do not compare.")]
    tail, economic = (highest_level(key, result.cases) for key in ("var", "economic_capital"))
    rows = [
        ["Loans simulated", *beside(earlier.loans, result.rows.simulated, count)],
        ["Exposure", *beside(earlier.exposure, result.exposure, unit.text)],
    ]
    for case in compared(result.cases):
        before = earlier.cases.get(case.name)
        for measure in (EXPECTED_LOSS, tail, economic):
            if before is not None and measure.value(case) is not None:
                named = f"{measure.label} – {case_title(case)}"
                rows.append([named, *beside(before.get(measure.path), measure.value(case), unit.text)])
    missing = [case_title(case) for case in compared(result.cases) if case.name not in earlier.cases]
    without = f" It has no case {', '.join(missing)}." if missing else ""
    as_of = f", as of {earlier.as_of}" if earlier.as_of else ""
    caption = f"{in_unit(result)} Before: the run {earlier.run}{as_of}.{without}"
    return [heading, table(caption, ["Figure", "Before", "This run", "Change"], rows)]


def beside(before: float | None, now: float | None, text: Callable[[float], str]) -> list[str]:
    """A figure before and now, and its change in %."""
    change = MISSING
    if before and now is not None:
        change = "none" if now == before else f"{100 * (now / before - 1):+,.1f} %".replace("-", "−")
    return [*(MISSING if value is None else text(value) for value in (before, now)), change]


def tail_sources(result: ResultView) -> list[Html]:
    """The segments' shares of exposure and of EL in the first case, and of ES in each of the compared ones."""
    cases, segments = compared(result.cases), Parts.of(result, "segments")
    names, shortfall = segments.names(), part_es(result)
    totals = [sum_or_none(shortfall.of(of_case, name) for name in names) for of_case in segments.by_case]
    if len(names) < 2 or not all(totals):
        return []
    worst = max(range(len(cases)), key=lambda index: totals[index] or 0.0)
    names.sort(key=lambda name: -(shortfall.of(segments.by_case[worst], name) or 0.0))

    def share(value: float | None, total: float | None) -> str:
        return MISSING if value is None or not total else f"{100 * value / total:.0f} %"

    exposure = sum_or_none(segments.holdings.get(name, Holding()).exposure for name in names)
    today = segments.by_case[0]
    expected = sum_or_none(PART_EL.of(today, name) for name in names)
    rows = [
        [
            segments.label(name),
            share(segments.holdings.get(name, Holding()).exposure, exposure),
            share(PART_EL.of(today, name), expected),
            *(share(shortfall.of(part, name), total) for part, total in zip(segments.by_case, totals, strict=True)),
        ]
        for name in names[:MOST]
    ]
    contributions = (f"{shortfall.title}, {case_title(case)}" for case in cases)
    head = ["Segment", "Exposure", f"EL, {case_title(cases[0])}", *contributions]
    more = f" The {MOST} largest of {len(names)} segments." if len(names) > MOST else ""
    caption = f"Shares of the whole portfolio's exposure, expected loss and expected shortfall.{more}"
    return [tag("h3", "Where the tail comes from"), table(caption, head, rows)]


def trust_sentences(result: ResultView) -> Iterator[str]:
    """The simulation's precision, the check of EL, rows that were left out, and how few loans carry the portfolio."""
    tail = tail_measure(result.cases)
    widths = [width for case in result.cases if (width := tail.half_width(case)) is not None]
    if widths and not any(widths):
        yield f"{tail.short} is one and the same loss throughout its 95 % interval."
    elif widths:
        yield (
            f"{tail.short} is known to {plus_minus(max(widths))} or better, with 95 % confidence, from"
            f" {count(result.scenarios)} scenarios. That is the simulation's error alone."
        )
    verdicts, apart = {verdict(case) for case in result.cases} - {""}, farthest(result.cases)
    if verdicts:
        said = "differs from" if "differs" in verdicts else "agrees with"
        distance = "" if apart is None else f", {apart:.1f} standard errors apart{' at most' * (len(result.cases) > 1)}"
        yield f"The expected loss is computed loan by loan; the simulated one {said} it{distance}."
    rows, by_loan, borrowers = result.rows, result.portfolio.concentration.by_loan, result.portfolio.borrowers
    if rows.read and rows.rejected is not None:
        yield f"Rows rejected: {count(rows.rejected)} of {count(rows.read)} ({percent(rows.rejected / rows.read)})."
    if by_loan:
        named = f", and as {equal_ones(borrowers.index, 'borrower')}" if borrowers and borrowers.index else ""
        yield f"The exposure is as concentrated as {equal_ones(by_loan, 'loan')} would be{named}."
    yield "The model's default parameters are judgement: what differs from them stands in the run record."
