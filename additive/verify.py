"""A finished run checked by whoever trusts nobody: worked out again from its portfolio, and followed to its figures.

Everything between the portfolio and the report is made again by the code that made it, and compared byte by byte with
what lies in the bucket. Nothing is written there:

    plan.json, scenarios.npz    their seals and digests; the scenarios are drawn anew from the plan
    objects.json                the portfolio is listed again, each object with its size and ETag
    chunks.json, group.json     it is cut again: the chunks have each row once
    some chunks                 drawn at random, they are read and simulated again: the partial, loans/, rejects/, keys/
    partial.npz, keys-*.npz     all chunks of each group are added up again
    losses, segments, report    all groups are added up and published again, and with them result.json

Only the chunks are a sample, since they are most of the work. Which, a seed decides that nobody knew when the run was
made: the chunks come in the order of the SHA-256 of "seed:plan's digest:group:chunk", and the first so many are taken.
Of n chunks drawn from more, all escape a share f of falsified ones with a probability of at most (1 - f)**n: 459 find
1 % with 99 %, for 0.99**459 < 0.01.

What is checked is that the figures follow from the portfolio, the plan and this code; not that the portfolio or the
parameters are true. Times, memory, costs and names of versions are what the run says of itself.
"""

import hashlib
import io
import json
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from additive.replay import Replay
from montecarlo import MODEL_VERSION, __version__
from montecarlo.documents import Damaged, parse
from montecarlo.errors import IncompleteRun, InvalidInput, InvalidPortfolio, InvalidResult, RunTaken
from montecarlo.model.scenarios import draw
from montecarlo.model.tables import model_tables
from montecarlo.run import groups, records, tail
from montecarlo.run.chunk import Chunk
from montecarlo.run.partial import Partial
from montecarlo.run.plan import Plan
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.run.weighed import Weighed
from montecarlo.simulation.kernel import Kernel
from montecarlo.source.cutting import slices
from montecarlo.source.listing import GroupDocument, find_objects, group_objects
from montecarlo.steps import aggregate, reduce_group, simulate_chunk
from montecarlo.storage import keys
from montecarlo.storage.sealed import seal, seal_document, unseal, unseal_document
from montecarlo.storage.store import OCTETS, NoSuchObject, Store

CHUNKS = 459
"""Chunks drawn by default."""

CONFIDENCE = 0.99

SCHEMA = 1

NOT_CHECKED = (
    "whether the portfolio's objects, the model's parameters and the mapping are true",
    "where the scenarios were aimed, which changes how precise the figures are and not what they estimate",
    "times, memory, costs and the names of Python's and NumPy's versions, which the run says of itself",
    "estimate.json beyond its seal, request.json, todo.json, map/, failure.json and its page, which give no figure",
)

_DAMAGE = (IncompleteRun, InvalidPortfolio, InvalidResult, RunTaken, Damaged, NoSuchObject)
"""What a step raises where the run or its portfolio is not what it was."""

_PARQUET = b"PAR1"

_OTHER_FORM = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, pa.ArrowException)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Finding:
    """What is not as it should be: where, and what is wrong."""

    place: str
    what: str


@dataclass
class Verification:
    """What was checked of a run, and what was found."""

    run: str
    seed: int
    plan: str = ""
    chunks: int = 0
    drawn: list[tuple[int, int]] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of what was compared, by key."""
    in_bytes: list[str] = field(default_factory=list)
    in_content: list[str] = field(default_factory=list)
    """Keys of compressed files that were the same, to the byte, or in what they say only."""

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def found_share(self) -> float:
        """The smallest share of falsified chunks that the drawn ones find with CONFIDENCE; 0 where all were drawn."""
        number = len(self.drawn)
        return 0.0 if number == self.chunks else 1 - (1 - CONFIDENCE) ** (1 / number) if number else 1.0

    def to_bytes(self) -> bytes:
        """The record as JSON, sealed: with the SHA-256 of all that it says in it.

        The seal tells whether the record was changed by mistake. It has no key, so whoever hands the record on signs
        the file.
        """
        return seal_document(
            {
                "schema": SCHEMA,
                "what": "a run of montecarlo, worked out again and followed to its figures",
                "run": self.run,
                "plan": self.plan,
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
                "by": {
                    "montecarlo": __version__,
                    "model": MODEL_VERSION,
                    "python": platform.python_version(),
                    "numpy": np.__version__,
                    "pyarrow": pa.__version__,
                    "machine": platform.machine(),
                },
                "seed": self.seed,
                "chunks": self.chunks,
                "drawn": [list(place) for place in self.drawn],
                "share_of_falsified_chunks_found": self.found_share,
                "confidence": CONFIDENCE,
                "checked": self.checked,
                "remarks": self.remarks,
                "not_checked": [*NOT_CHECKED, *self._left()],
                "intact": self.intact,
                "findings": [vars(finding) for finding in self.findings],
                "sha256_of": dict(sorted(self.digests.items())),
            }
        )

    def _left(self) -> list[str]:
        left = self.chunks - len(self.drawn)
        return [f"{left:,} chunks were not drawn: their sums were added up, but not worked out again"] if left else []


def verify(
    store: Store,
    run: str,
    chunks: int = CHUNKS,
    seed: int = 0,
    portfolio: Callable[[str], Store] | None = None,
    say: Say = lambda _: None,
    kernel: Kernel = "compiled",
    cache: Path | None = None,
) -> Verification:
    """Check a finished run.

    chunks: how many to draw. portfolio: makes the store of another bucket, where the portfolio lies in one. say: is
    told what goes on. kernel, cache: as `Replay` takes them. Raises InvalidInput where there is no such run or this is
    another version of the project, and SlowDown where S3 does not answer; whatever is wrong with the run is in what is
    returned.
    """
    if chunks < 1:
        raise InvalidInput(f"chunks is {chunks:,}, but must be 1 or more.")
    found = Verification(run, seed)
    with _noting(found, f"runs/{run}/"):
        replay = Replay.open(store, run, portfolio, kernel, cache)
        if replay.plan.version != __version__:
            raise InvalidInput(
                f"run {run} was made by version {replay.plan.version} of the project, and this is {__version__}: "
                "verify it with the version that made it."
            )
        _Verifier(replay, found, portfolio or Store, say).all(chunks)
    return found


@contextmanager
def _noting(found: Verification, place: str) -> Iterator[None]:
    """Take damage for a finding; whoever forges a run may give a document any form."""
    try:
        yield
    except _DAMAGE as error:
        found.findings.append(Finding(place, str(error)))
    except _OTHER_FORM as error:
        found.findings.append(Finding(place, f"something there has another form than is written ({error!r:.80})."))


class Recording(Store):
    """A store that reads the bucket and keeps what would be written."""

    def __init__(self, of: Store) -> None:
        super().__init__(of.bucket, of._s3)
        self.written: dict[str, bytes] = {}
        self.unlike: list[str] = []
        """Sealed arrays that were read, and are whole, but not in the bytes that the project writes."""

    def get(self, key: str) -> bytes:
        """See `Store`."""
        data = super().get(key)
        if key.endswith(".npz") and not key.endswith("/scenarios.npz") and seal(unseal_or_none(data)) != data:
            self.unlike.append(key)
        return data

    def put(self, key: str, data: bytes, content_type: str = OCTETS) -> None:  # noqa: ARG002
        """Keep what would be written."""
        self.written[key] = data


def unseal_or_none(data: bytes) -> Mapping[str, Any]:
    """The arrays of a sealed file; none of a damaged one, which whoever asked for it will find."""
    try:
        return unseal(data)
    except Damaged:
        return {}


class _Host:
    """A `steps.protocol.Host`, as far as what reads and simulates asks of it, that writes nothing."""

    def __init__(self, replay: Replay, store: Recording) -> None:
        self._replay = replay
        self.store = store
        self.kernel = replay.kernel
        self.cache = replay.cache

    def find_store(self, place: str) -> tuple[Store, str]:
        return self._replay.portfolio, place

    def scenarios(self, plan: Plan) -> ScenarioFile:
        return self._replay.drawn[plan.wave]


class _Verifier:
    def __init__(self, replay: Replay, found: Verification, buckets: Callable[[str], Store], say: Say) -> None:
        self.replay, self.found, self.say = replay, found, say
        self.store, self.plan = replay.store, replay.plan
        self.buckets = buckets
        self.after: Plan | None = None
        """The plan of the pass over the tail, once it has been read."""
        found.plan = self.plan.digest

    @property
    def passes(self) -> list[Plan]:
        """The plans of all waves, and of the pass over the tail where there was one."""
        return [*self.replay.plans, *([self.after] if self.after else [])]

    def all(self, chunks: int) -> None:
        """Everything, in the order in which it was made."""
        with _noting(self.found, keys.plan(self.plan.run)):
            self._plans()
        if self.plan.contributions:
            with _noting(self.found, keys.plan(keys.wave(self.plan.run, keys.TAIL))):
                self._tail()
        with _noting(self.found, self.plan.portfolio):
            self._portfolio()
        there: list[Chunk] = []
        with _noting(self.found, keys.groups(self.plan.run)):
            there = self.replay.chunks()
        self._chunks(there, chunks)
        for wave in self.passes:
            with _noting(self.found, keys.groups(wave.run)):
                self._groups(wave)
        with _noting(self.found, keys.result(self.plan.run)):
            self._published()
        with _noting(self.found, f"runs/{self.plan.run}/"):
            self._nothing_else(there)
        self._one_machine()

    def _plans(self) -> None:
        self.say("The plan and its scenarios ...")
        for wave, drawn in zip(self.replay.plans, self.replay.drawn, strict=True):
            self._same({keys.plan(wave.run): wave.to_bytes(), keys.scenarios(wave.run): drawn.to_bytes()})
            anew = ScenarioFile(
                model_tables(wave.parameters, wave.cases),
                draw(wave.parameters, wave.scenarios, wave.seed, wave.design, wave.wave),
            )
            if anew.digest() != drawn.digest():
                if not _nearly(anew, drawn):
                    raise Damaged(f"{self.store.url(keys.scenarios(wave.run))} is not what the plan's seed draws.")
                self.found.remarks.append(
                    f"{keys.scenarios(wave.run)}: drawn anew here, the scenarios differ in their last digits, as those "
                    "of another processor do."
                )
        with _noting(self.found, keys.estimate(self.plan.run)):
            data = self.store.get(keys.estimate(self.plan.run))
            if seal_document(unseal_document(data)) != data:
                raise Damaged("it is not in the bytes that were written.")
        self.found.checked.append(f"{_counted(len(self.replay.plans), 'plan')} by digest, and the scenarios drawn anew")

    def _tail(self) -> None:
        """Which scenarios are the run's tail, and the plan of the pass over them."""
        run = keys.wave(self.plan.run, keys.TAIL)
        samples = tail.samples_of(self.replay.plans, self.replay.losses, self.replay.weights)
        found = tail.Tail.of(self.replay.plans, samples, self.plan.contribution_level)
        self.after = tail.make_plan(self.plan, found)
        self._same({keys.scenarios(run): found.to_bytes(), keys.plan(run): self.after.to_bytes()})
        self.found.checked.append("the scenarios of the tail, found anew")

    def _portfolio(self) -> None:
        self.say("The portfolio's objects, and how they were cut ...")
        columns = self.plan.columns
        lists, source = self.store, self.plan.portfolio
        if source.startswith("s3://"):
            bucket, _, source = source.removeprefix("s3://").partition("/")
            lists = self.store if bucket == self.store.bucket else self.buckets(bucket)
        listing = find_objects(lists, source, columns.files)
        dealt = [document for document, _ in listing.groups(self.plan.chunk_loans, lambda _: self.plan.dealt_into)]
        if listing.digest != self.plan.objects_digest:
            raise Damaged(f"the objects of {source} are not those that the run was planned for.")
        groups_of = [self._dealt(group) for group in range(self.plan.groups)]
        if any("inventory" in document for document in dealt):
            if groups_of != dealt:
                raise Damaged("the groups are not what the inventory was dealt out to.")
        elif _objects(groups_of) != _objects(dealt):
            raise Damaged("the groups have not each object of the portfolio once.")
        for group, document in enumerate(groups_of):
            self._cut(group, document, lists)
        self.found.checked.append(
            f"{_counted(listing.census.objects, 'object')} of the portfolio by size and ETag, and that the chunks of "
            f"{_counted(self.plan.groups, 'group')} have each of their rows once"
        )

    def _dealt(self, group: int) -> GroupDocument:
        """What a group was to read."""
        key = keys.group_objects(self.plan.run, group)
        document = records.read_sealed(self.store, key, dict)
        self._same({key: seal_document(document)})
        if document.pop("plan", None) != self.plan.digest:
            raise Damaged(f"{self.store.url(key)} is of another plan.")
        return document

    def _cut(self, group: int, document: GroupDocument, lists: Store) -> None:
        """Whether a group's chunks are its objects, cut anew; how slices are put together to chunks is of no matter."""
        chunks = [Chunk.from_json(json.loads(line)) for line in groups.read_chunks(self.plan, group, self.store)[0]]
        objects = group_objects(document, lists)
        anew = slices(objects, self.replay.portfolio, self.plan.chunk_loans, self.plan.columns.dialect)
        if Counter(anew) != Counter(piece for chunk in chunks for piece in chunk.slices):
            raise Damaged(f"the chunks of group {group} have not each row of its objects once.")
        for wave in self.passes:
            again = Recording(self.store)
            its = [replace(chunk, run=wave.run, group=group, number=place, plan=wave.digest)
                   for place, chunk in enumerate(chunks)]  # fmt: skip
            groups.write_chunks(wave, group, its, again)
            self._same(again.written)

    def _chunks(self, there: Sequence[Chunk], wanted: int) -> None:
        drawn = in_order(there, self.plan.digest, self.found.seed)[:wanted]
        self.found.chunks, self.found.drawn = len(there), [(chunk.group, chunk.number) for chunk in drawn]
        self.say(f"{len(drawn):,} of {len(there):,} chunks, simulated again ...")
        for one in self.replay.over(self._chunk, drawn):
            self.found.findings += one.findings
            self.found.digests |= one.digests
            self.found.in_bytes += one.in_bytes
            self.found.in_content += one.in_content
        waves = f" in {len(self.replay.plans):,} waves of scenarios" if len(self.replay.plans) > 1 else ""
        self.found.checked.append(f"{len(drawn):,} of {_counted(len(there), 'chunk')}, read and simulated again{waves}")

    def _chunk(self, chunk: Chunk) -> Verification:
        """What is found of one chunk."""
        one = Verification(self.found.run, self.found.seed)
        for wave in self.passes:
            place = keys.chunk_partial(wave.run, chunk.group, chunk.number)
            with _noting(one, place):
                again = Recording(self.store)
                host: Any = _Host(self.replay, again)
                own = replace(chunk, run=wave.run, plan=wave.digest, reuse=None)  # simulated, and not taken over
                planned = groups.planned_group(wave, chunk.group, self.store)
                its = wave, planned, chunk.group, chunk.number, self.store
                if wave is self.after:
                    weighed = simulate_chunk.weigh(own, wave, host)
                    said = groups.chunk_partial(*its, Weighed)
                    weighed.seconds, weighed.peak_memory_mb = said.seconds, said.peak_memory_mb
                    again.written[place] = weighed.to_bytes()
                else:
                    ours = simulate_chunk.simulate(own, wave, host)
                    again.written[place] = _as_timed(ours, groups.chunk_partial(*its, Partial)).to_bytes()
                self._same(again.written, one)
        return one

    def _groups(self, wave: Plan) -> None:
        self.say("The sums of all groups ...")
        for group in range(wave.groups):
            again = Recording(self.store)
            with _noting(self.found, keys.group(wave.run, group)):
                reduce_group.reduce(wave, group, again)
                self._same(again.written)
            self._as_written(again)
        self.found.checked.append(f"{_counted(wave.groups, 'group')} of {wave.run}, the chunks of each added up again")

    def _published(self) -> None:
        self.say("What was published ...")
        said, timings = (self.replay.result.get(name, {}) for name in ("versions", "timings"))
        versions = {name: said.get(name, "") if isinstance(said, dict) else "" for name in ("python", "numpy")}
        produced = timings.get("produced", "") if isinstance(timings, dict) else ""
        again = Recording(self.store)
        when = produced if isinstance(produced, str) else ""
        if isinstance(aggregate.aggregate(self.replay.plans, again, versions, when, self.after), int):
            raise Damaged("the run should have taken one more wave of scenarios before it was published.")
        self._same(again.written)
        self._as_written(again)
        duplicates = keys.duplicates(self.plan.run)
        if duplicates not in again.written and self.store.exists(duplicates):
            raise Damaged(f"{self.store.url(duplicates)} should not be there: no AccountID occurs twice.")
        names = ", ".join(sorted(key.removeprefix(f"runs/{self.plan.run}/") for key in again.written))
        self.found.checked.append(f"{names}: made again from the groups' sums")

    def _nothing_else(self, there: Sequence[Chunk]) -> None:
        """Whether all tables are there, and no other: a query would read them."""
        run, of_pass = self.plan.run, keys.wave(self.plan.run, keys.TAIL)
        tables = [run, *([of_pass] if self.after else [])]
        loans = {keys.chunk_loans(table, chunk.group, chunk.number) for chunk in there for table in tables}
        rejects = {keys.chunk_rejects(run, chunk.group, chunk.number) for chunk in there}
        found = {item.key for table in tables for item in self.store.list(keys.loans(table))}
        more = (found - loans) | {item.key for item in self.store.list(keys.rejects(run))} - rejects
        ours = {keys.losses_table(run), keys.segments_table(run)}
        others = {item.key for item in self.store.list(keys.tables(run))} - ours
        self.found.findings += [Finding(key, "it is missing.") for key in sorted(loans - found)]
        self.found.findings += [Finding(key, "it is of no chunk of the run.") for key in sorted(more)]
        self.found.findings += [Finding(key, "no run leaves it.") for key in sorted(others)]

    def _same(self, made: Mapping[str, bytes], found: Verification | None = None) -> None:
        """Compare what was made again with what is there."""
        found = found or self.found
        for key, ours in sorted(made.items()):
            try:
                theirs = self.store.get(key)
            except NoSuchObject:
                found.findings.append(Finding(key, "it is missing."))
                continue
            found.digests[key] = hashlib.sha256(theirs).hexdigest()
            compressed = key.endswith(".parquet") or key == keys.sums(self.plan.run)
            if theirs == ours:
                found.in_bytes += [key] * compressed
            elif compressed and _same_content(ours, theirs):
                found.in_content.append(key)
            else:
                found.findings.append(Finding(key, _difference(key, ours, theirs)))

    def _one_machine(self) -> None:
        """Another processor or library compresses to other bytes: then most files are so, and not one or two."""
        odd = self.found.in_content
        if odd and len(odd) < len(self.found.in_bytes):
            said = "its content comes out again, but not its bytes, as those of the run's other files do."
            self.found.findings += [Finding(key, said) for key in odd]
        elif odd:
            self.found.remarks.append(
                f"{_counted(len(odd), 'compressed file')} were compared by content: they were written on another "
                "machine or with other versions of its libraries, which compress otherwise."
            )

    def _as_written(self, again: Recording) -> None:
        self.found.findings += [
            Finding(key, "its content is whole, but it is not in the bytes that were written.") for key in again.unlike
        ]


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + "s" * (number != 1)


def _objects(documents: Sequence[GroupDocument]) -> list[Any]:
    return [entry for document in documents for entry in document.get("objects", ["an inventory"])]


def in_order(chunks: Sequence[Chunk], plan: str, seed: int) -> list[Chunk]:
    """The chunks in the order in which a seed draws them."""

    def place(chunk: Chunk) -> bytes:
        return hashlib.sha256(f"{seed}:{plan}:{chunk.group}:{chunk.number}".encode()).digest()

    return sorted(chunks, key=place)


def _as_timed(ours: Partial, theirs: Partial) -> Partial:
    """Our partial with what theirs says of its making: times, memory and which kernel, of one result to the bit."""
    ours.seconds, ours.kernel_seconds = theirs.seconds, theirs.kernel_seconds
    ours.peak_memory_mb, ours.kernels, ours.reused = theirs.peak_memory_mb, theirs.kernels, theirs.reused
    return ours


def _nearly(anew: ScenarioFile, drawn: ScenarioFile) -> bool:
    """Whether scenarios and tables differ by no more than the last digits of floating point."""
    ours, theirs = (dict(_arrays(each)) for each in (anew, drawn))
    return ours.keys() == theirs.keys() and all(
        array.shape == theirs[name].shape
        and (
            np.allclose(array, theirs[name], rtol=1e-12, atol=0, equal_nan=True)
            if array.dtype.kind == "f"
            else np.all(np.abs(array.astype(np.float64) - theirs[name].astype(np.float64)) <= 1)
        )
        for name, array in ours.items()
    )


def _arrays(file: ScenarioFile) -> Iterator[tuple[str, Any]]:
    with np.load(io.BytesIO(file.to_bytes())) as arrays:
        yield from arrays.items()


def _same_content(ours: bytes, theirs: bytes) -> bool:
    """Whether two Parquet files, or two files of sealed arrays, say the same."""
    try:
        if ours[:4] == _PARQUET:
            here, there = (pq.read_table(io.BytesIO(data)) for data in (ours, theirs))
            return bool(here.equals(there, check_metadata=True))
        mine, other = (unseal(data) for data in (ours, theirs))
    except (pa.ArrowException, OSError, ValueError, Damaged):
        return False
    return list(mine) == list(other) and all(
        array.dtype == other[name].dtype and np.array_equal(array, other[name]) for name, array in mine.items()
    )


def _difference(key: str, ours: bytes, theirs: bytes) -> str:
    """In words, what a file has that does not come out again."""
    said = "it is not what comes out again"
    if not key.endswith(".json"):
        return f"{said}."
    try:
        pair = [parse(data) for data in (ours, theirs)]
    except Damaged as error:
        return f"{said}: {error}."
    for path, here, there in _differences(*pair):
        return f"{said}: {path} is {there!r:.60}, and comes out as {here!r:.60}."
    return f"{said}: it says the same in other bytes."


def _differences(ours: Any, theirs: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for name in [*ours, *(name for name in theirs if name not in ours)]:
            yield from _differences(ours.get(name), theirs.get(name), f"{path}.{name}" if path else name)
    elif ours != theirs:
        yield path or "it", ours, theirs
