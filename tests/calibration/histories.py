"""Histories of which the parameters are known: loans whose outcomes are drawn by the model's own formula."""

from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

from calibration.history import Columns, History, read
from montecarlo.model.parameters import Parameters, load

special: Any = import_module("scipy.special")  # of the test extra, and untyped

TRUTH: dict[str, Any] = {
    "scorecard": {"debt_to_income": 2.5, "rate": 0.15, "term": -0.05, "age": -0.2, "size": 0.1},
    "segments": {"personal": {"intercept": -3.2}, "auto": {"intercept": -4.0}},
}
COLUMNS = Columns(date="Looked", grade="Grade")


def loans(seed: int, count: int, years: int = 8) -> dict[str, npt.NDArray[Any]]:
    """Columns of loans of two segments that were looked at in some years, without their outcomes."""
    draw = np.random.default_rng(seed)
    amount, rate = draw.lognormal(9.3, 0.6, count).round(2), draw.uniform(3, 18, count).round(2)
    term = draw.choice([24, 36, 48, 60, 72], count)
    looked = (np.datetime64("2010") + draw.integers(0, years, count)).astype("datetime64[D]")
    age = draw.integers(0, 24, count)
    return {
        "AccountID": np.array([f"{seed}-{loan}" for loan in range(count)]),
        "Rate": rate,
        "LoanAmount": amount,
        "LoanTerm": term,
        "Payment": (amount / term * (1 + rate / 100)).round(2),
        "GrossIncome": draw.lognormal(10.7, 0.4, count).round(2),
        "OriginationDate": (looked.astype("datetime64[M]") - age).astype("datetime64[D]"),
        "Looked": looked,
        "Segment": draw.choice(["personal", "auto"], count),
        "Grade": draw.choice(["A", "B", "C"], count),
    }


def truth(columns: dict[str, npt.NDArray[Any]], told: dict[str, Any] = TRUTH) -> npt.NDArray[np.float64]:
    """Each loan's PD, from the formula as docs/model.md has it, and no code of the engine."""
    card, base = told["scorecard"], load().scorecard
    income = np.minimum(12 * columns["Payment"] / columns["GrossIncome"], base.debt_to_income_cap)
    looked, began = (columns[name].astype("datetime64[M]").astype(int) for name in ("Looked", "OriginationDate"))
    ratio = columns["LoanAmount"] / base.reference_amount
    power = np.floor(np.log2(ratio))
    total = np.array([told["segments"][name]["intercept"] for name in columns["Segment"]])
    total = total + card["debt_to_income"] * income + card["rate"] * (columns["Rate"] - base.reference_rate)
    total = total + card["term"] * (columns["LoanTerm"] - base.reference_term) / 12
    total = total + card["age"] * np.minimum(looked - began, base.age_cap) / 12
    return np.asarray(special.expit(total + card["size"] * (power + ratio / 2**power - 1)))


def outcomes(columns: dict[str, npt.NDArray[Any]], seed: int, rho: float = 0.0) -> dict[str, npt.NDArray[Any]]:
    """The columns with outcomes: each loan's own luck, and where rho is above 0 that of its segment's year."""
    draw = np.random.default_rng(seed + 1_000_000)
    pd = truth(columns)
    if rho:
        _, of = np.unique(np.char.add(columns["Looked"].astype(str), columns["Segment"]), return_inverse=True)
        z = draw.standard_normal(of.max() + 1)[of]
        pd = special.ndtr((special.ndtri(pd) - np.sqrt(rho) * z) / np.sqrt(1 - rho))
    return {**columns, "Outcome": (draw.random(len(pd)) < pd).astype(int)}


def write(path: Path, columns: dict[str, npt.NDArray[Any]]) -> Path:
    """As a CSV file."""
    pacsv.write_csv(pa.table({name: pa.array(values) for name, values in columns.items()}), path)
    return path


def history(
    path: Path, columns: Columns = COLUMNS, mapping: dict[str, Any] | None = None, parameters: Parameters | None = None
) -> History:
    """The file's history."""
    return read({path.name: path}, mapping, columns, parameters or load(), date(2020, 1, 1))
