"""What a reader must take away: the headline, what to know before using a figure, and what was simulated."""

from montecarlo.report.figures import COMPARED, EXPECTED_LOSS, Measure, case_label, case_rate, notices, tail_measure
from montecarlo.report.markup import Html, tag
from montecarlo.report.view import CaseView, ResultView
from montecarlo.report.words import MISSING, count


def header(result: ResultView) -> Html:
    """The run's name and the headline."""
    kicker = tag("p", "Loan portfolio loss report", class_="kicker")
    return tag("header", kicker, tag("h1", result.run), headline(result))


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
        ("Portfolio", result.portfolio.source or MISSING),
        ("As of", result.portfolio.as_of or MISSING),
        ("Loans simulated", count(result.rows.simulated)),
        ("Exposure", result.currency.spelled(result.exposure)),
        ("Scenarios", count(result.scenarios)),
        ("Seed", MISSING if result.seed is None else str(result.seed)),
    ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in entries), class_="facts")
