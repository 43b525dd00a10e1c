"""A reverse stress for people: how bad and how rare an economy costs the amount, and what is lost there, in words.

The sentences and rows serve the terminal and the page, one self-contained HTML file in the style of a run's report.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from montecarlo.report.markup import Html, contents, section, table, tag
from montecarlo.report.page import document
from montecarlo.report.words import MISSING, Currency, count, humanise, percent

HEAD = ["Segment", "Exposure", "Average economy", "There", "Times"]


def goal(figures: Mapping[str, Any]) -> str:
    """The amount that is sought, in words."""
    amount = Currency(figures["currency"]).spelled(figures["loss"])
    return f"{amount}, the capital available," if figures["is_capital_available"] else amount


def headline(figures: Mapping[str, Any]) -> str:
    """What was asked."""
    return f"Which economy costs {goal(figures)} in expectation?"


def sentences(figures: Mapping[str, Any], name: str) -> Iterator[str]:
    """A case in words."""
    found, currency = figures["cases"][name], Currency(figures["currency"])
    average = currency.spelled(found["loss_in_average_economy"])
    if found["shift"] is None:
        yield (
            f"No economy within 8 standard deviations costs that much: the most that can be lost is "
            f"{currency.spelled(found['most'])}."
        )
    elif found["shift"] == 0:
        yield f"An average economy costs that much already: {average} are lost in it."
    else:
        rare = found["probability"]
        yield (
            f"An economy {found['shift']:.2f} standard deviations from the average one costs that much. One at least "
            f"as far in this direction has a probability of {percent(rare)} in a year, once in {count(1 / rare)} years."
        )
        worst = sorted(found["sectors"].items(), key=lambda sector: sector[1])
        told = ", ".join(f"{humanise(sector)} {value:+.2f}" for sector, value in worst).replace("-", "\u2212")
        yield f"The sectors' factors there, in standard deviations, below zero is bad: {told}."
        yield (
            f"In an average economy {average} are lost, and {currency.spelled(found['el'])} over all economies, the EL."
        )


def title(figures: Mapping[str, Any], name: str) -> str:
    """A case with its rate."""
    return f"{humanise(name)}, {figures['rate_name']} {figures['cases'][name]['fed_rate']:.2f} %"


def rows(figures: Mapping[str, Any], name: str) -> list[list[str]]:
    """A row for each segment of a case, those first that lose most."""
    currency = Currency(figures["currency"])
    return [
        [
            humanise(segment),
            *map(currency.money, (held["exposure"], held["loss_in_average_economy"], held["loss"])),
            f"{held['loss'] / held['loss_in_average_economy']:.1f}" if held["loss_in_average_economy"] else MISSING,
        ]
        for segment, held in sorted(figures["cases"][name]["segments"].items(), key=lambda one: -one[1]["loss"])
    ]


def render(figures: Mapping[str, Any]) -> str:
    """The page, an HTML document that is also well-formed XML."""
    parts = [_case(figures, name) for name in figures["cases"]]
    reading = section(
        "How to read this",
        tag(
            "p",
            "Each sector has a factor, standard normal over the years, and all its loans' probabilities of default "
            "rise as it falls. Among all economies in which the loans lose the amount in expectation, this is the one "
            "nearest to the average, and so the likeliest. Luck among single loans comes on top, and is left out here.",
        ),
        tag(
            "p",
            "Worked out from the loans that the run simulated, not from its scenarios: there is no error of "
            "simulation in it. It says how far the economy has to move for that loss, not how likely the loss is, as "
            "other economies cost as much too; that is in the run's exceedance curve.",
        ),
    )
    heading = tag(
        "header",
        tag("p", "Reverse stress", class_="kicker"),
        tag("h1", figures["run"]),
        tag("p", headline(figures), class_="headline"),
    )
    all_parts = [*parts, reading]
    return document(f"Reverse stress: {figures['run']}", tag("main", heading, contents(all_parts), *all_parts))


def _case(figures: Mapping[str, Any], name: str) -> Html:
    body = rows(figures, name)
    caption = "Expected loss by segment in an average economy and in this one, and how many times as much."
    return section(
        title(figures, name),
        *(tag("p", sentence) for sentence in sentences(figures, name)),
        table(caption, HEAD, body) if body else Html(),
    )
