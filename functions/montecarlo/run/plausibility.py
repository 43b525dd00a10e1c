"""What of a portfolio's profile is hardly meant: a wrong unit, a wrong column, a wrong date. Judgement, in words."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from montecarlo.model.parameters import Parameters
from montecarlo.portfolio.mapping import GRADE, ColumnMapping
from montecarlo.run.input_profile import TOP


def warnings(profile: Mapping[str, Any], as_of: str) -> list[str]:
    """What looks like a wrong unit, a wrong column or a wrong date, and what to do about it.

    profile: as `InputProfile.to_json` makes it. as_of: the reporting date.
    """
    columns = profile["columns"]

    def median(column: str) -> float:
        return float(columns[column]["median"]) if column in columns else math.nan

    found = []
    rate, term, amount = median("Rate"), median("LoanTerm"), median("LoanAmount")
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
    income, annuities = median("PaymentToIncome"), median("PaymentToAnnuity")
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
    if not 0.5 <= annuities <= 2 and not math.isnan(annuities):
        found.append(
            f"the median Payment is {annuities:.3g} times what LoanAmount, Rate and LoanTerm would give: check the "
            "units of the four."
        )
    pd, lgd = median("PD"), median("LGD")
    if pd > 0.3:
        found.append(f'the median PD is {pd:.0%}: if PDs are percent, map PD with "scale": 0.01.')
    if 0 <= pd < 0.000_05:
        found.append(f"the median PD is {pd:.2g}: check that it is a probability of default in a year.")
    if lgd < 0.02:
        found.append(f"the median LGD is {lgd:.2g}: check that it is a share of the exposure.")
    if profile["loans"]:
        found += _shares(profile, as_of)
    return found


def unused_sectors(parameters: Parameters, named: Collection[int]) -> list[str]:
    """That correlations are given of sectors that nothing is in, most likely for want of a letter.

    named: the sectors that loans name themselves, by their indices.
    """
    sectors, of_segments = parameters.sectors, {s.sector or name for name, s in parameters.segments.items()}
    used = of_segments | {sectors[index] for index in named}
    return [
        f"sector_correlations has the sector {name}, which no segment and no loan has, so that it has no effect: check "
        f"its name. Segments have {', '.join(sorted(of_segments))}."
        for name in sectors
        if name not in used
    ]


def unused_grades(columns: ColumnMapping, profile: Mapping[str, Any]) -> list[str]:
    """That grades are told in one place, and in the other not: of the loans by the mapping, or of the parameters.

    profile: as `InputProfile.to_json` makes it.
    """
    if columns.grades:
        return [] if profile.get("graded") or not profile["loans"] else [_NO_GRADE]
    return [_NOT_READ] if GRADE in columns.origins and GRADE not in columns.dimensions else []


_NO_GRADE = (
    "the parameters have grades, but no loan has a Grade: map the column that tells it, or the grades have no effect."
)
_NOT_READ = (
    "the mapping tells of the Grade, but the parameters have no grades, so that it is not read: give grades or a "
    "migration matrix among the parameters, or leave it out of the mapping."
)


def _shares(profile: Mapping[str, Any], as_of: str) -> Iterator[str]:
    """What concerns too many of the loans."""
    past, unknown = (profile[name] / profile["loans"] for name in ("past_term", "unknown_region"))
    if past > 0.05:
        yield (
            f"{past:.0%} of the loans are older than their LoanTerm at {as_of}: check the reporting date, "
            "OriginationDate and LoanTerm."
        )
    if unknown > 0.2:
        yield f"{unknown:.0%} of the loans have no known region: check ZipCode. Losses do not depend on it."
    lines, above = profile.get("lines", 0), profile.get("above_limit", 0)
    if above > 0.05 * lines:
        yield (
            f"{above:,} of {lines:,} loans with a Limit owe more than it: check the units of Limit and Balance, and "
            "that the Limit is what may be drawn in all."
        )
    if own := profile.get("own_lgd", 0):
        yield (
            f"loans that bring an LGD and a CollateralValue: {own:,}. The LGD counts, and no collateral_shift of a "
            "case moves it. Leave the LGD out where it should follow the collateral."
        )
    if alive := profile.get("stage_3", 0):
        yield (
            f"loans in stage 3 with a PD below 1: {alive:,}. They are provided for in full, and simulated as loans "
            "that may default. Bring a PD of 1 for what is in default."
        )
    if set(profile["segments"]) == {"personal"}:
        yield "all loans are in the segment personal: map Segment if there are others, as PD and LGD depend on it."
    first = next(iter(profile["largest"]), None)  # sums of runs may not know it
    if first and profile["loans"] > TOP and first["share"] > 0.1:
        yield f"one loan, {first['loan']}, is {first['share']:.0%} of the exposure: check its amount."
