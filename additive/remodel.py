"""A run's loans under another run's model: its parameters and its cases, with their own data. `montecarlo` only."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from montecarlo.model.cases import Case
from montecarlo.model.credit import LoanRisks, loan_risks, own_pd
from montecarlo.model.parameters import Parameters
from montecarlo.model.tables import ModelTables
from montecarlo.portfolio.loans import Loans


def possible(loans: Parameters, model: Parameters) -> bool:
    """Whether the model knows all segments, sectors and grades by which the loans were read."""
    return (
        set(loans.segments) <= set(model.segments)
        and set(loans.named_sectors) <= set(model.named_sectors)
        and set(loans.pds_by_grade) <= set(model.pds_by_grade)
    )


def risks(
    loans: Loans, read_by: Parameters, model: Parameters, cases: Sequence[Case], tables: ModelTables
) -> LoanRisks:
    """What the model says of loans that were read by other parameters. Those of a grade that it does not know keep the
    PD that they had by it.
    """
    segments, sectors = list(model.segments), list(model.named_sectors)
    segment = np.array([segments.index(name) for name in read_by.segments], np.int16)
    sector = np.array([*(sectors.index(name) for name in read_by.named_sectors), -1], np.int16)  # -1: none is given
    grades = list(model.pds_by_grade)
    grade = np.array([*(grades.index(name) if name in grades else -1 for name in read_by.pds_by_grade), -1], np.int16)[
        loans.grade
    ]
    known = np.isnan(loans.pd) & (loans.grade >= 0) & (grade < 0)
    pd = np.where(known, own_pd(loans, read_by), loans.pd)
    named = replace(loans, segment=segment[loans.segment], sector=sector[loans.sector], grade=grade, pd=pd)
    return loan_risks(named, model, cases, tables)
