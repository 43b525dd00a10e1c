"""A portfolio generated in parts: what each state of the datagen state machine does."""

from dataclasses import asdict, dataclass
from datetime import date

from montecarlo.errors import IncompleteRun
from montecarlo.portfolio import synthetic as datagen
from montecarlo.run.request import DatagenRequest
from montecarlo.source.listing import manifest
from montecarlo.source.objects import InputObject
from montecarlo.storage import keys
from montecarlo.storage.store import Store


@dataclass(frozen=True)
class Part:
    """One file of a portfolio: loans [first, first + count)."""

    name: str
    part: int
    first: int
    count: int
    seed: int
    format: str
    as_of: str

    @property
    def key(self) -> str:
        return keys.portfolio_part(self.name, self.part, self.format)


def plan_parts(request: DatagenRequest, store: Store) -> str:
    """Write the parts as JSON and return their key. What a portfolio of the same name had is removed first."""
    for item in list(store.list(keys.portfolio(request.name))):
        store.delete(item.key)
    starts = range(0, request.loans, request.part_loans)
    parts = [
        Part(
            name=request.name,
            part=number,
            first=first,
            count=min(request.part_loans, request.loans - first),
            seed=request.seed,
            format=request.format,
            as_of=request.as_of,
        )
        for number, first in enumerate(starts)
    ]
    key = keys.portfolio_parts(request.name)
    store.put_json(key, [asdict(part) for part in parts])
    return key


def generate_part(part: Part, store: Store) -> str:
    """Generate the part's loans, write them and return their key."""
    table = datagen.generate(part.first, part.count, part.seed, date.fromisoformat(part.as_of))
    data = datagen.to_csv(table) if part.format == "csv" else datagen.to_parquet(table)
    store.put(part.key, data)
    return part.key


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
