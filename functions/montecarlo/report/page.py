"""The run's result for people: one self-contained HTML file that needs no script, font or network.

`render` makes the page, section by section; `terminal.format_table` is its short form. Imports NumPy and the standard
library only, so that it runs wherever the aggregator runs.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cli.terminal import format_table
from montecarlo.portfolio.regions import REGION_LABELS, REGIONS
from montecarlo.report.charts import (
    Curve,
    Distribution,
    bars,
    convergence_chart,
    distribution_chart,
    exceedance_chart,
    legend,
)
from montecarlo.report.markup import Html, cell, details, joined, section, table, tag
from montecarlo.report.stylesheet import STYLE
from montecarlo.report.words import (
    BASEL_CAPITAL,
    COMPARED,
    EXPECTED_LOSS,
    LIFETIME_ECL,
    MISSING,
    RISK_WEIGHT_FACTOR,
    TWELVE_MONTH_ECL,
    Case,
    Measure,
    Unit,
    cases_of,
    compared,
    count,
    dollars,
    further_figures,
    half_width,
    highest_level,
    humanise,
    loan_equation,
    lookup,
    mapping,
    measures_of,
    money,
    money_or_missing,
    notices,
    number,
    percent,
    plus_minus,
    record_entry,
    sum_or_none,
    tail_measure,
    unit_for,
    unit_of,
)

__all__ = ["Distribution", "format_table", "render"]


def render(result: Mapping[str, Any], distributions: Mapping[str, Distribution]) -> str:
    """The report as an HTML document that is also well-formed XML.

    result: as in result.json, schema 1. Cases are shown in their order and compared with the first. Every key may be
        missing.
    distributions: case name to its losses; a case without one is left out of the charts.
    """
    run = str(result.get("run", ""))
    cases = cases_of(result)
    body = tag(
        "main",
        tag("header", tag("p", "Loan portfolio loss report", class_="kicker"), tag("h1", run), headline(result)),
        *(tag("p", notice, class_="notice") for notice in notices(result)),
        facts(result),
        measures_section(cases),
        distribution_section(cases, distributions),
        breakdown_section(result, "segments"),
        breakdown_section(result, "regions"),
        capital_section(result),
        provisions_section(result),
        precision_section(result),
        portfolio_section(result),
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


# ---- What the portfolio may lose -------------------------------------------------------------------------------------


def headline(result: Mapping[str, Any]) -> Html:
    """Expected loss and tail, today and in the other cases or the worst of many, in one sentence."""
    cases = cases_of(result)
    if not cases:
        return tag("p", "This run holds no cases.", class_="headline")
    tail = tail_measure(cases)

    def strong(case: Case, measure: Measure) -> Html:
        return tag("strong", money_or_missing(case.value(measure)))

    exposure = number(result.get("exposure"))
    first, *others = cases
    words: list[str] = [
        "Today the portfolio" if exposure is None else f"Today the portfolio of {money(exposure)}",
        " is expected to lose ",
        strong(first, EXPECTED_LOSS),
        f" and, with {tail.path[-1]} % probability, loses no more than ",
        strong(first, tail),
        " (VaR)",
    ]
    if len(cases) > COMPARED:
        worst = max(others, key=lambda case: case.value(tail) or 0.0)
        where = f"in the worst of the {len(others)} other cases, {worst.label},"
        words += ["; ", where, " ", strong(worst, EXPECTED_LOSS), " and ", strong(worst, tail)]
    else:
        for case in others:
            where = f"in the case {case.label}"
            if case.name == "stressed" and case.rate:
                where = f"after a shock of the Federal Funds rate to {case.rate}"
            words += ["; ", where, ", ", strong(case, EXPECTED_LOSS), " and ", strong(case, tail)]
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


def measures_section(cases: Sequence[Case]) -> Html:
    if not cases:
        return Html()
    measures = measures_of(cases)
    tables = measures_down(cases, measures) if len(cases) <= COMPARED else cases_down(cases, measures)
    return section("Measures", tables, further_table(cases))


def measures_down(cases: Sequence[Case], measures: Sequence[Measure]) -> Html:
    """Few cases beside each other, each but the first with its changes."""
    unit = unit_of(cases, measures)

    def cells(measure: Measure) -> Iterable[str]:
        yield measure.label
        for case in cases:
            yield value_cell(case, measure, unit)
            if case.index:
                yield change_cell(measure, cases[0], case, unit)

    head = ["Measure"]
    for case in cases:
        head += [case.label, "Change"] if case.index else [case.label]
    caption = f"Amounts in {unit.name}. Small figures: 95 % interval of the simulation; for a change, the difference."
    return table(caption, head, (list(cells(measure)) for measure in measures))


def cases_down(cases: Sequence[Case], measures: Sequence[Measure]) -> Html:
    """Many cases below each other: what is expected, and the tail."""
    in_tail = ("var", "es", "economic_capital")
    expected = [measure for measure in measures if measure.path[0] not in in_tail]
    tail = [measure for measure in measures if measure.path[0] in in_tail]

    def by_case(title: str, shown: Sequence[Measure], changing: Measure) -> Html:
        unit = unit_of(cases, shown)
        head, rows = ["Case"], [[humanise(case.name)] for case in cases]
        for measure in shown:
            head.append(measure.short)
            for case, row in zip(cases, rows, strict=True):
                row.append(value_cell(case, measure, unit))
            if measure == changing:
                head.append("Change")
                for case, row in zip(cases, rows, strict=True):
                    row.append(change_cell(measure, cases[0], case, unit) if case.index else "")
        caption = f"{title}. Amounts in {unit.name}. Small figures: 95 % interval of the simulation; for a change, the"
        return tag("div", table(caption + " difference.", head, rows), class_="compact")

    tables = [by_case("Expected loss and spread", expected, EXPECTED_LOSS)]
    if tail:
        tables.append(by_case("Tail of the loss distribution", tail, tail_measure(cases)))
    names = [case.title for case in compared(cases)]
    note = f"Charts and breakdowns compare {', '.join(names[:-1])} and {names[-1]}: the first case and those of the"
    return joined([*tables, tag("p", f"{note} largest VaR. result.json and segments.parquet hold all cases.")])


def value_cell(case: Case, measure: Measure, unit: Unit) -> Html:
    bounds = case.interval(measure)
    interval = f"{measure.text(bounds[0], unit)} to {measure.text(bounds[1], unit)}" if bounds else None
    return cell(measure.text(case.value(measure), unit), interval)


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
    head = ["Figure", *(case.label for case in cases)]
    return details("Further figures of this run", table("Amounts in currency units.", head, rows))


def distribution_section(cases: Sequence[Case], distributions: Mapping[str, Distribution]) -> Html:
    def curves_of(some: Iterable[Case]) -> list[Curve]:
        known = ((case, distributions[case.name]) for case in some if case.name in distributions)
        return [Curve.of(case, distribution) for case, distribution in known if distribution.weights.sum() > 0]

    shown = compared(cases)
    curves = curves_of(shown)
    if not curves:
        return Html()
    if not any(curve.amounts.any() for curve in curves):
        return section("Loss distribution", tag("p", "No scenario lost anything, so there is nothing to draw."))
    names = {case.name for case in shown}
    others = curves_of(replace(case, index=COMPARED) for case in cases if case.name not in names)
    chart, beyond = distribution_chart(curves)
    left_out = (
        f" Losses beyond the right edge ({percent(beyond)} of the probability at most) are not drawn." if beyond else ""
    )
    drawn = [curve.case for curve in curves]
    return section(
        "Loss distribution",
        tag(
            "figure",
            legend(drawn, "bar"),
            tag("div", chart, class_="wide"),
            tag(
                "figcaption",
                f"How likely each loss is. Dotted: expected loss (EL). Dashed: value at risk (VaR).{left_out}",
            ),
        ),
        tag("h3", "Exceedance curve"),
        tag(
            "figure",
            legend(drawn, "curve", f"Other cases ({len(others)})" if others else ""),
            tag("div", exceedance_chart(curves, others), class_="wide"),
            tag(
                "figcaption",
                "How likely a loss larger than the one on the axis is. Points: value at risk at each level.",
            ),
        ),
    )


# ---- By segment and region -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PartFigure:
    """A figure that segments or regions have in each case; `key` as in result.json.

    share: what is shown as a share of exposure is so many times the figure; None where nothing is.
    drawn: as bars, too.
    """

    key: str
    title: str
    share: float | None = None
    drawn: str = ""

    def of(self, parts: Mapping[str, Any], name: str) -> float | None:
        return number(lookup(parts, (name, self.key)))


PART_EL = PartFigure("el", "EL", share=1.0, drawn="EL compared")
PART_ES = PartFigure("es_99_contribution", "ES 99\u00a0%")
PART_CAPITAL = PartFigure("capital", "capital", share=RISK_WEIGHT_FACTOR, drawn="Capital compared")
PART_TWELVE_MONTH = PartFigure("twelve_month_ecl", "12 months", share=1.0)
PART_LIFETIME = PartFigure("lifetime_ecl", "lifetime", share=1.0, drawn="Lifetime compared")


def breakdown_section(result: Mapping[str, Any], kind: str) -> Html:
    """Expected loss and contribution to the 99 % ES. kind: "segments" or "regions"."""
    cases = compared(cases_of(result))
    caption = "Small figures: share of the exposure."
    if any(number(case.figures.get("analytic_el")) is not None for case in cases):
        caption += " EL: analytic, free of simulation error."
    if any(
        PART_ES.of(parts, name) is not None for parts in (mapping(c.figures, kind) for c in cases) for name in parts
    ):
        caption += " ES 99 %: the part of the portfolio's expected shortfall that arises here."
    content = parts_table(result, kind, (PART_EL, PART_ES), caption, loans=True)
    if not content:
        return Html()
    heading = "Losses by segment" if kind == "segments" else "Losses by ZIP region"
    return section(heading, legend(cases, "bar"), content)


def parts_table(
    result: Mapping[str, Any], kind: str, figures: Sequence[PartFigure], caption: str, loans: bool = False
) -> Html:
    """Segments or regions down, the figures of the compared cases across; nothing where no case has one of them."""
    cases = compared(cases_of(result))
    holdings = mapping(mapping(result, "portfolio"), kind)
    by_case = [mapping(case.figures, kind) for case in cases]
    names = list(dict.fromkeys(str(name) for group in (holdings, *by_case) for name in group))
    if kind == "regions":
        names.sort(key=lambda name: REGIONS.index(name) if name in REGIONS else len(REGIONS))
    figures = [
        figure for figure in figures if any(figure.of(parts, name) is not None for parts in by_case for name in names)
    ]
    if not figures:
        return Html()
    amounts = {
        figure: [amount for parts in by_case for name in names if (amount := figure.of(parts, name)) is not None]
        for figure in figures
    }
    unit = unit_for(amount for some in amounts.values() for amount in some)

    def amount_cell(figure: PartFigure, value: float | None, exposure: float | None) -> Html:
        share = percent(figure.share * value / exposure) if figure.share and value is not None and exposure else None
        return cell(MISSING if value is None else unit.text(value), share)

    def row(title: str, some: Sequence[str], charted: bool = True) -> list[str]:
        """The sums over some of the parts."""
        exposure = sum_or_none(number(lookup(holdings, (name, "exposure"))) for name in some)
        cells: list[str] = [title]
        if loans:
            cells.append(count(sum_or_none(number(lookup(holdings, (name, "loans"))) for name in some)))
        cells.append(money_or_missing(exposure))
        for figure in figures:
            values = [sum_or_none(figure.of(parts, name) for name in some) for parts in by_case]
            cells += [amount_cell(figure, value, exposure) for value in values]
            if figure.drawn:
                chart = bars(cases, values, max(amounts[figure])) if charted else Html()
                cells.append(tag("td", chart, class_="bars"))
        return cells

    head: list[str] = ["Segment" if kind == "segments" else "ZIP region", *(["Loans"] if loans else []), "Exposure"]
    for figure in figures:
        head += [f"{case.title} {figure.title}" for case in cases]
        if figure.drawn:
            head.append(tag("th", figure.drawn, scope="col", class_="bars"))
    rows = [row(part_label(kind, name), [name]) for name in names]
    return table(f"Amounts in {unit.name}. {caption}", head, rows, row("Total", names, charted=False))


def part_label(kind: str, name: str) -> Html:
    if kind != "regions":
        return joined([humanise(name)])
    states = REGION_LABELS.get(name)
    return joined([f"{name}xxxx", tag("small", states)]) if states else joined([humanise(name)])


# ---- Capital and provisions ------------------------------------------------------------------------------------------


def capital_section(result: Mapping[str, Any]) -> Html:
    """Basel's capital beside the simulated economic capital."""
    cases = cases_of(result)
    capitals = [case.value(BASEL_CAPITAL) for case in cases]
    if all(capital is None for capital in capitals):
        return Html()
    economic = highest_level("economic_capital", cases) or Measure("Economic capital", ("economic_capital", "99.9"))
    weighted = [None if capital is None else RISK_WEIGHT_FACTOR * capital for capital in capitals]
    exposure = number(result.get("exposure"))
    unit = unit_for([*weighted, *(case.value(economic) for case in cases)])
    rows = []
    for case, capital, assets in zip(cases, capitals, weighted, strict=True):
        simulated = case.value(economic)
        density = percent(assets / exposure) if assets is not None and exposure else None
        ratio = f"{simulated / capital:.2f}" if simulated is not None and capital else MISSING
        rows.append(
            [
                case.label,
                cell(BASEL_CAPITAL.text(capital, unit), BASEL_CAPITAL.change(cases[0], case) if case.index else None),
                cell(BASEL_CAPITAL.text(assets, unit), density),
                value_cell(case, economic, unit),
                ratio,
            ]
        )
    head = ["Case", "Basel IRB capital", "Risk-weighted assets (RWA)", economic.label, "Economic / Basel"]
    caption = (
        f"Amounts in {unit.name}. Small figures: change from the first case; RWA as a share of the exposure;"
        " 95 % interval."
    )
    note = (
        "Both cover a year's loss beyond the expected one, at 99.9 %. Basel's formula takes each loan"
        " alone, with prescribed correlations, as if it were one of countless small ones. Economic capital is"
        " simulated, with the concentration of this portfolio and the correlations among the run's parameters."
    )
    by_segment = parts_table(
        result, "segments", [PART_CAPITAL], "Basel IRB capital. Small figures: RWA as a share of the exposure."
    )
    heading = tag("h3", "Basel IRB capital by segment")
    parts = [heading, legend(compared(cases), "bar"), by_segment] if by_segment else []
    return section("Capital", tag("p", note), table(caption, head, rows), *parts)


def provisions_section(result: Mapping[str, Any]) -> Html:
    """Expected credit losses for the accounts."""
    cases = cases_of(result)
    measures = (TWELVE_MONTH_ECL, LIFETIME_ECL)
    if all(case.value(measure) is None for case in cases for measure in measures):
        return Html()
    unit = unit_of(cases, measures)
    exposure = number(result.get("exposure"))

    def amount(case: Case, measure: Measure) -> Iterable[str]:
        value = case.value(measure)
        yield cell(measure.text(value, unit), percent(value / exposure) if value is not None and exposure else None)
        if len(cases) > 1:
            yield change_cell(measure, cases[0], case, unit) if case.index else ""

    changes = ["Change"] if len(cases) > 1 else []
    head = ["Case", "12 months", *changes, "Lifetime", *changes]
    rows = [[case.label, *amount(case, TWELVE_MONTH_ECL), *amount(case, LIFETIME_ECL)] for case in cases]
    caption = f"Amounts in {unit.name}. Small figures: share of the exposure; for a change, the difference."
    note = (
        "Expected credit losses (ECL), discounted to today: over 12 months, as IFRS 9 asks for loans in stage 1, and"
        " over the loans' remaining life, as it does in stage 2 and CECL does for all. Computed, not simulated."
    )
    by_segment = parts_table(
        result, "segments", [PART_TWELVE_MONTH, PART_LIFETIME], "Small figures: share of the exposure."
    )
    parts = [tag("h3", "By segment"), legend(compared(cases), "bar"), by_segment] if by_segment else []
    return section("Expected credit losses", tag("p", note), table(caption, head, rows), *parts)


# ---- How far the figures can be trusted ------------------------------------------------------------------------------


def precision_section(result: Mapping[str, Any]) -> Html:
    """How scenarios were drawn, how many count, and how the estimates settled."""
    cases = compared(cases_of(result))
    sentences = [*drawing(result), *wave_sentences(result), *effective_scenarios(result, cases)]
    chart = convergence_chart(cases)
    if not sentences and chart is None:
        return Html()
    parts = [tag("p", " ".join(sentences))] if sentences else []
    if chart is not None:
        caption = (
            "What all scenarios, a half of them, a quarter and so on estimate, each with its 95 % interval: the more"
            " scenarios, the narrower."
        )
        figure = (legend(cases, "bar"), tag("div", chart, class_="wide"), tag("figcaption", caption))
        parts += [tag("h3", "Convergence"), tag("figure", *figure)]
    return section("Precision", *parts)


def drawing(result: Mapping[str, Any]) -> list[str]:
    sampling, scenarios = mapping(result, "sampling"), count(result.get("scenarios"))
    if sampling.get("method") == "mixture":
        return [
            f"Half of the {scenarios} scenarios were drawn as they would occur, and half where the portfolio loses"
            " much; weights put all of them back to their true probability."
        ]
    return [f"The {scenarios} scenarios were drawn as they would occur, all alike."] if "method" in sampling else []


def wave_sentences(result: Mapping[str, Any]) -> list[str]:
    waves = mapping(result, "waves")
    waved, target, reached = (number(waves.get(key)) for key in ("count", "target_error", "relative_error"))
    if waved is None or target is None:
        return []
    name, _, level = str(waves.get("target_measure", "")).partition("_")
    name = {"el": "EL", "ul": "UL", "var": "VaR", "es": "ES"}.get(name, name)
    measure = f"{name} {level} %" if level else name
    times = "one wave" if waved == 1 else f"{count(waved)} waves"
    ended = "" if reached is None else f"; it is {percent(reached)} in the end"
    return [f"They came in {times}, to bring the relative standard error of {measure} below {percent(target)}{ended}."]


def effective_scenarios(result: Mapping[str, Any], cases: Sequence[Case]) -> list[str]:
    """Kish's effective number of scenarios, beside what plain Monte Carlo has, and how sharp VaR is."""
    sentences = []
    whole = next((size for case in cases if (size := effective_size(case)) is not None), None)
    if whole is not None:
        sentences.append(f"By their weights they count as {count(whole)} equally likely ones.")
    tail, scenarios = tail_measure(cases), number(result.get("scenarios"))
    sizes = [number(lookup(case.figures, ("effective_sample_size", tail.path[-1]))) for case in cases]
    beyond = per_case(cases, sizes, count)
    if beyond:
        usual = None if scenarios is None else scenarios * (1 - float(tail.path[-1]) / 100)
        plain = "" if usual is None else f"; of as many plain ones, about {count(usual)}"
        sentences.append(f"At or beyond {tail.short} lie {beyond}{plain}.")
    sharp = per_case(cases, [half_width(case, tail) for case in cases], plus_minus)
    if sharp:
        sentences.append(f"{tail.short} is known to {sharp}, with 95 % confidence.")
    return sentences


def effective_size(case: Case) -> float | None:
    size = case.figures.get("effective_sample_size")
    return number(lookup(size, ("all",)) if isinstance(size, Mapping) else size)


def per_case(cases: Sequence[Case], values: Sequence[float | None], text: Callable[[float], str]) -> str:
    """586 (Base), 592 (Stressed)"""
    known = zip(cases, values, strict=True)
    return ", ".join(f"{text(value)} ({case.title})" for case, value in known if value is not None)


def portfolio_section(result: Mapping[str, Any]) -> Html:
    """Which loans went in, and how concentrated they are."""
    loans = mapping(result, "loans")
    notes: list[Html] = []
    if loans:
        notes.append(tag("p", loan_equation(result), class_="equation"))
        read, *parts = (number(loans.get(key)) for key in ("read", "simulated", "rejected", "not_sampled"))
        total = sum_or_none(parts)
        if read is not None and total is not None and read != total:
            differ = f"These counts do not add up: they differ by {count(abs(read - total))}."
            notes.append(tag("p", differ, class_="warning"))
    reasons = mapping(result, "rejected_by_reason")
    if reasons:
        rows = sorted(reasons.items(), key=lambda item: (-(number(item[1]) or 0), str(item[0])))
        caption = "Rejected loans by reason. The run's rejects file names file, row, column and value of each."
        notes.append(table(caption, ["Reason", "Loans"], [[str(reason), count(many)] for reason, many in rows]))
    concentration = concentration_table(result)
    if concentration:
        notes += [tag("h3", "Concentration"), concentration]
    return section("Loans", *notes) if notes else Html()


def concentration_table(result: Mapping[str, Any]) -> Html:
    portfolio = mapping(result, "portfolio")
    indices = mapping(portfolio, "concentration")
    kinds = (
        ("By loan", "hhi", number(lookup(result, ("loans", "simulated")))),
        ("By segment", "hhi_segments", float(len(mapping(portfolio, "segments"))) or None),
        ("By ZIP region", "hhi_regions", float(len(mapping(portfolio, "regions"))) or None),
    )
    rows = []
    for title, key, parts in kinds:
        index = number(indices.get(key))
        if index is not None and index > 0:
            equal = 1 / index
            rows.append([title, f"{index:.2g}", f"{equal:,.1f}" if equal < 99.5 else count(equal), count(parts)])
    caption = (
        "Herfindahl-Hirschman index (HHI): the sum of squared shares of the exposure, from 1 for all in one down to 1/n"
        " for n equal ones. As concentrated as: so many equal loans, segments or regions."
    )
    return table(caption, ["Exposure", "HHI", "As concentrated as", "Of"], rows) if rows else Html()


# ---- What produced the figures ---------------------------------------------------------------------------------------


def record_section(result: Mapping[str, Any]) -> Html:
    portfolio, cost = mapping(result, "portfolio"), mapping(result, "cost")
    entries: list[tuple[str, str]] = [
        ("Run", str(result.get("run", MISSING))),
        ("Portfolio", f"{portfolio.get('source', MISSING)}, as of {portfolio.get('as_of', MISSING)}"),
        ("Seed", str(result.get("seed", MISSING))),
        ("Scenarios", count(result.get("scenarios"))),
        *((f"Version of {key}", str(value)) for key, value in mapping(result, "versions").items()),
    ]
    measured = [record_entry(str(key), value) for key, value in mapping(result, "timings").items()]
    entries += [(f"Measured: {name[:1].lower()}{name[1:]}", value) for name, value in measured]
    entries += cost_entries(cost)
    parameters = result.get("parameters")
    listing = tag("pre", json.dumps(parameters, indent=2, ensure_ascii=False, default=str))
    return section(
        "Run record",
        tag("div", table("What produced these figures", ["Item", "Value"], entries), class_="record"),
        tag("p", "The same seed, portfolio, parameters and versions give the same results to the last bit."),
        cost_details(cost),
        details("Parameters", listing) if parameters else Html(),
    )


def cost_entries(cost: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the run cost beside what was expected, and the plain figures of other versions."""

    def beside(key: str, text: Callable[[float], str]) -> str | None:
        value, estimate = number(cost.get(key)), number(cost.get(f"estimated_{key}"))
        if value is None:
            return None
        return text(value) + ("" if estimate is None else f"; {text(estimate)} estimated before the run")

    told = {"worker_seconds"}  # among the timings, too
    entries = []
    for title, key, text in (
        ("Cost at AWS list prices", "usd", dollars),
        ("Cost: Lambda", "gb_seconds", lambda value: f"{value:,.1f} GB-seconds"),
    ):
        described = beside(key, text)
        if described is not None:
            entries.append((title, described))
            told |= {key, f"estimated_{key}"}
    others = [
        record_entry(str(key), value)
        for key, value in cost.items()
        if key not in told and not isinstance(value, Mapping)
    ]
    return entries + [(f"Cost: {name[:1].lower()}{name[1:]}", value) for name, value in others]


def cost_details(cost: Mapping[str, Any]) -> Html:
    """What was paid for, and how often each service was asked."""
    items = {str(name): number(usd) for name, usd in mapping(cost, "usd_by_item").items()}
    requests = mapping(cost, "requests")
    prices = mapping(cost, "prices")
    tables = []
    if items:
        where = ", ".join(str(prices[key]) for key in ("region", "date", "source") if key in prices)
        rows = [[humanise(name), MISSING if usd is None else f"{usd:,.6f}"] for name, usd in items.items()]
        tables.append(table(f"In US$. Prices: {where or 'not recorded'}.", ["Item", "Cost"], rows))
    if requests:
        rows = [[humanise(str(name)), count(many)] for name, many in requests.items()]
        tables.append(table("Requests and state transitions.", ["Kind", "Number"], rows))
    return details("Cost by item", *tables) if tables else Html()


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
        "Basel IRB capital",
        "Regulatory capital by the internal-ratings-based formula (CRE31), with floors under PD and without the output"
        " floor. Risk-weighted assets (RWA) are 12.5 times as much.",
    ),
    (
        "Expected credit loss (ECL)",
        "The probability-weighted, discounted loss that accounts provide for: over 12 months, or over the remaining"
        " life of the loans, which lose value to defaults of later years too.",
    ),
    (
        "95 % interval",
        "Where the figure would lie, 19 times in 20, with other random scenarios. It covers the error of the"
        " simulation, not that of the model, its parameters or the data.",
    ),
    (
        "Cases",
        "All cases use the same random numbers, so their difference is the effect of the Federal Funds rate and what"
        " else a case assumes, and chance has little part in it.",
    ),
    (
        "Parameters",
        "Listed in the run record. The defaults are judgement, not calibrated to a portfolio: set your own before"
        " relying on the figures.",
    ),
)

READING_GUIDE = section(
    "How to read this",
    tag("dl", *(tag("div", tag("dt", term), tag("dd", meaning)) for term, meaning in DEFINITIONS), class_="guide"),
)
