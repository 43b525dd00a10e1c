"""What a reader must take away: the headline, what to know before using a figure, and what was simulated."""

from montecarlo.report.figures import (
    COMPARED,
    EXPECTED_LOSS,
    Measure,
    case_label,
    case_rate,
    highest_level,
    notices,
    tail_measure,
)
from montecarlo.report.markup import Html, tag
from montecarlo.report.view import CaseView, ResultView
from montecarlo.report.words import MISSING, count, moment


def header(result: ResultView) -> Html:
    """Whose report it is, of which portfolio, the headline, and whether the capital suffices."""
    kicker = " · ".join(name for name in (result.institution, "Loan portfolio loss report") if name)
    title = result.portfolio_name or result.run
    return tag(
        "header", tag("p", kicker, class_="kicker"), tag("h1", title), headline(result), *capital_verdict(result)
    )


def capital_verdict(result: ResultView) -> list[Html]:
    """Whether the capital available covers the economic capital of each case; nothing where none was told."""
    available = result.capital_available
    economic = highest_level("economic_capital", result.cases)
    known = [(case, needed) for case in result.cases if (needed := economic.value(case)) is not None]
    if available is None or not known:
        return []
    money, of_it = result.currency.spelled, economic.label.lower().replace(",", " at")
    open_ones = [case for case, _ in known if straddles(economic.interval(case), available)]
    short = [(case, needed) for case, needed in known if needed > available and case not in open_ones]
    worst, most = max(known, key=lambda item: item[1])
    if short:
        names = ", ".join(case_label(case) for case, _ in short)
        least = max(needed for _, needed in short) - available
        style, said = "short", f"Not enough. It lacks up to {money(least)} of the {of_it} of {names}."
    elif open_ones:
        names = ", ".join(case_label(case) for case in open_ones)
        said = f"Too close to tell. It lies within the 95 % interval of the {of_it} of {names}."
        style = "close"
    else:
        every = "every case" if len(known) > 1 else case_label(worst)
        style, said = "enough", f"Enough. It covers the {of_it} of {every}"
        said += f": at most {money(most)}, {100 * most / available:.0f} % of it, of {case_label(worst)}."
    words = (tag("strong", f"Capital available: {money(available)}."), " ", said)
    return [tag("p", *words, class_=f"verdict {style}")]


def straddles(bounds: tuple[float, float] | None, amount: float) -> bool:
    """Whether an amount lies within an interval."""
    return bounds is not None and bounds[0] <= amount <= bounds[1] and bounds[0] < bounds[1]


def headline(result: ResultView) -> Html:
    """Expected loss and tail, today and in the other cases or the worst of many, in one sentence."""
    cases, money = result.cases, result.currency.spelled
    if not cases:
        return tag("p", "This run holds no cases.", class_="headline")
    tail = tail_measure(cases)

    def strong(case: CaseView, measure: Measure) -> Html:
        return tag("strong", money(measure.value(case)))

    first, *others = cases
    words: list[str] = [
        "Today the portfolio" if result.exposure is None else f"Today the portfolio of {money(result.exposure)}",
        " is expected to lose ",
        strong(first, EXPECTED_LOSS),
        f" and, with {tail.path[-1]} % probability, loses no more than ",
        strong(first, tail),
        " (VaR)",
    ]
    if len(cases) > COMPARED:
        worst = max(others, key=lambda case: tail.value(case) or 0.0)
        where = f"in the worst of the {len(others)} other cases, {case_label(worst)},"
        words += ["; ", where, " ", strong(worst, EXPECTED_LOSS), " and ", strong(worst, tail)]
    else:
        for case in others:
            where = f"in the case {case_label(case)}"
            if case.name == "stressed" and case_rate(case):
                where = f"after a shock of the {case.rate_name} to {case_rate(case)}"
            words += ["; ", where, ", ", strong(case, EXPECTED_LOSS), " and ", strong(case, tail)]
    return tag("p", *words, ".", class_="headline")


def warnings(result: ResultView) -> list[Html]:
    """What a reader must know before using any figure."""
    return [tag("p", notice, class_="notice") for notice in notices(result)]


def facts(result: ResultView) -> Html:
    """What was simulated, in a line."""
    entries = [
        *([("Run", result.run)] if result.portfolio_name else []),
        *([("Produced", moment(result.produced))] if result.produced else []),
        ("Currency", result.currency.code),
        ("Portfolio", result.portfolio.source or MISSING),
        ("As of", result.portfolio.as_of or MISSING),
        ("Loans simulated", count(result.rows.simulated)),
        ("Exposure", result.currency.spelled(result.exposure)),
        ("Scenarios", count(result.scenarios)),
        ("Seed", MISSING if result.seed is None else str(result.seed)),
    ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in entries), class_="facts")
