"""WriteManifest: check that every file of a generated portfolio is there, and list them."""

from dataclasses import dataclass
from typing import Any

from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun
from montecarlo.run import records
from montecarlo.run.parts import Part, deal, heads
from montecarlo.source.listing import manifest
from montecarlo.source.objects import InputObject
from montecarlo.steps.protocol import Event, Host, read_event
from montecarlo.storage import keys
from montecarlo.storage.store import Store


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"name", "parts_key"} -> {"manifest": its key, "loans"}."""
    given = read_event(ManifestEvent, event)
    key, loans = write_manifest(given.name, host.store)
    return {"manifest": key, "loans": loans}


@dataclass(frozen=True)
class ManifestEvent:
    """A portfolio whose parts are written. `parts_key` follows from the name and is not used."""

    name: str
    parts_key: str | None = None


def write_manifest(name: str, store: Store) -> tuple[str, int]:
    """Write the manifest; returns its key and the number of loans. Raises IncompleteRun if a part is not there."""
    parts_key = keys.portfolio_parts(name)
    parts = records.read(store, parts_key, list[Part])
    if not parts or parts != deal(name, parts[0], sum(part.count for part in parts)):
        raise records.incomplete(Damaged(f"{store.url(parts_key)} is damaged: its parts are not those of {name}."))
    written = {item.key for item in store.list(keys.portfolio(name))}
    if missing := [part.key for part in parts if part.key not in written]:
        raise IncompleteRun(
            f"{len(missing)} of {len(parts)} files of portfolio {name} are missing, the first {missing[0]}: start "
            "datagen again with the same input."
        )
    objects = []
    for part, item in zip(parts, heads(store, [part.key for part in parts]), strict=True):
        if item is None or item.metadata != part.metadata:
            raise IncompleteRun(
                f"{store.url(part.key)} is not the file that was planned: start datagen again with the same input, and "
                "no other under this name at the same time."
            )
        objects.append(InputObject(part.key, item.size, part.count, item.etag))
    key = keys.portfolio_manifest(name)
    store.put_json(key, manifest(objects, parts[0].as_of, name=name, seed=parts[0].seed), indent=1)
    return key, sum(part.count for part in parts)
