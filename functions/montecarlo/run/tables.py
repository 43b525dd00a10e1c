"""Losses and segments as tables whose columns are the same for every run, whatever its cases: what SQL in Athena reads.

cloudformation/storage.yaml and terraform/modules/storage tell them to the Glue Data Catalog; a test compares.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from montecarlo.run.plan import Plan

LOSSES = pa.schema({"case_name": pa.string(), "scenario": pa.int32(), "weight": pa.float64(), "loss_cents": pa.int64()})

SEGMENTS = pa.schema(
    {
        "case_name": pa.string(),
        "kind": pa.string(),
        "part": pa.string(),
        "loans": pa.int64(),
        **dict.fromkeys(
            (
                *("exposure", "el", "contribution_level", "var_contribution", "var_contribution_standard_error"),
                *("es_contribution", "es_contribution_standard_error"),
                *("capital", "twelve_month_ecl", "lifetime_ecl"),
            ),
            pa.float64(),
        ),
    }
)


def losses(plan: Plan, losses: npt.NDArray[np.int64], weights: npt.NDArray[np.float64]) -> pa.Table:
    """A row for each case and scenario. losses: int64 (C, S), in cents; weights: (S,)."""
    scenario = np.arange(weights.size, dtype=np.int32)
    cases = [
        pa.table(
            {
                "case_name": pa.repeat(case.name, weights.size),
                "scenario": scenario,
                "weight": weights,
                "loss_cents": losses[c],
            },
            schema=LOSSES,
        )
        for c, case in enumerate(plan.cases)
    ]
    return pa.concat_tables(cases)


def segments(rows: pa.Table, result: Mapping[str, Any]) -> pa.Table:
    """A row for each part and case. rows: as segments.parquet has them, with the level in the names of columns."""
    level = f"{result['contribution_level']:g}"
    renamed = {"case": "case_name"} | {
        f"{measure}_{level}_contribution{end}": f"{measure}_contribution{end}"
        for measure in ("var", "es")
        for end in ("", "_standard_error")
    }
    named = rows.rename_columns([renamed.get(name, name) for name in rows.column_names])
    named = named.append_column("contribution_level", pa.repeat(float(level), len(rows)))
    return named.select(SEGMENTS.names).cast(SEGMENTS)
