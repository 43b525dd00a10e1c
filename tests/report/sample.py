"""A made-up result with every key that a run writes, and what to do with it."""

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from montecarlo.model.parameters import load
from montecarlo.report.charts.losses import Distribution

HOSTILE = "</title><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>\x00\x1b[2J\x9b2J\u202e\u2066\ud800"
"""What breaks out of markup, steers a terminal, turns the direction of text, and cannot be encoded."""


def case(fed_rate: float, scale: float) -> dict[str, Any]:
    def interval(value: float) -> list[float]:
        return [value * 0.9, value * 1.2]

    el, ul, worst = 12.3456e6 * scale, 6.5432e6 * scale, 66.6654e6 * scale
    var = {"95": 23.4567e6 * scale, "99": 34.5678e6 * scale, "99.9": 56.789e6 * scale}
    es = {"97.5": 33.3312e6 * scale, "99": 44.4423e6 * scale, "99.9": 66.6634e6 * scale}
    capital = {"99.9": var["99.9"] - el}
    return {
        "fed_rate": fed_rate,
        "mean_pd": 0.0123 * min(scale, 2),
        "el_check": {"simulated": 12.4e6 * scale, "standard_errors_apart": 0.1, "agrees": True},
        "el": el,
        "ul": ul,
        "var": var,
        "es": es,
        "economic_capital": capital,
        "worst": worst,
        "interval_95": {
            "el": interval(el),
            "ul": interval(ul),
            "var": {level: interval(value) for level, value in var.items()},
            "es": {level: interval(value) for level, value in es.items()},
            "economic_capital": {"99.9": interval(capital["99.9"])},
        },
        "change": {
            "var": {"99.9": var["99.9"] * (1 - 1 / scale)},
            "interval_95": {"var": {"99.9": [var["99.9"] * (0.9 - 1 / scale), var["99.9"] * (1.1 - 1 / scale)]}},
        },
        "capital": 88.1234e6 * scale,
        "ecl": {"twelve_month": 11.2345e6 * scale, "lifetime": 47.1234e6 * scale},
        "effective_sample_size": {"all": 1100, "99.9": 150},
        "convergence": [
            {"scenarios": 2000, "el": [el, 0.01 * el], "var_99.9": [var["99.9"], 0.02 * var["99.9"]]},
            {"scenarios": 1000, "el": [1.05 * el, 0.02 * el], "var_99.9": [0.9 * var["99.9"], 0.04 * var["99.9"]]},
        ],
        "segments": {
            "credit_card": {
                "el": el * 0.25,
                "var_99_contribution": var["99"] * 0.3,
                "es_99_contribution": es["99"] * 0.4,
                "interval_95": {"es_99_contribution": [es["99"] * 0.38, es["99"] * 0.42]},
                "capital": 20.1111e6 * scale,
                "twelve_month_ecl": 2.2222e6 * scale,
                "lifetime_ecl": 7.3333e6 * scale,
            },
            "auto": {"el": el * 0.75},
        },
        "regions": {"unknown": {"el": el * 0.5}, "9": {"el": el * 0.5, "es_99_contribution": 1.0}},
    }


def contributions(scale: float) -> dict[str, Any]:
    def of_loan(_: int) -> dict[str, Any]:
        return {"segment": "auto", "standard_error": {"es": 1e4, "economic_capital": None}}

    def of_borrower(i: int) -> dict[str, Any]:
        return {"loans": i + 1}

    def parts(name: str, number: int, more: Callable[[int], dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                name: f"{name}-{i}",
                **more(i),
                "exposure": 1e6 * scale,
                "es": 5e5 * scale / (i + 1),
                "economic_capital": -1e4 * scale,
                "share": 0.01 / (i + 1),
            }
            for i in range(number)
        ]

    return {
        "es": 44.4423e6 * scale,
        "economic_capital": 20e6 * scale,
        "loans": parts("account", 12, of_loan),
        "others": {"loans": 3318, "es": 43e6 * scale, "economic_capital": 20e6 * scale},
        "rounding": {"es": 0.02, "economic_capital": 0.0},
        "borrowers": parts("borrower", 3, of_borrower),
        "other_borrowers": {"borrowers": 2997, "es": 43.5e6 * scale, "economic_capital": 20e6 * scale},
    }


def economy(shift: float) -> dict[str, Any]:
    return {
        "fed_rate": 3.63,
        "el": 10e6,
        "loss_in_average_economy": 6e6,
        "most": 9e8,
        "shift": shift,
        "probability": NormalDist().cdf(-shift),
        "sectors": {"credit_card": -0.8 * shift, "auto": -0.6 * shift},
        "segments": {
            "credit_card": {"exposure": 2.5e8, "loss_in_average_economy": 4e6, "loss": 45e6},
            "auto": {"exposure": 7.5e8, "loss_in_average_economy": 2e6, "loss": 15e6},
        },
    }


def full_result() -> dict[str, Any]:
    return {
        "schema": 1,
        "run": "quarter-end",
        "seed": 4711,
        "institution": "First Example Bank",
        "portfolio_name": "Consumer loans",
        "capital_available": 60e6,
        "compared": {
            "run": "last-quarter",
            "as_of": "2025-10-01",
            "currency": "USD",
            "loans": 3000,
            "exposure": 8e8,
            "cases": {"base": {"el": 10e6, "var": {"99.9": 50e6}, "economic_capital": {"99.9": 40e6}}},
        },
        "scenarios": 2000,
        "sampling": {"method": "mixture", "shift": [-2.5, 0.0], "one_in": 1, "relative_error": 0.0},
        "parameters": load({"segments": {"auto": {"lgd": 0.4375}}}).to_json(),
        "versions": {
            "montecarlo": "0.1.0",
            "numpy": "2.9.9",
            "portfolio": "5eed" * 16,
            "mapping": {"columns": {"Rate": "Zinssatz"}},
        },
        "portfolio": {
            "source": "portfolios/default/",
            "as_of": "2026-01-01",
            "concentration": {"hhi": 0.0005, "effective_loans": 2000, "hhi_segments": 0.625, "hhi_regions": 0.82},
            "borrowers": {
                "number": 3000,
                "hhi": 0.0008,
                "one_in": 1,
                "largest": [
                    {"borrower": f"obligor-{place}", "exposure": 2e7 - 1e6 * place, "share": 0.02, "loans": 3 + place}
                    for place in range(10)
                ],
            },
            "segments": {"credit_card": {"loans": 1111, "exposure": 2.5e8}, "auto": {"loans": 2222, "exposure": 7.5e8}},
            "regions": {"9": {"loans": 3000, "exposure": 9e8}, "unknown": {"loans": 333, "exposure": 1e8}},
        },
        "reverse_stress": {"loss": 60e6, "cases": {"base": economy(2.75), "stressed": economy(2.13)}},
        "loans": {"read": 3340, "simulated": 3333, "rejected": 7, "not_sampled": 0},
        "input": {
            "loans": 3333,
            "columns": {
                "Rate": {
                    "given": 3000,
                    "missing": 333,
                    "least": 1.25,
                    "q01": 2.5,
                    "median": 7.5,
                    "q99": 20,
                    "most": 23.75,
                }
            },
            "segments": {"auto": {"loans": 2222, "exposure": 7.5e8, "pd": 0.0123, "lgd": 0.45}},
            "pd_bands": [{"from": 0.0, "loans": 1111, "exposure": 2.5e8, "pd": 0.001}],
            "largest": [{"loan": "A1", "exposure": 2e7, "share": 0.02}],
            "warnings": [],
        },
        "duplicates": {"rows": 0, "accounts": 0, "share": 0.0, "exact": True, "one_in": 1, "interval_95": [0, 0]},
        "rejected_by_reason": {"LoanTerm is empty": 2, "GrossIncome must not be negative": 5},
        "exposure": 1e9,
        "cases": {"base": case(3.63, 1.0), "stressed": case(8.0, 1.5)},
        "contributions": {
            "level": 99.0,
            "loans": 3330,
            "cases": {"base": contributions(1.0), "stressed": contributions(1.5)},
        },
        "timings": {
            "produced": "2026-01-02T03:04:05+00:00",
            "wall_seconds": 83.4,
            "kernel_seconds": 0.25,
            "peak_memory_mb": 612,
        },
        "cost": {
            "usd": 0.0431,
            "estimated_usd": 0.0525,
            "gb_seconds": 2476.5,
            "estimated_gb_seconds": 3001.2,
            "requests": {"lambda": 27, "s3_put": 31},
            "usd_by_item": {"state transitions": 0.000225},
            "prices": {"date": "2026-01", "region": "us-east-1", "source": "public price lists"},
        },
    }


def gamma_losses() -> dict[str, Distribution]:
    losses = np.random.Generator(np.random.Philox(7)).gamma(2.0, 6e8, 2000).astype(np.int64)
    weights = np.full(2000, 1 / 2000)
    return {"base": Distribution(losses, weights), "stressed": Distribution(losses * 3 // 2, weights)}


def few_losses() -> Distribution:
    """Four scenarios."""
    return Distribution(np.array([0, 100, 200, 5_000_000_000]), np.full(4, 0.25))


def named(text: str) -> dict[str, Any]:
    """The result of one case with `text` wherever a text can stand that this project does not choose."""
    result = full_result()
    part = result["cases"]["base"]["segments"]["credit_card"]
    parts = {"segments": {text: part, "auto": part}, "regions": {text: part}}
    figures = result["cases"]["base"] | parts | {"probit_shift": {text: 0.1}, text: {text: 1.0}}
    figures["convergence"][0][text] = [1.0, 0.1]
    holding = {"loans": 1, "exposure": 2.0}
    result["portfolio"] |= {"source": text, "as_of": text, "segments": {text: holding}, "regions": {text: holding}}
    for borrower in result["portfolio"]["borrowers"]["largest"]:
        borrower["borrower"] = text
    return result | {
        "run": text,
        "institution": text,
        "portfolio_name": text,
        "compared": {"run": text, "as_of": text, "cases": {text: {"el": 1.0}}},
        text: text,
        "parameters": result["parameters"] | {text: [text]},
        "versions": {text: text, "portfolio": text, "mapping": {text: text}},
        "rejected_by_reason": {text: 1},
        "cases": {text: figures},
        "waves": {"count": 2, "target_measure": text, "target_error": 0.1, "relative_error": 0.2, "reached": False},
        "timings": {text: text},
        "cost": {
            text: text,
            "usd": 1.0,
            "requests": {text: 1},
            "usd_by_item": {text: 1.0},
            "prices": {"source": text, "date": text, "region": text},
        },
    }


MANY = ("base", *(f"shock_{index}" for index in range(1, 16)), "the_longest_of_names." * 3 + "0123456789")
"""Names of more cases than can stand side by side."""


def many_cases() -> dict[str, Any]:
    """A result with cases of all these names."""
    return {
        "schema": 1,
        "run": "many",
        "cases": {name: case(3.63 + index, 1 + index % 9 / 10) for index, name in enumerate(MANY)},
    }
