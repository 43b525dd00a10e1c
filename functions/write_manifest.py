"""WriteManifest: check that every file of a generated portfolio is there, and list them."""

from typing import Any

from montecarlo.host.runtime import data_store, logged
from montecarlo.run import datagen as datagen_run


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"name", "parts_key"} -> {"manifest": its key, "loans"}."""
    key, loans = datagen_run.write_manifest(event["name"], event["parts_key"], data_store())
    return {"manifest": key, "loans": loans}
