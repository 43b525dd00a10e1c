"""The run's result for people: one self-contained HTML file that needs no network or font, and is complete without
its script.

`render` makes the page, section by section. The report imports NumPy and the standard library only, so that it runs
wherever the aggregator runs.
"""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from montecarlo.report.charts.losses import Distribution
from montecarlo.report.markup import Html, contents, tag
from montecarlo.report.script import SCRIPT
from montecarlo.report.sections.breakdown import breakdown_section
from montecarlo.report.sections.capital import capital_section
from montecarlo.report.sections.cases import cases_section
from montecarlo.report.sections.contributions import contributions_section
from montecarlo.report.sections.distribution import distribution_section
from montecarlo.report.sections.guide import READING_GUIDE
from montecarlo.report.sections.headline import facts, header, warnings
from montecarlo.report.sections.input import input_section
from montecarlo.report.sections.measures import measures_section
from montecarlo.report.sections.portfolio import portfolio_section
from montecarlo.report.sections.precision import precision_section
from montecarlo.report.sections.provisions import provisions_section
from montecarlo.report.sections.record import record_section
from montecarlo.report.sections.reverse_stress import reverse_stress_section
from montecarlo.report.sections.summary import summary_section
from montecarlo.report.stylesheet import STYLE
from montecarlo.report.view import ResultView


def _digest(text: str) -> str:
    """A source of a content security policy: this very text."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


POLICY = f"default-src 'none'; style-src {_digest(STYLE)}; script-src {_digest(SCRIPT)}; img-src blob:"
"""The page's own stylesheet and script, and nothing else, neither from elsewhere nor written into the page; and a
picture that the script makes of a chart, on its way to the user's folder."""


def render(result: Mapping[str, Any], distributions: Mapping[str, Distribution]) -> str:
    """The report as an HTML document that is also well-formed XML.

    result: as in result.json, schema 1. Cases are shown in their order and compared with the first.
    distributions: case name to its losses; a case without one is left out of the charts.
    Raises InvalidResult where the result is not of the schema.
    """
    view = ResultView.of(result)
    summary = summary_section(view)
    appendix = [
        cases_section(view),
        measures_section(view),
        distribution_section(view, distributions),
        breakdown_section(view, "segments"),
        breakdown_section(view, "regions"),
        *(breakdown_section(view, name) for name in view.portfolio.dimensions),
        contributions_section(view),
        capital_section(view),
        reverse_stress_section(view),
        provisions_section(view),
        precision_section(view),
        portfolio_section(view),
        input_section(view),
        record_section(view),
        READING_GUIDE,
    ]
    slices = tag("div", class_="slice", hidden="hidden")  # what the script fills, where it runs
    further = tag("div", contents(appendix, "Appendix: contents"), slices, *appendix, class_="appendix")
    body = tag("main", header(view), *warnings(view), facts(view), summary, further)
    return document(f"{view.portfolio_name or view.run} – loan portfolio loss report", body, SCRIPT)


def document(title: str, body: Html, script: str = "") -> str:
    """A page with the look and the policy of the report."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    return (
        "<!DOCTYPE html>\n"
        + tag("html", head, "\n", tag("body", body, tag("script", Html(script)) if script else Html()), lang="en")
        + "\n"
    )
