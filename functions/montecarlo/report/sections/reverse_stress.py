"""Which economy costs the capital available: how far it is from an average one, how rare, and what is lost there.

The words serve the report, and the page and the terminal of `montecarlo reverse-stress`.
"""

from collections.abc import Iterator, Sequence

from montecarlo.model.normal import LIMIT as FARTHEST
from montecarlo.report.figures import case_label, compared
from montecarlo.report.markup import Html, cell, details, section, table, tag
from montecarlo.report.view import EconomyView, ResultView, ReverseStressView
from montecarlo.report.words import MISSING, Currency, count, humanise, percent

RAREST = 1e-6
"""A probability within a year below which no model has a claim to digits."""

WHAT_IT_IS = (
    "Each sector has a factor, standard normal over the years, and all its loans' probabilities of default rise as it "
    "falls. Among all economies in which the loans lose the amount in expectation, this is the one nearest to the "
    "average, and so the likeliest. Luck among single loans comes on top, and is left out here."
)
WHAT_IT_IS_NOT = (
    "Worked out from the loans that the run simulated, not from its scenarios: there is no error of simulation in it. "
    "It says how far the economy has to move for that loss, not how likely the loss is, as other economies cost as "
    "much too; that is in the run's exceedance curve."
)
NOT_KNOWN = (
    "Some of the run's chunks were simulated before it was asked for: montecarlo reverse-stress reads the loans again "
    "and tells it."
)


def reverse_stress_section(result: ResultView) -> Html:
    """The nearest economy in every case, and what is lost there; nothing where no capital is available."""
    if result.capital_available is None or not result.has_reverse_stress:
        return Html()
    found, title = result.reverse_stress, "Reverse stress"
    if found is None:
        return section(title, tag("p", NOT_KNOWN))
    told = [case for case in result.cases if case.name in found.cases]
    cases, shown = ([(case_label(case), found.cases[case.name]) for case in some] for some in (told, compared(told)))
    caption = (
        "The nearest economy that costs it, in standard deviations from the average one; how likely one at least as "
        "far in its direction is within a year; and what is lost in an average economy, and over all economies (EL)."
    )
    head = ["Case", "Distance", "Probability", "Once in", "Average economy", "EL"]
    return section(
        title,
        tag("p", headline(found), class_="lead"),
        *(tag("p", f"{case_label(case)}: {next(sentences(found, case.name))}") for case in told[:1]),
        table(caption, head, [_row(label, economy, found.currency) for label, economy in cases]),
        *_tables(shown, found.currency),
        details("How to read this", tag("p", WHAT_IT_IS), tag("p", WHAT_IT_IS_NOT)),
    )


def _row(label: str, economy: EconomyView, currency: Currency) -> list[str]:
    average, over_all = currency.money(economy.average), currency.money(economy.el)
    if economy.shift is None:
        return [
            label,
            f"beyond {FARTHEST}",
            MISSING,
            cell(MISSING, f"at most {currency.money(economy.most)}"),
            average,
            over_all,
        ]
    if economy.shift == 0 or not economy.probability:
        return [label, "0", MISSING, "every other year", average, over_all]
    rare = economy.probability
    return [label, f"{economy.shift:.2f}", _likely(rare), _seldom(rare), average, over_all]


def _likely(probability: float) -> str:
    return percent(probability) if probability >= RAREST else f"below {percent(RAREST)}"


def _seldom(probability: float) -> str:
    """Once in so many years, to three digits."""
    return (
        f"{count(float(f'{1 / probability:.3g}'))} years" if probability >= RAREST else f"over {1 / RAREST:,.0f} years"
    )


def _tables(cases: Sequence[tuple[str, EconomyView]], currency: Currency) -> Iterator[Html]:
    """The sectors' factors there, and what each segment loses."""
    reached = [(label, economy) for label, economy in cases if economy.shift]
    if not reached:
        return
    labels = [label for label, _ in reached]
    sectors = dict.fromkeys(name for _, economy in reached for name in economy.sectors)
    yield tag("h3", "By sector")
    yield table(
        "The sectors' factors there, in standard deviations; below zero is bad.",
        ["Sector", *labels],
        [[humanise(name), *(_factor(economy.sectors.get(name)) for _, economy in reached)] for name in sectors],
    )
    worst = reached[0][1].segments
    names = sorted(worst, key=lambda name: -(worst[name].there or 0.0))
    yield tag("h3", "By segment")
    yield table(
        "Expected loss there. Small figures: how many times that of an average economy.",
        ["Segment", "Exposure", *labels],
        [
            [
                humanise(name),
                currency.money(worst[name].exposure),
                *(_there(economy, name, currency) for _, economy in reached),
            ]
            for name in names
        ],
    )


def _factor(value: float | None) -> str:
    return MISSING if value is None else f"{value:+.2f}".replace("-", "−")


def _there(economy: EconomyView, segment: str, currency: Currency) -> Html:
    lost = economy.segments.get(segment)
    if lost is None:
        return cell(MISSING)
    times = lost.times
    return cell(currency.money(lost.there), None if times is None else f"× {times:.1f}")


# ---------------------------------------------------------------------------------------------------------------------
# In words


def headline(found: ReverseStressView) -> str:
    """What was asked."""
    amount = found.currency.spelled(found.loss)
    goal = f"{amount}, the capital available," if found.is_capital_available else amount
    return f"Which economy costs {goal} in expectation?"


def sentences(found: ReverseStressView, name: str) -> Iterator[str]:
    """A case in words."""
    economy, currency = found.cases[name], found.currency
    average = currency.spelled(economy.average)
    if economy.shift is None:
        yield (
            f"No economy within {FARTHEST} standard deviations costs that much: the most that can be lost is "
            f"{currency.spelled(economy.most)}."
        )
    elif economy.shift == 0 or not economy.probability:
        yield f"An average economy costs that much already: {average} are lost in it."
    else:
        rare = economy.probability
        yield (
            f"An economy {economy.shift:.2f} standard deviations from the average one costs that much. One at least as "
            f"far in this direction has a probability of {_likely(rare)} in a year, once in {_seldom(rare)}."
        )
        worst = sorted(economy.sectors.items(), key=lambda sector: sector[1])
        told = ", ".join(f"{humanise(sector)} {_factor(value)}" for sector, value in worst)
        yield f"The sectors' factors there, in standard deviations, below zero is bad: {told}."
        over_all = currency.spelled(economy.el)
        yield f"In an average economy {average} are lost, and {over_all} over all economies, the EL."


def title(found: ReverseStressView, name: str) -> str:
    """A case with its rate."""
    rate = found.cases[name].fed_rate
    return humanise(name) if rate is None else f"{humanise(name)}, {found.rate_name} {rate:.2f} %"


HEAD = ["Segment", "Exposure", "Average economy", "There", "Times"]


def rows(found: ReverseStressView, name: str) -> list[list[str]]:
    """A row for each segment of a case, those first that lose most."""
    money = found.currency.money
    return [
        [
            humanise(segment),
            *map(money, (lost.exposure, lost.average, lost.there)),
            MISSING if lost.times is None else f"{lost.times:.1f}",
        ]
        for segment, lost in sorted(found.cases[name].segments.items(), key=lambda one: -(one[1].there or 0.0))
    ]
