"""The nearest economy that costs an amount, against a closed form and against brute force."""

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from additive import reverse_stress as reverse
from additive.replay import Replay
from tests.memory_run import MemoryHost, simulate
from tests.verification import exact
from tests.verification.figures import Figure, near

Floats = npt.NDArray[np.float64]

PLACE = "portfolios/mine/part-0.parquet"


def reverse_stress() -> list[Figure]:
    """One factor and equal loans have a closed form: z = (probit(PD) - sqrt(1 - rho) probit(share)) / sqrt(rho). Two
    sectors that share half of their factor: of 40,001 directions over the circle, by SciPy from the loans, the
    shortest shift that loses the amount. The exact values are those of the formulas in floating point; the engine's
    thresholds are in fixed point.
    """
    figures = []
    for pd, correlation, share in ((0.01, 0.12, 0.1), (0.02, 0.2, 0.25), (0.002, 0.3, 0.02)):
        book = pa.table(
            {
                "AccountID": [f"L{loan}" for loan in range(100)],
                "PD": [pd] * 100,
                "LGD": [0.4] * 100,
                "EAD": [1_000.0] * 100,
                "Segment": ["mortgage"] * 100,
            }
        )
        found = _shift(book, share * 40_000, {"segments": {"mortgage": {"asset_correlation": correlation}}})
        r = math.sqrt(1 - correlation)
        z = (exact.special.ndtri(pd) - r * exact.special.ndtri(share)) / math.sqrt(correlation)
        figures.append(
            near(f"PD {pd}, rho {correlation}, {share:.0%} of the LGDs lost: standard deviations", found, -z, 2e-5)
        )
    rho = {"mortgage": 0.3, "personal": 0.05}
    book = pa.table(
        {
            "AccountID": list("abc"),
            "PD": [0.004, 0.03, 0.01],
            "LGD": [1.0] * 3,
            "EAD": [40_000.0, 10_000.0, 60_000.0],
            "Segment": ["mortgage", "personal", "mortgage"],
        }
    )
    for goal in (15_000.0, 60_000.0):
        changes = {name: {"asset_correlation": value} for name, value in rho.items()}
        found = _shift(book, goal, {"global_factor_share": 0.5, "segments": changes})
        shortest = _by_brute_force(book, goal, rho)
        figures.append(near(f"two sectors, {goal:,.0f} of 110,000: standard deviations", found, shortest, 1e-4))
    return figures


def _shift(book: pa.Table, goal: float, changes: dict[str, Any]) -> float:
    buffer, host = io.BytesIO(), MemoryHost()
    pq.write_table(book, buffer)
    host.s3.objects[PLACE] = buffer.getvalue()
    simulate(host, run="june", portfolio=PLACE, scenarios=60, as_of="2026-01-01", parameters=changes)
    return float(reverse.find(Replay.open(host.store, "june"), goal)["cases"]["base"]["shift"])


def _by_brute_force(book: pa.Table, goal: float, rho: dict[str, float]) -> float:
    """The shortest of many directions in the plane of two correlated factors, each solved by bisection."""
    angle = np.linspace(0, 2 * math.pi, 40_001)
    first, second = np.cos(angle), np.sin(angle)
    factors = {"mortgage": first, "personal": 0.5 * first + math.sqrt(0.75) * second}
    low, high = np.zeros(angle.size), np.full(angle.size, 8.0)
    lost = sum(_lost(row, factors[row["Segment"]] * high, rho) for row in book.to_pylist())
    reached = np.asarray(lost) >= goal
    for _ in range(40):
        middle = (low + high) / 2
        lost = sum(_lost(row, factors[row["Segment"]] * middle, rho) for row in book.to_pylist())
        below = np.asarray(lost) < goal
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return float(high[reached].min())


def _lost(row: dict[str, Any], z: Floats, rho: dict[str, float]) -> Floats:
    """E[L | z] of a loan."""
    r = rho[row["Segment"]]
    x = (exact.special.ndtri(row["PD"]) - math.sqrt(r) * z) / math.sqrt(1 - r)
    return np.asarray(row["EAD"] * exact.special.ndtr(x))
