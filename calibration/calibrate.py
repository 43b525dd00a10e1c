"""A history turned into parameters, with what they are worth on loans that they were not estimated from."""

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from calibration import quality, rates, scorecard, series
from calibration.history import Columns, History
from calibration.quality import Quality
from calibration.rates import Correlation
from calibration.scorecard import COEFFICIENTS, Estimate, Fit
from calibration.series import ALL, Series
from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.model import parameters as model
from montecarlo.model.parameters import Parameters
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.simulation.trials import mix64

SCHEMA = 1

LEARNT = 0.7
"""Share of the loans that parameters are estimated from, about; the others show what they are worth."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Grade:
    """A grade's loans and defaults, the 95 % interval of its default rate, and the PD that is taken."""

    loans: int
    defaults: int
    interval: tuple[float, float]
    pd: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """What was found. split: how the history was parted, in words. correlations, uncorrelated: by segment, the latter
    why there is none. after, before: on the loans left out, of the new and the old parameters; None where none were
    left. document: the parameter file. mapping: the mapping by which a portfolio takes the grades' PDs, None without
    grades or where no mapping can.
    """

    source: str
    base: Parameters
    parameters: Parameters
    fit: Fit
    split: str
    history: History
    incomplete: int
    grades: Mapping[str, Grade]
    correlations: Mapping[str, Correlation]
    uncorrelated: Mapping[str, str]
    learnt: Quality
    after: Quality | None
    before: Quality | None
    document: Mapping[str, Any]
    mapping: Mapping[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Everything but the two files that a run takes."""
        history = self.history
        return {
            "schema": SCHEMA,
            "source": self.source,
            "rows": {
                "read": history.read,
                "rejected": history.rejected,
                "rejected_by_reason": dict(history.reasons),
                "without_a_column_of_the_scorecard": self.incomplete,
            },
            "split": self.split,
            "learnt_from": {"loans": self.fit.loans, "defaults": self.fit.defaults},
            "scorecard": {name: _estimate(found) for name, found in self.fit.coefficients.items()},
            "intercepts": {name: _estimate(found) for name, found in self.fit.intercepts.items()},
            "kept": dict(self.fit.kept),
            "at_zero": dict(self.fit.at_zero),
            "grades": {name: asdict(grade) for name, grade in self.grades.items()},
            "asset_correlations": {
                name: {**asdict(found), "doubts": found.doubts} for name, found in self.correlations.items()
            },
            "no_asset_correlation": dict(self.uncorrelated),
            "quality": {
                "in_sample": asdict(self.learnt),
                "out_of_sample": None if self.after is None else asdict(self.after),
                "out_of_sample_before": None if self.before is None else asdict(self.before),
            },
        }


def _estimate(found: Estimate) -> dict[str, Any]:
    return {"value": found.value, "standard_error": found.standard_error, "interval_95": list(found.interval)}


def calibrate(
    history: History,
    source: str,
    columns: Columns,
    given: Mapping[str, Any] | None = None,
    mapping: Mapping[str, Any] | None = None,
    of_rates: Mapping[str, Series] | None = None,
    rates_source: str = "",
) -> Calibration:
    """Parameters from a history, laid over `given`, a parameter file's content.

    source, rates_source: what the files are called. of_rates: default rates by segment, which are taken for the asset
    correlations in place of the history's own years. Raises InvalidPortfolio where the history tells no finite
    estimate, InvalidInput where the rates tell none, or an estimate lies outside of what the model allows.
    """
    base = model.load(given)
    usable = scorecard.usable(history.loans, base.scorecard)
    if not usable.any():
        raise InvalidPortfolio(
            "no loan has all that the scorecard needs: Rate, Payment, LoanAmount, LoanTerm, OriginationDate and "
            "GrossIncome. A PD in the history is not needed, and lets them be missing."
        )
    learn, split = _split(history, usable)
    loans, y = history.loans, history.defaulted
    fit = scorecard.fit(loans.select(learn), y[learn], base)
    found, without, source_of_rates = _correlations(history, base, of_rates, source, rates_source)
    document = _document(given, base, fit, source, split, found, source_of_rates)
    try:
        fitted = model.load(document)
    except InvalidInput as error:
        raise InvalidInput(f"an estimate lies outside of what the model allows: {error}") from None
    left = usable & ~learn
    graded = {} if history.grade is None else _grades(history.grade, y)

    def worth(rows: Bools, by: Parameters) -> Quality | None:
        chosen = loans.select(rows)
        return quality.measure(scorecard.probabilities(chosen, by), y[rows]) if len(chosen) else None

    learnt = worth(learn, fitted)
    assert learnt is not None
    return Calibration(
        source=source,
        base=base,
        parameters=fitted,
        fit=fit,
        split=split,
        history=history,
        incomplete=int((~usable).sum()),
        grades=graded,
        correlations=found,
        uncorrelated=without,
        learnt=learnt,
        after=worth(left, fitted),
        before=worth(left, base),
        document=document,
        mapping=_mapping(mapping, columns, graded) if graded else None,
    )


def _split(history: History, usable: Bools) -> tuple[Bools, str]:
    """The loans to learn from, (N,), and in words how they were chosen: the earliest, or without dates by a hash."""
    if history.day is not None:
        days, counts = np.unique(history.day[usable], return_counts=True)
        if len(days) > 1:
            share = np.cumsum(counts) / counts.sum()
            last = days[min(int(np.searchsorted(share, LEARNT - 1e-9)), len(days) - 2)]
            learn = usable & (history.day <= last)
            return learn, f"by time: loans looked at up to {last} are learnt from, later ones left out"
    hashed = mix64(history.loans.key) >> np.uint64(40)
    learn = usable & (hashed < np.uint64(int(LEARNT * (1 << 24))))
    if not learn.any():
        learn = usable
    return learn, f"by a hash of the AccountID: about {100 * LEARNT:.0f} % are learnt from, the others left out"


def _correlations(
    history: History, base: Parameters, given: Mapping[str, Series] | None, source: str, rates_source: str
) -> tuple[dict[str, Correlation], dict[str, str], str]:
    """Asset correlations by segment, why there is none, and the name of the file that they are from.

    A series that was given must tell one; the years of a history may.
    """
    names = list(base.segments)
    held = [names[place] for place in np.unique(history.loans.segment).tolist()]
    found: dict[str, Correlation] = {}
    without: dict[str, str] = {}
    if given is not None:
        for segment, of in given.items():
            told = rates.correlation(of.rates, of.loans, rates_source + (f", {segment}" if segment else ""))
            found.update(dict.fromkeys(held if segment == ALL else [segment], told))
        return found, without, rates_source
    for segment, of in series.of_history(history, names).items():
        try:
            told = rates.correlation(of.rates, of.loans, segment)
        except InvalidInput as error:
            without[segment] = str(error)
            continue
        if told.noise is not None and told.noise > rates.MOST_NOISE:
            without[segment] = f"{segment}: the ups and downs of its years are mostly luck among single loans."
        else:
            found[segment] = told
    return found, without, f"{source}, its years"


def _grades(grade: pa.Array, defaulted: Bools) -> dict[str, Grade]:
    """Of all loans that have a grade, in the order of the names."""
    found = {}
    encoded = grade.dictionary_encode()
    index = np.asarray(encoded.indices.fill_null(-1))
    for place, name in sorted(enumerate(encoded.dictionary.to_pylist()), key=lambda each: each[1]):
        of = index == place
        loans, defaults = int(of.sum()), int(defaulted[of].sum())
        pd = _rounded(rates.posterior_mean(defaults, loans))
        found[name] = Grade(loans, defaults, rates.jeffreys(defaults, loans), pd)
    return found


def _rounded(value: float) -> float:
    """Six digits, far more than any estimate has."""
    return float(f"{value:.6g}")


def _document(
    given: Mapping[str, Any] | None,
    base: Parameters,
    fit: Fit,
    source: str,
    split: str,
    correlations: Mapping[str, Correlation],
    source_of_rates: str,
) -> dict[str, Any]:
    """The parameter file: what was given, and every estimate with its source."""
    document: dict[str, Any] = copy.deepcopy(dict(given or {}))
    document |= {"schema": model.SCHEMA, "name": f"{base.name}, calibrated"}
    card = document.setdefault("scorecard", {})
    way = (
        f"estimated from {source}: logistic regression on {fit.loans:,} loans with {fit.defaults:,} defaults ({split})"
    )
    for name in COEFFICIENTS:
        if name in fit.coefficients:
            card[name] = _leaf(fit.coefficients[name], way)
        elif name in fit.at_zero:
            card[name] = {"value": 0, "source": f"{way}; {fit.at_zero[name]}"}
    segments = document.setdefault("segments", {})
    for name, found in fit.intercepts.items():
        segments.setdefault(name, {})["intercept"] = _leaf(found, way)
    for name, told in correlations.items():
        value = Estimate(told.rho, told.standard_error)
        by = f"estimated from {source_of_rates}: maximum likelihood on Vasicek's density, {told.periods} default rates"
        segments.setdefault(name, {})["asset_correlation"] = _leaf(value, by)
    return document


def _leaf(found: Estimate, way: str) -> dict[str, Any]:
    return {"value": _rounded(found.value), "source": f"{way}, standard error {found.standard_error:.3g}"}


def _mapping(
    document: Mapping[str, Any] | None, columns: Columns, grades: Mapping[str, Grade]
) -> dict[str, Any] | None:
    """The history's mapping with the grades' PDs as the column PD, and without what only a history has.

    None where the grade is joined from several columns, as no mapping joins them to a number.
    """
    assert columns.grade is not None
    origin = ColumnMapping.parse(document, [columns.grade]).dimensions[columns.grade]
    if origin.separator is not None:
        return None
    made: dict[str, Any] = copy.deepcopy(dict(document or {}))
    told = {name: each for name, each in made.get("dimensions", {}).items() if name not in columns.names}
    made.pop("dimensions", None)
    if told:
        made["dimensions"] = told
    pds = {name: grade.pd for name, grade in grades.items()}  # as numbers, which are read alike in every dialect
    values: dict[str, float] = {theirs: pds[ours] for theirs, ours in origin.values.items() if ours in pds}
    if origin.constant is not None:
        pd: dict[str, Any] = {"constant": pds[origin.constant]}
    else:
        if origin.default is None:  # else what the grade's origin does not name has the default's PD
            values |= {name: pd for name, pd in pds.items() if name not in origin.values}
        pd = {"from": origin.columns[0] if len(origin.columns) == 1 else list(origin.columns), "values": values}
        if origin.default in pds:
            pd |= {"default": pds[origin.default]}
    made["columns"] = {**made.get("columns", {}), "PD": pd}
    ColumnMapping.parse(made)
    return made
