"""GeneratePart: generate one file of loans."""

from typing import Any

from montecarlo.host.runtime import data_store, logged
from montecarlo.run import datagen as datagen_run


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"name", "part", "first", "count", "seed", "format", "as_of"}, an item of parts.json -> {"part", "key",
    "loans"}.
    """
    part = datagen_run.Part(**event)
    return {"part": part.part, "key": datagen_run.generate_part(part, data_store()), "loans": part.count}
