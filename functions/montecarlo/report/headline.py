"""A result in few figures, and in few sentences: what an execution ends with, and what a mail says."""

from collections.abc import Mapping
from typing import Any

from montecarlo.report.words import Currency, count, dollars

MEASURES = ("el", "var", "es", "economic_capital")
"""What the headline has of a case, in the shape of result.json."""

SPOKEN_CASES = 4
"""Cases that the sentences tell of; the figures have all of them."""


def headline(result: Mapping[str, Any]) -> dict[str, Any]:
    """{"text", "currency", "loans", "exposure", "cost_usd", "cases": {case: {"el", "var", "es", "economic_capital"}}}.

    result: result.json. Amounts are in currency units; var, es and economic_capital by their level in percent.
    """
    cases = {name: {measure: case[measure] for measure in MEASURES} for name, case in result["cases"].items()}
    return {
        "text": _sentences(result, cases),
        "currency": result["currency"],
        "loans": result["loans"]["simulated"],
        "exposure": result["exposure"],
        "cost_usd": result["cost"]["usd"],
        "cases": cases,
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
        said.append(f"Case {name}: {', '.join([expected, *tail])}.")
    if len(cases) > SPOKEN_CASES:
        said.append(f"The report has {len(cases) - SPOKEN_CASES} more.")
    return " ".join([*said, f"It cost about {dollars(result['cost']['usd'])}."])
