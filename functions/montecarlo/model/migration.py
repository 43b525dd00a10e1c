"""PDs by year that follow from a migration matrix: what a loan of each grade meets in each year that it is alive.

Of loans that are in grade i today, the shares s of the grades among those alive after y years are a row of the
matrix's power, without default and divided by its sum:

    PD(y) = sum over j of s_j * P(j defaults in a year),    s' = s * M / (1 - PD(y)),    s = the grade itself at first

Only +, -, *, / in a fixed order, each its own NumPy operation: the same bits on every CPU, so that whoever reads the
matrix finds the same PDs. Imports NumPy only.

Source: R. Jarrow, D. Lando, S. Turnbull, A Markov model for the term structure of credit risk spreads, 1997.
"""

import math
from collections.abc import Sequence

import numpy as np


def pds_by_year(matrix: Sequence[Sequence[float]], years: int) -> list[tuple[float, ...]]:
    """Of each of G grades the PD of each of so many years, of a loan that is alive at its beginning.

    matrix: G rows of G + 1 probabilities of being in each grade a year later, of default last. Each row is divided by
    its sum. Once no loan of a grade can be alive any more, its PD is 1.
    """
    rows = np.array([[each / math.fsum(row) for each in row] for row in matrix])
    default, grades = rows[:, -1], len(rows)
    shares = np.eye(grades)
    found = []
    for _ in range(years):
        pd, moved = np.zeros(grades), np.zeros((grades, grades))
        for grade in range(grades):  # no dot product, whose order of sums is the library's own
            pd = pd + shares[:, grade] * default[grade]
            moved = moved + shares[:, grade, np.newaxis] * rows[grade, :-1]
        alive = np.zeros(grades)
        for grade in range(grades):
            alive = alive + moved[:, grade]
        found.append(np.where(alive > 0, np.minimum(pd, 1.0), 1.0))
        shares = moved / np.where(alive > 0, alive, 1.0)[:, np.newaxis]
    return [tuple(of_grade) for of_grade in np.array(found).T.tolist()]
