"""A run's loans under another run's model: its parameters and its cases, with their own data. `montecarlo` only."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from montecarlo.model.cases import Case
from montecarlo.model.credit import LoanRisks, loan_risks
from montecarlo.model.parameters import Parameters
from montecarlo.model.tables import ModelTables
from montecarlo.portfolio.loans import Loans


def possible(loans: Parameters, model: Parameters) -> bool:
    """Whether the model knows all segments and sectors by which the loans were read."""
    return set(loans.segments) <= set(model.segments) and set(loans.named_sectors) <= set(model.named_sectors)


def risks(
    loans: Loans, read_by: Parameters, model: Parameters, cases: Sequence[Case], tables: ModelTables
) -> LoanRisks:
    """What the model says of loans that were read by other parameters."""
    segments, sectors = list(model.segments), list(model.named_sectors)
    segment = np.array([segments.index(name) for name in read_by.segments], np.int16)
    sector = np.array([*(sectors.index(name) for name in read_by.named_sectors), -1], np.int16)  # -1: none is given
    named = replace(loans, segment=segment[loans.segment], sector=sector[loans.sector])
    return loan_risks(named, model, cases, tables)
