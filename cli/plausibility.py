"""An input profile in words: what the portfolio holds, and what of it is hardly meant."""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from cli.input_profile import COLUMNS, EXAMPLES, QUANTILES, TOP, InputProfile, median, of_portfolio
from cli.local_objects import opened
from cli.screen import counted, table
from montecarlo.model.parameters import load
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.run.request import RunRequest

FIRST_CHUNKS = 4
"""Of a portfolio that is about to be run, so that a wrong unit shows before the run and a large portfolio does not
wait."""


def first_look(files: Mapping[str, Path], request: RunRequest) -> list[str]:
    """What is implausible in the beginning of local files. Raises InvalidPortfolio where they cannot be read."""
    store, objects = opened(files)
    columns = ColumnMapping.parse(request.mapping, request.dimensions or ())
    when = date.fromisoformat(request.as_of) if request.as_of else columns.as_of or date.today()
    return warnings(of_portfolio(store, objects, columns, load(request.parameters), when, FIRST_CHUNKS))


def described(profile: InputProfile) -> str:
    """The profile for the terminal."""
    read = profile.loans + profile.rejects

    def share(exposure: float) -> str:
        return f"{exposure / profile.exposure:.2%}" if profile.exposure else ""

    lines = [
        f"{read:,} rows in {counted(profile.files, 'file')}: {profile.loans:,} loans, {profile.rejects:,} rejected; "
        f"reporting date {profile.as_of}",
        f"exposure {profile.exposure:,.0f}; {profile.own_pd:,} loans bring their PD, {profile.floating:,} have a "
        "floating rate",
        "",
        table(
            ["column", "missing", "least", "1 %", "median", "99 %", "most"],
            [
                [name, f"{profile.missing[name]:,}", *map(_number, np.quantile(values, QUANTILES))]
                for name in COLUMNS
                if (values := profile.values.get(name, np.empty(0))).size
            ],
        ),
    ]
    if profile.sampled_one_in > 1:
        lines.append(f"Quantiles are of one loan in {profile.sampled_one_in:,}.")
    segments = sorted(profile.segments.items(), key=lambda item: -item[1].exposure)
    lines += [
        "",
        table(
            ["segment", "loans", "exposure", "share", "PD", "LGD"],
            [
                [name, f"{of.loans:,}", f"{of.exposure:,.0f}", share(of.exposure), f"{of.pd:.2%}", f"{of.lgd:.1%}"]
                for name, of in segments
            ],
        ),
        "",
        table(
            ["largest loans", "exposure", "share"],
            [[account, f"{exposure:,.0f}", share(exposure)] for exposure, account in profile.top],
        ),
    ]
    for reason, offending in sorted(profile.rejected.items(), key=lambda item: -item[1].total()):
        examples = ", ".join(repr(value) for value, _ in offending.most_common(EXAMPLES))
        lines += ["", f"{offending.total():,} rows rejected: {reason}", f"  values: {examples}"]
        lines.append(f"  first in {'; '.join(profile.places[reason])}")
    return "\n".join(lines)


def _number(value: Any) -> str:
    number = float(value)
    return f"{number:,.0f}" if abs(number) >= 1_000 else f"{number:.4g}"


def warnings(profile: InputProfile) -> list[str]:
    """What looks like a wrong unit, a wrong column or a wrong date, and what to do about it."""
    found = []
    rate, term, amount = profile.median("Rate"), profile.median("LoanTerm"), profile.median("LoanAmount")
    if 0 < rate < 1:
        found.append(f'the median Rate is {rate:.2g} % a year: if rates are fractions, map Rate with "scale": 100.')
    if rate > 40:
        found.append(f"the median Rate is {rate:.3g} % a year: check that it is an interest rate in percent a year.")
    if term < 6:
        found.append(f'the median LoanTerm is {term:.2g} months: if terms are in years, map LoanTerm with "scale": 12.')
    if amount < 100:
        found.append(
            f"the median LoanAmount is {amount:,.3g}: if amounts are in thousands or millions, map all amounts "
            "(LoanAmount, Payment, Balance, GrossIncome, EAD) with a scale."
        )
    income, annuities = median(profile.payment_to_income), median(profile.payment_to_annuity)
    if income > 0.6:
        found.append(
            f"half of the borrowers pay more than {income:.0%} of their GrossIncome: if incomes are monthly, map "
            'GrossIncome with "scale": 12.'
        )
    if income < 0.002:
        found.append(
            f"half of the borrowers pay less than {income:.2%} of their GrossIncome: check the units of Payment and "
            "GrossIncome."
        )
    if not 0.5 <= annuities <= 2 and not np.isnan(annuities):
        found.append(
            f"the median Payment is {annuities:.3g} times what LoanAmount, Rate and LoanTerm would give: check the "
            "units of the four."
        )
    pd, lgd = profile.median("PD"), profile.median("LGD")
    if pd > 0.3:
        found.append(f'the median PD is {pd:.0%}: if PDs are percent, map PD with "scale": 0.01.')
    if 0 <= pd < 0.000_05:
        found.append(f"the median PD is {pd:.2g}: check that it is a probability of default in a year.")
    if lgd < 0.02:
        found.append(f"the median LGD is {lgd:.2g}: check that it is a share of the exposure.")
    if profile.loans:
        found += _shares(profile)
    return found


def _shares(profile: InputProfile) -> Iterator[str]:
    """What concerns too many of the loans."""
    if profile.past_term > 0.05 * profile.loans:
        yield (
            f"{profile.past_term / profile.loans:.0%} of the loans are older than their LoanTerm at {profile.as_of}: "
            "check --as-of, OriginationDate and LoanTerm."
        )
    if profile.unknown_regions > 0.2 * profile.loans:
        yield (
            f"{profile.unknown_regions / profile.loans:.0%} of the loans have no known region: check ZipCode. Losses "
            "do not depend on it."
        )
    if set(profile.segments) == {"personal"}:
        yield "all loans are in the segment personal: map Segment if there are others, as PD and LGD depend on it."
    exposure, account = profile.top[0] if profile.top else (0.0, "")
    if profile.loans > TOP and exposure > 0.1 * profile.exposure:
        yield f"one loan, {account}, is {exposure / profile.exposure:.0%} of the exposure: check its amount."
