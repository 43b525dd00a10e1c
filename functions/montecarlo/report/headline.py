"""A result in few figures, and in few sentences: what an execution ends with, and what a mail says."""

from collections.abc import Mapping
from typing import Any

from montecarlo.report.words import Currency, count, dollars

MEASURES = ("el", "var", "es", "economic_capital")
"""What the headline has of a case, in the shape of result.json."""

_SPOKEN = {"twelve_month": "12 months", "lifetime": "lifetime", "allowance": "allowance"}

SPOKEN_CASES = 4
"""Cases that the sentences tell of; the figures have all of them."""


def headline(result: Mapping[str, Any]) -> dict[str, Any]:
    """{"text", "currency", "loans", "exposure", "cost_usd", "cases": {case: {"el", "var", "es", "economic_capital"}}};
    a case has its "allowance" where the result has one by stage, and "weighted_ecl" stands beside the cases where they
    have probabilities.

    result: result.json. Amounts are in currency units; var, es and economic_capital by their level in percent.
    """
    cases = {
        name: {measure: case[measure] for measure in MEASURES}
        | {measure: case["ecl"][measure] for measure in ("allowance",) if measure in case.get("ecl", {})}
        for name, case in result["cases"].items()
    }
    weighted = result.get("weighted_ecl")
    return {
        "text": _sentences(result, cases),
        "currency": result["currency"],
        "loans": result["loans"]["simulated"],
        "exposure": result["exposure"],
        "cost_usd": result["cost"]["usd"],
        "cases": cases,
        **({"weighted_ecl": weighted} if weighted else {}),
    }


def _sentences(result: Mapping[str, Any], cases: Mapping[str, Mapping[str, Any]]) -> str:
    currency = Currency(result["currency"])
    said = [
        f"The run {result['run']} is done: {count(result['loans']['simulated'])} loans were simulated in "
        f"{count(result['scenarios'])} scenarios, exposure {currency.spelled(result['exposure'])}."
    ]
    for name, figures in list(cases.items())[:SPOKEN_CASES]:
        tail = [
            f"{label} at {level} % {currency.spelled(figures[measure][level])}"
            for measure, label in (("var", "VaR"), ("es", "ES"), ("economic_capital", "economic capital"))
            if (level := max(figures[measure], key=float, default=None)) is not None
        ]
        expected = f"expected loss {currency.spelled(figures['el'])}"
        provided = [f"allowance {currency.spelled(figures['allowance'])}"] if "allowance" in figures else []
        said.append(f"Case {name}: {', '.join([expected, *tail, *provided])}.")
    if len(cases) > SPOKEN_CASES:
        said.append(f"The report has {len(cases) - SPOKEN_CASES} more.")
    if weighted := result.get("weighted_ecl"):
        spelled = [f"{_SPOKEN[name]} {currency.spelled(value)}" for name, value in weighted.items() if name in _SPOKEN]
        said.append(f"Expected credit losses weighed with the cases' probabilities: {', '.join(spelled)}.")
    return " ".join([*said, f"It cost about {dollars(result['cost']['usd'])}."])
