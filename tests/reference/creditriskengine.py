"""What creditriskengine, a library that others wrote, makes of the cases that tests compare with.

    python -m tests.reference.creditriskengine

writes creditriskengine_values.json anew. It wants pandas, scikit-learn and statsmodels, of which nothing else here has
need, so it is in no extra: `.venv/bin/pip install creditriskengine==0.31.0` beside the `test` extra. The tests compare
with the file, and where the library is installed, the file with the library.
"""

import json
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from montecarlo.model import capital
from tests.verification.check_pools import mixed_portfolio

FILE = Path(__file__).with_name("creditriskengine_values.json")

RISK_WEIGHTS = list(
    product([0.001, 0.004, 0.02, 0.1, 0.3, 0.9], capital.CLASSES, [1.0, 2.5, 5.0], [None, 3.0, 20.0, 80.0])
)
"""PD, exposure class, maturity in years and sales in millions of euros."""

QUANTILES = [(pd, rho, level) for pd in (0.001, 0.02, 0.2) for rho in (0.05, 0.15, 0.5) for level in (0.95, 0.999)]
"""PD, asset correlation and level."""


def known() -> dict[str, Any]:
    """The file's values; where the library is installed they are its own."""
    values: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    if find_spec("creditriskengine"):
        for name, value in computed().items():
            same = value == values[name] if isinstance(value, str) else np.allclose(value, values[name], rtol=1e-12)
            assert same, f"{FILE.name} has other values of {name}: make it anew with python -m {__spec__.name}"
    return values


def computed() -> dict[str, Any]:
    """The library's values."""
    irb = import_module("creditriskengine.rwa.irb.formulas")
    asrf = import_module("creditriskengine.portfolio.vasicek")
    concentration = import_module("creditriskengine.models.concentration.concentration")
    names = {"qualifying_revolving": "qrre"}
    equal = np.ones(400)
    portfolio, _ = mixed_portfolio(400, 0.15)
    exposure, pd, lgd = (portfolio[name].to_numpy() for name in ("EAD", "PD", "LGD"))
    return {
        "source": f"creditriskengine {version('creditriskengine')}",
        "risk_weights": [
            irb.irb_risk_weight(pd, 0.45, names.get(kind, kind), maturity, turnover_eur_millions=sales) / 100
            for pd, kind, maturity, sales in RISK_WEIGHTS
        ],
        "quantiles": [asrf.vasicek_loss_quantile(pd, rho, 1.0, level) for pd, rho, level in QUANTILES],
        "equal_loans": float(concentration.granularity_adjustment(equal, equal * 0.02, equal, 0.1)),
        "mixed_loans": float(concentration.granularity_adjustment(exposure, pd, lgd, 0.15)),
        "mixed_loans_el": float((exposure * pd * lgd).sum()),
    }


def main() -> int:
    FILE.write_text(json.dumps(computed(), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
