"""GeneratePart: generate one file of loans."""

from datetime import date
from typing import Any

import pyarrow as pa

from montecarlo.portfolio import synthetic
from montecarlo.run.parts import Part
from montecarlo.steps.protocol import Event, Host, read_event
from montecarlo.storage.parquet import to_parquet
from montecarlo.storage.store import Store


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"name", "part", "first", "count", "seed", "format", "as_of"}, an item of parts.json -> {"part", "key",
    "loans"}.
    """
    part = read_event(Part, event)
    return {"part": part.part, "key": generate_part(part, host.store), "loans": part.count}


def generate_part(part: Part, store: Store) -> str:
    """Generate the part's loans, write them and return their key."""
    table = synthetic.generate(part.first, part.count, part.seed, date.fromisoformat(part.as_of))
    data = encode(table, part.format)
    store.put(part.key, data)
    return part.key


def encode(table: pa.Table, format: str) -> bytes:
    """Generated loans as a file: csv, or parquet in row groups small enough for a chunk to read little more than its
    own.
    """
    if format == "csv":
        return synthetic.to_csv(table)
    return to_parquet(table, synthetic.ROW_GROUP_ROWS, all_repeat=True)
