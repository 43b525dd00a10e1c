"""WriteManifest: check that every file of a generated portfolio is there, and list them."""

from typing import Any

from montecarlo.errors import IncompleteRun
from montecarlo.run.parts import Part
from montecarlo.source.listing import manifest
from montecarlo.source.objects import InputObject
from montecarlo.steps.protocol import Event, Host
from montecarlo.storage import keys
from montecarlo.storage.store import Store


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"name", "parts_key"} -> {"manifest": its key, "loans"}."""
    key, loans = write_manifest(event["name"], event["parts_key"], host.store)
    return {"manifest": key, "loans": loans}


def write_manifest(name: str, parts_key: str, store: Store) -> tuple[str, int]:
    """Write the manifest; returns its key and the number of loans. Raises IncompleteRun if a part is missing."""
    parts = [Part(**entry) for entry in store.get_json(parts_key)]
    written = {item.key: item for item in store.list(keys.portfolio(name))}
    if missing := [part.key for part in parts if part.key not in written]:
        raise IncompleteRun(
            f"{len(missing)} of {len(parts)} files of portfolio {name} are missing, the first {missing[0]}."
        )
    objects = [InputObject(part.key, written[part.key].size, part.count, written[part.key].etag) for part in parts]
    key = keys.portfolio_manifest(name)
    store.put_json(key, manifest(objects, parts[0].as_of, name=name, seed=parts[0].seed), indent=1)
    return key, sum(part.count for part in parts)
