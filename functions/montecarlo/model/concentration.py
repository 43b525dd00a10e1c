"""Concentration of a portfolio by the Herfindahl-Hirschman index: the sum of squared shares, 1/n for n equal parts.

One AccountID counts as one obligor. Imports the standard library only.
"""

from collections.abc import Sequence


def herfindahl(sum_of_squares: int, total: int) -> float:
    """The index from the sum of squared exposures and the sum of exposures; 0 where nothing is owed.

    Its inverse is the effective number of obligors: that many equal ones would be as concentrated.
    """
    return sum_of_squares / total**2 if total else 0.0


def between(exposures: Sequence[int]) -> float:
    """The index between the parts of a portfolio, segments or regions, from the exposure of each."""
    return herfindahl(sum(exposure**2 for exposure in exposures), sum(exposures))
