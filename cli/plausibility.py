"""An input profile in words: what the portfolio holds, and what of it is hardly meant."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from cli.input_profile import EXAMPLES, PortfolioProfile, of_portfolio
from cli.local_objects import opened
from cli.screen import counted, table
from montecarlo.model.parameters import load
from montecarlo.run.input_profile import COUNTED_IF_ANY, QUANTILES, RATIOS
from montecarlo.run.request import RunRequest

FIRST_CHUNKS = 4
"""Of a portfolio that is about to be run, so that a wrong unit shows before the run and a large portfolio does not
wait."""


def first_look(files: Mapping[str, Path], request: RunRequest) -> list[str]:
    """What is implausible in the beginning of local files. Raises InvalidPortfolio where they cannot be read."""
    store, objects = opened(files)
    columns = request.columns
    when = date.fromisoformat(request.as_of) if request.as_of else columns.as_of or date.today()
    return of_portfolio(store, objects, columns, load(request.parameters), when, FIRST_CHUNKS).warnings()


def described(profile: PortfolioProfile) -> str:
    """The profile for the terminal."""
    found = profile.to_json()
    read = found["loans"] + profile.rejects + profile.filtered
    filtered = f", {profile.filtered:,} filtered out" if profile.filtered else ""
    lines = [
        f"{read:,} rows in {counted(profile.files, 'file')}: {found['loans']:,} loans, {profile.rejects:,} rejected"
        f"{filtered}; reporting date {profile.as_of}",
        *(_of_loans(found) if found["loans"] else []),
    ]
    for reason, offending in sorted(profile.rejected.items(), key=lambda item: -item[1].total()):
        examples = ", ".join(repr(value) for value, _ in offending.most_common(EXAMPLES))
        lines += ["", f"{counted(offending.total(), 'row')} rejected: {reason}", f"  values: {examples}"]
        lines.append(f"  first in {'; '.join(profile.places[reason])}")
    return "\n".join(lines)


def _of_loans(found: Mapping[str, Any]) -> list[str]:
    """What the loans are like, which there are."""
    exposure = sum(segment["exposure"] for segment in found["segments"].values())
    names = ["least", *QUANTILES, "most"]
    segments = sorted(found["segments"].items(), key=lambda item: -item[1]["exposure"])
    return [
        f"exposure {exposure:,.0f}; {found['own_pd']:,} loans bring their PD, {found['floating_rate']:,} have a "
        "floating rate",
        *(f"{found[name]:,} loans {words}" for name, words in COUNTED_IF_ANY.items() if name in found),
        "",
        table(
            ["column", "missing", "least", "1 %", "median", "99 %", "most"],
            [
                [name, f"{column['missing']:,}", *(_number(column[key]) for key in names)]
                for name, column in found["columns"].items()
                if name not in RATIOS
            ],
        ),
        "",
        table(
            ["segment", "loans", "exposure", "share", "PD", "LGD"],
            [
                [
                    name,
                    f"{of['loans']:,}",
                    f"{of['exposure']:,.0f}",
                    f"{of['exposure'] / exposure:.2%}" if exposure else "",
                    f"{of['pd']:.2%}",
                    f"{of['lgd']:.1%}",
                ]
                for name, of in segments
            ],
        ),
        "",
        table(
            ["largest loans", "exposure", "share"],
            [[one["loan"], f"{one['exposure']:,.0f}", f"{one['share']:.2%}"] for one in found["largest"]],
        ),
    ]


def _number(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1_000 else f"{number:.4g}"
