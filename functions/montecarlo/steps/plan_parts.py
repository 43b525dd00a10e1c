"""PlanParts: deal a portfolio to be generated out to files."""

from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any

from montecarlo import documents
from montecarlo.documents import Damaged
from montecarlo.errors import InvalidInput, RunTaken
from montecarlo.run.parts import Part, deal, heads, is_made_by_datagen
from montecarlo.run.request import DatagenRequest, datagen_request
from montecarlo.steps.protocol import Event, Host, read_event
from montecarlo.storage import keys
from montecarlo.storage.store import JSON, NoSuchObject, Overtaken, Store, to_json


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"request": the execution's input, "execution": its name} -> {"name", "max_concurrency", "parts_key"}."""
    given = read_event(PartsEvent, event)
    request = datagen_request(given.request, host.defaults(DatagenRequest))
    parts_key = plan_parts(request, host.store)
    return {"name": request.name, "max_concurrency": request.max_concurrency, "parts_key": parts_key}


@dataclass(frozen=True)
class PartsEvent:
    """The input of an execution, which is checked by `datagen_request`, and the execution's name."""

    request: Any
    execution: str


def plan_parts(request: DatagenRequest, store: Store) -> str:
    """Write parts.json, the parts as JSON, and return its key.

    A portfolio of the same name is left alone: the same is generated again to the same files; another is refused with
    RunTaken, or gives way if the request says `replace`. Only files that datagen made, as their metadata tells, are
    ever removed or written over. Raises InvalidInput where there are others under the name.
    """
    while True:
        try:
            return _plan_parts(request, store)
        except Overtaken:  # by another execution; its parts.json is there now
            continue


def _plan_parts(request: DatagenRequest, store: Store) -> str:
    key = keys.portfolio_parts(request.name)
    whole = Part(request.name, 0, 0, request.part_loans, request.seed, request.format, request.as_of, request.book)
    parts = deal(request.name, whole, request.loans)
    earlier, etag = _earlier(request.name, store)
    found = {item.key for item in store.list(keys.portfolio(request.name))}
    made = _made_by_datagen(request.name, earlier, found, store)
    if foreign := sorted(found - made):
        if _earlier(request.name, store)[1] != etag:
            raise Overtaken("the list of files and parts.json are of different moments.")
        raise InvalidInput(
            f"{store.url(keys.portfolio(request.name))} holds {len(foreign):,} files that datagen did not make, the "
            f"first {foreign[0]}: choose another name for the portfolio."
        )
    if earlier == parts:
        return key
    if earlier and not request.replace:
        raise RunTaken(
            f"portfolio {request.name} exists already, with {_difference(earlier, parts)}: choose another name, or set "
            "replace to true."
        )
    # The manifest first: without it, and until the new one is written, nobody takes the files for a whole portfolio.
    manifest = keys.portfolio_manifest(request.name)
    for old in (manifest, *sorted(made - {key, manifest} - {part.key for part in parts})):
        if old in found:
            store.delete(old)
    store.put_new(key, to_json([asdict(part) for part in parts]), JSON, instead_of=etag)
    return key


def _earlier(name: str, store: Store) -> tuple[list[Part], str | None]:
    """The parts of the portfolio of this name, none where there is none, and the ETag of parts.json."""
    key = keys.portfolio_parts(name)
    try:
        data, etag = store.read(key)
        return documents.decode(list[Part], documents.parse(data)), etag
    except NoSuchObject:
        return [], None
    except Damaged:
        raise InvalidInput(f"{store.url(key)} is none of datagen's: choose another name for the portfolio.") from None


def _made_by_datagen(name: str, earlier: Sequence[Part], found: Set[str], store: Store) -> set[str]:
    """Of the keys that were found, those of parts.json, of the manifest, and of files that were generated as parts."""
    if not earlier:
        return set()
    parts = sorted(found & {part.key for part in earlier})
    made = {item.key for item in heads(store, parts) if item and is_made_by_datagen(item, name)}
    return made | (found & {keys.portfolio_parts(name), keys.portfolio_manifest(name)})


def _difference(there: Sequence[Part], here: Sequence[Part]) -> str:
    """In which respect two portfolios differ, in words."""
    for name in ("book", "seed", "format", "as_of"):
        before, now = (getattr(parts[0], name) for parts in (there, here))
        if before != now:
            return f"another {name} ({before}, not {now})"
    return "other numbers of loans"
