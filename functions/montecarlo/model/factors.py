"""The sectors' factors from independent ones: a common factor and one for each sector, or a matrix of correlations.

    Z_k = sqrt(w) * G + sqrt(1 - w) * eta_k, two sectors with the correlation w, the parameters' global_factor_share,
    Z = A eta where correlations of pairs of sectors are given: A A' is their matrix, by Cholesky.

Used by the planner alone. Imports NumPy and our errors only.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from montecarlo.errors import InvalidInput

Floats = npt.NDArray[np.float64]

_ROUNDING = 1e-9
"""By how much a variance may miss zero in a matrix that is positive semidefinite but for rounding."""


def mixing(sectors: Sequence[str], global_share: float, correlations: Mapping[str, Mapping[str, float]]) -> Floats:
    """Z = mixing @ (G, eta_1 .. eta_F) of F sectors: (F, F + 1). Raises InvalidInput if there are no such factors."""
    count = len(sectors)
    if not correlations:
        return np.hstack([np.full((count, 1), math.sqrt(global_share)), math.sqrt(1 - global_share) * np.eye(count)])
    place = {sector: index for index, sector in enumerate(sectors)}
    matrix = np.full((count, count), global_share)
    np.fill_diagonal(matrix, 1.0)
    for one, others in correlations.items():
        for other, value in others.items():
            matrix[place[one], place[other]] = matrix[place[other], place[one]] = value
    return np.hstack([np.zeros((count, 1)), _cholesky(matrix)])


def _cholesky(matrix: Floats) -> Floats:
    """L with L L' = matrix, lower triangular. Raises InvalidInput unless it is positive semidefinite."""
    count = len(matrix)
    lower = np.zeros((count, count))
    for column in range(count):
        rest = matrix[column:, column] - lower[column:, :column] @ lower[column, :column]
        if rest[0] > _ROUNDING:
            lower[column:, column] = rest / math.sqrt(rest[0])
        elif rest[0] < -_ROUNDING or np.abs(rest).max() > math.sqrt(_ROUNDING):
            least = float(np.linalg.eigvalsh(matrix)[0])
            raise InvalidInput(
                "parameters: sector_correlations: no factors have these correlations together, as their matrix, with "
                f"global_factor_share for pairs that are not given, has the eigenvalue {least:.3g}: it must be "
                "positive semidefinite. Give correlations nearer to each other, or more of the pairs."
            )
    return lower


def mixed(mix: Floats, normals: Floats) -> Floats:
    """Z of shape (F, S) from independent normals of shape (F + 1, S)."""
    return np.array([sum((weight * row for weight, row in zip(weights, normals, strict=True))) for weights in mix])
