"""GeneratePart: generate one file of loans."""

from datetime import date
from typing import Any

import pyarrow as pa

from montecarlo.errors import InvalidInput
from montecarlo.portfolio import commercial, synthetic
from montecarlo.run.parts import Part, heads, is_made_by_datagen
from montecarlo.steps.protocol import Event, Host, read_event
from montecarlo.storage.parquet import to_parquet
from montecarlo.storage.store import OCTETS, Overtaken, Store


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"name", "part", "first", "count", "seed", "format", "as_of", "book"}, an item of parts.json -> {"part", "key",
    "loans"}.
    """
    part = read_event(Part, event)
    return {"part": part.part, "key": generate_part(part, host.store), "loans": part.count}


def generate_part(part: Part, store: Store) -> str:
    """Generate the part's loans, write them and return their key.

    The file of an earlier attempt is left as it is; one that was generated for another portfolio of this name gives
    way. Raises InvalidInput for a file that datagen did not make.
    """
    book = commercial if part.book == "commercial" else synthetic
    table = book.generate(part.first, part.count, part.seed, date.fromisoformat(part.as_of))
    data = encode(table, part.format)
    etag = None
    while True:
        try:
            store.put_new(part.key, data, OCTETS, instead_of=etag, metadata=part.metadata)
        except Overtaken:
            (there,) = heads(store, [part.key])
            if there and not is_made_by_datagen(there, part.name):
                raise InvalidInput(
                    f"{store.url(part.key)} is a file that datagen did not make: choose another name for the portfolio."
                ) from None
            if there is None or there.metadata != part.metadata:
                etag = there.etag if there else None
                continue
        return part.key


def encode(table: pa.Table, format: str) -> bytes:
    """Generated loans as a file: csv, or parquet in row groups small enough for a chunk to read little more than its
    own.
    """
    if format == "csv":
        return synthetic.to_csv(table)
    return to_parquet(table, synthetic.ROW_GROUP_ROWS, all_repeat=True)
