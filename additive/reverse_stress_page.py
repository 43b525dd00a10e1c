"""A reverse stress for people: one self-contained HTML file in the style of a run's report, which words it too."""

from collections.abc import Mapping
from typing import Any

from montecarlo.report.document import Node
from montecarlo.report.markup import Html, contents, section, table, tag
from montecarlo.report.page import document
from montecarlo.report.sections.reverse_stress import (
    HEAD,
    WHAT_IT_IS,
    WHAT_IT_IS_NOT,
    headline,
    rows,
    sentences,
    title,
)
from montecarlo.report.view import ReverseStressView, reverse_stress_of
from montecarlo.report.words import Currency


def view_of(figures: Mapping[str, Any]) -> ReverseStressView:
    """What `reverse_stress.find` has found, as the report shows it."""
    currency, capital = Currency(figures["currency"]), figures["is_capital_available"]
    return reverse_stress_of(Node.at(figures, ""), currency, figures["rate_name"], capital)


def render(figures: Mapping[str, Any]) -> str:
    """The page, an HTML document that is also well-formed XML."""
    found = view_of(figures)
    parts = [_case(found, name) for name in found.cases]
    parts.append(section("How to read this", tag("p", WHAT_IT_IS), tag("p", WHAT_IT_IS_NOT)))
    heading = tag(
        "header",
        tag("p", "Reverse stress", class_="kicker"),
        tag("h1", figures["run"]),
        tag("p", headline(found), class_="headline"),
    )
    return document(f"Reverse stress: {figures['run']}", tag("main", heading, contents(parts), *parts))


def _case(found: ReverseStressView, name: str) -> Html:
    body = rows(found, name)
    caption = "Expected loss by segment in an average economy and in this one, and how many times as much."
    return section(
        title(found, name),
        *(tag("p", sentence) for sentence in sentences(found, name)),
        table(caption, HEAD, body) if body else Html(),
    )
