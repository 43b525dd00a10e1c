"""The report of a run that failed: what went wrong, where, and what to do, in the look of the report of one that did
not.
"""

from collections.abc import Mapping
from typing import Any

from montecarlo.report.document import Node
from montecarlo.report.markup import section, tag
from montecarlo.report.page import document
from montecarlo.report.words import MISSING


def render_failure(failure: Mapping[str, Any]) -> str:
    """The page of failure.json: run, error, cause. Raises InvalidResult where it is none."""
    node = Node.at(failure, "", "failure.json")
    run, error = node.text("run") or MISSING, node.text("error") or MISSING
    cause = node.text("cause") or "No cause was recorded: see the execution in Step Functions."
    head = tag(
        "header",
        tag("p", "Loan portfolio loss report", class_="kicker"),
        tag("h1", run),
        tag("p", "This run failed, and nothing of it was published: there is no figure to read.", class_="headline"),
        tag("p", tag("strong", f"{error}."), " ", cause, class_="verdict short"),
    )
    ways = (
        "Mend what the cause names: it says what was wrong, where, and what is allowed.",
        "Resume the run under its name, from the console with request.json or by montecarlo resume: what was simulated"
        " is kept, and only what is missing is done again.",
        "Where the portfolio or the parameters have to change, start a new run under a name of its own.",
        "The table of errors in docs/operate.md says of each what it means and what helps.",
    )
    what = section("What to do", tag("ul", *(tag("li", way) for way in ways)))
    return document(f"{run} – failed", tag("main", head, what))
