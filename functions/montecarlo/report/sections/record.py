"""What produced the figures: seed, versions, times, cost, parameters."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from montecarlo.model.parameters import load, sources
from montecarlo.report.markup import Html, details, section, table, tag
from montecarlo.report.view import CostView, ResultView, ReusedView
from montecarlo.report.words import MISSING, count, dollars, humanise, record_entry


def record_section(result: ResultView) -> Html:
    """The run's record, the cost by item and the parameters."""
    portfolio = result.portfolio
    entries: list[tuple[str, str]] = [
        ("Run", result.run or MISSING),
        ("Portfolio", f"{portfolio.source or MISSING}, as of {portfolio.as_of or MISSING}"),
        *((("Filter", portfolio.filter),) if portfolio.filter else ()),
        *([("Chunks taken over", taken_over(result.reused))] if result.reused else []),
        ("Seed", MISSING if result.seed is None else str(result.seed)),
        ("Scenarios", count(result.scenarios)),
        *((f"Version of {key}", version) for key, version in result.versions.items()),
    ]
    measured = [record_entry(key, value) for key, value in result.timings.items()]
    entries += [(f"Measured: {name[:1].lower()}{name[1:]}", value) for name, value in measured]
    entries += cost_entries(result.cost)
    return section(
        "Run record",
        tag("div", table("What produced these figures", ["Item", "Value"], entries), class_="record"),
        tag("p", "The same seed, portfolio, parameters and versions give the same results to the last bit."),
        cost_details(result.cost),
        *source_table(result),
        *parameters_table(result),
        *sources_table(result),
    )


def taken_over(reused: ReusedView) -> str:
    """Of which run, and how many."""
    return f"{count(reused.chunks)} of {count(reused.of)}, from run {reused.run or MISSING}"


def source_table(result: ResultView) -> list[Html]:
    """The files that were read, and how their columns were."""
    portfolio = result.portfolio
    if not portfolio.digest:
        return []
    rows = [["Portfolio", portfolio.source or MISSING], ["Digest of its objects", portfolio.digest]]
    rows += [[f"Mapping: {key}", plain(value)] for key, value in leaves(portfolio.mapping).items() if key]
    if not portfolio.mapping:
        rows.append(["Mapping", "none: the columns have the project's names"])
    caption = "The digest is a SHA-256 of the names, sizes and ETags of all objects: other bytes have another one."
    return [tag("h3", "Source"), tag("div", table(caption, ["Item", "Value"], rows), class_="record")]


def sources_table(result: ResultView) -> list[Html]:
    """Where each parameter of the model comes from, for the segments that hold loans; folded away."""
    used, defaults = leaves(result.parameters), leaves(asdict(load()))
    named = result.parameters.get("segments")
    others = set(named if isinstance(named, Mapping) else ()) - set(result.portfolio.segments)
    rows = []
    for key, source in sources().items():
        if key in used and not any(key.startswith(f"segments.{name}.") for name in others):
            own = "this run's request" if used[key] != defaults.get(key) else source
            rows.append([key, plain(used[key]), own])
    judged = sum(row[2].startswith("judgement") for row in rows)
    if not rows:
        return []
    caption = (
        f"{judged} of {len(rows)} are judgement: they matter most where expected loss and tail hang on them, the"
        " intercepts, LGDs, asset correlations and rate sensitivities. Segments without loans are left out."
    )
    listed = table(caption, ["Parameter", "Value", "Source"], rows)
    return [details("Where the parameters come from", tag("div", listed, class_="record"))]


def parameters_table(result: ResultView) -> list[Html]:
    """The parameters that are not the model's defaults, each beside its default."""
    if not result.parameters:
        return []
    used, defaults = leaves(result.parameters), leaves(load().to_json())
    whole = leaves(asdict(load())) | defaults  # what is optional included
    del whole["benchmark_rate"]  # a name: a run that has its own is not about the default's
    rows = [
        [key, *(plain(values[key]) if key in values else MISSING for values in (used, whole))]
        for key in dict.fromkeys([*used, *defaults])
        if key not in used or key not in whole or used[key] != whole[key]
    ]
    if not rows:
        return [
            tag("h3", "Parameters"),
            tag("p", f"All {len(used)} are the defaults, which are judgement. {WHERE_ALL}"),
        ]
    caption = f"The {len(rows)} of {len(used)} that are not the defaults. {WHERE_ALL}"
    listed = table(caption, ["Parameter", "This run", "Default"], rows)
    return [tag("h3", "Parameters"), tag("div", listed, class_="record")]


WHERE_ALL = "Where they come from stands below; result.json lists them too."


def leaves(node: Any, path: str = "") -> dict[str, Any]:
    """Every value of a JSON document by the names that lead to it."""
    if not isinstance(node, Mapping):
        return {path: node}
    below = (leaves(value, f"{path}.{key}" if path else str(key)) for key, value in node.items())
    return {key: value for found in below for key, value in found.items()}


LONGEST = 400
"""Characters of a value; of a list of more, such as the rows of a migration matrix, the beginning is shown."""


def plain(value: Any) -> str:
    """A parameter's value as text."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        return value
    text = json.dumps(value, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(',')[0]}, … all of it in result.json"


def cost_entries(cost: CostView) -> list[tuple[str, str]]:
    """What the run cost beside what was expected, and the plain figures of other versions."""

    def beside(key: str, text: Callable[[float], str]) -> str | None:
        value, estimate = cost.figures.get(key), cost.figures.get(f"estimated_{key}")
        if not isinstance(value, float):
            return None
        return text(value) + (f"; {text(estimate)} estimated before the run" if isinstance(estimate, float) else "")

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
    others = [record_entry(key, value) for key, value in cost.figures.items() if key not in told]
    return entries + [(f"Cost: {name[:1].lower()}{name[1:]}", value) for name, value in others]


def cost_details(cost: CostView) -> Html:
    """What was paid for, and how often each service was asked."""
    tables = []
    if cost.usd_by_item:
        where = ", ".join(cost.prices[key] for key in ("region", "date", "source") if key in cost.prices)
        rows = [[humanise(name), MISSING if usd is None else f"{usd:,.6f}"] for name, usd in cost.usd_by_item.items()]
        tables.append(table(f"In US$. Prices: {where or 'not recorded'}.", ["Item", "Cost"], rows))
    if cost.requests:
        rows = [[humanise(name), count(many)] for name, many in cost.requests.items()]
        tables.append(table("Requests and state transitions.", ["Kind", "Number"], rows))
    return details("Cost by item", *tables) if tables else Html()
