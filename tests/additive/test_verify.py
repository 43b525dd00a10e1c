"""Whatever is changed in a run or its portfolio, by one bit or with care, is found by working it out again."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from additive.verify import Verification, in_order, verify
from montecarlo.errors import InvalidInput
from montecarlo.model.cases import Case
from montecarlo.model.parameters import Parameters
from montecarlo.model.tables import ModelTables, model_tables
from montecarlo.portfolio import synthetic
from montecarlo.run.chunk import Chunk
from montecarlo.run.partial import Partial
from montecarlo.steps import aggregate, reduce_group
from montecarlo.storage import keys
from montecarlo.storage.parquet import to_parquet
from montecarlo.storage.sealed import seal_document, unseal_document
from tests.memory_run import MemoryHost, simulate
from tests.memory_s3 import MemoryS3, Stored

RUN = "june"

UNCHECKED = ("request.json", "todo.json")
"""No figure comes from them."""


@pytest.fixture(scope="module", autouse=True)
def tables_made_once() -> Iterator[None]:
    """Most of the time that verifying a small run takes is the model's tables."""
    made: dict[str, ModelTables] = {}

    def once(parameters: Parameters, cases: Sequence[Case]) -> ModelTables:
        name = json.dumps([parameters.to_json(), repr(cases)])
        return made.setdefault(name, made.get(name) or model_tables(parameters, cases))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("additive.verify.model_tables", once)
        yield


def loans(first: int, count: int) -> pa.Table:
    return synthetic.generate(first, count, 1, date(2026, 1, 1))


@pytest.fixture(scope="module")
def host() -> MemoryHost:
    """A small run of three chunks from two objects."""
    host = MemoryHost()
    host.s3.objects["portfolios/p/a.parquet"] = to_parquet(loans(0, 60))
    host.s3.objects["portfolios/p/b.csv"] = synthetic.to_csv(loans(60, 30))
    simulate(host, run=RUN, portfolio="portfolios/p/", scenarios=40, chunk_loans=30)
    return host


@pytest.fixture(scope="module")
def rich() -> MemoryHost:
    """A run with borrowers, a dimension, bad rows, an AccountID that occurs twice, two waves of scenarios, and the
    contributions of every loan.
    """
    host = MemoryHost()
    rows = [{**row, "ObligorID": f"B{number // 3}", "Branch": "NS"[number % 2]} for number, row in enumerate(
        loans(0, 60).to_pylist()
    )]  # fmt: skip
    rows[5]["AccountID"] = rows[50]["AccountID"]
    rows[7]["Rate"] = -1.0
    for part in range(2):
        host.s3.objects[f"portfolios/p/{part}.parquet"] = to_parquet(pa.Table.from_pylist(rows[30 * part :][:30]))
    request = {"max_rejected_share": 0.1, "max_duplicate_share": 0.1, "dimensions": ["Branch"], "contributions": True}
    waves = {"target_error": 1e-4, "scenarios": 40, "max_scenarios": 80}
    simulate(host, run=RUN, portfolio="portfolios/p/", chunk_loans=20, **request, **waves)
    return host


def test_a_run_that_was_asked_for_contributions_once_and_then_not_is_intact(host: MemoryHost) -> None:
    request = {"run": RUN, "portfolio": "portfolios/p/", "scenarios": 40, "chunk_loans": 30}
    again = MemoryHost(MemoryS3(dict(host.s3.objects)))
    assert "contributions" in simulate(again, **request, contributions=True)
    assert "contributions" not in simulate(again, **request)
    assert found(again).findings == []  # what the pass has left is not of the result


def changed(host: MemoryHost, key: str, data: bytes | None) -> MemoryHost:
    """A copy of the bucket with another object under the key; none for None."""
    objects = dict(host.s3.objects)
    if data is None:
        del objects[key]
    else:
        objects[key] = Stored(data)
    return MemoryHost(MemoryS3(objects))


def flipped(data: bytes, bit: int) -> bytes:
    """With one bit changed."""
    whole = bytearray(data)
    whole[bit // 8] ^= 1 << bit % 8
    return bytes(whole)


def checked_keys(host: MemoryHost) -> list[str]:
    return sorted(key for key in host.s3.objects if not key.endswith(UNCHECKED))


def found(host: MemoryHost, **how: Any) -> Verification:
    return verify(host.store, RUN, **how)


@pytest.mark.parametrize("name", ["host", "rich"])
def test_an_honest_run_is_intact(name: str, request: pytest.FixtureRequest) -> None:
    host: MemoryHost = request.getfixturevalue(name)
    before = dict(host.s3.objects)

    record = found(host)

    assert record.findings == []
    made_again = next(line for line in record.checked if line.endswith("made again from the groups' sums"))
    names = made_again.partition(": ")[0].split(", ")
    assert len({*names}) == len(names)
    assert {"losses.parquet", "tables/losses/losses.parquet"} < {*names}
    assert (record.remarks, record.found_share) == ([], 0.0)
    compared = {key for key in checked_keys(host) if key.startswith("runs/") and not key.endswith("estimate.json")}
    assert set(record.digests) == compared
    (made,) = (told.split(": made again")[0].split(", ") for told in record.checked if ": made again" in told)
    assert {f"runs/{RUN}/{name}" for name in made} <= compared, "each by its place below the run"
    assert len(made) == len(set(made))
    assert all(hashlib.sha256(before[key]).hexdigest() == digest for key, digest in record.digests.items())
    assert host.s3.objects == before  # it wrote nothing


@settings(max_examples=20)
@given(data=st.data())
def test_one_changed_bit_anywhere_is_found(host: MemoryHost, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(checked_keys(host)))
    bit = data.draw(st.integers(0, 8 * len(host.s3.objects[key]) - 1))

    record = found(changed(host, key, flipped(host.s3.objects[key], bit)))

    assert not record.intact, key


@pytest.mark.parametrize(
    "part",
    ["rejects/", "obligors/chunk-", "keys-obligors-", "waves/001/scenarios", "waves/001/groups/00000/chunk-",
     "waves/001/groups/00000/group.json", "duplicates.parquet", "waves/tail/scenarios", "waves/tail/plan",
     "waves/tail/loans/", "waves/tail/groups/00000/chunk-", "waves/tail/groups/00000/keys-"],
)  # fmt: skip
def test_one_changed_bit_of_what_not_every_run_has_is_found(rich: MemoryHost, part: str) -> None:
    key = next(key for key in checked_keys(rich) if part in key)
    data = rich.s3.objects[key]
    bit = int.from_bytes(hashlib.sha256(key.encode()).digest()) % (8 * len(data))
    assert not found(changed(rich, key, flipped(data, bit))).intact


@pytest.mark.parametrize("part", ["loans/", "keys/chunk-", "losses.parquet", "report.html", "portfolios/p/b.csv"])
def test_what_is_missing_is_found(host: MemoryHost, part: str) -> None:
    key = next(key for key in checked_keys(host) if part in key)
    assert any(finding.what for finding in found(changed(host, key, None)).findings)


@pytest.mark.parametrize(
    "key",
    [
        f"runs/{RUN}/loans/00000-000009.parquet",
        f"runs/{RUN}/rejects/00007-000000.parquet",
        f"runs/{RUN}/tables/losses/more.parquet",
        f"runs/{RUN}/tables/segments/run=may/segments.parquet",
    ],
)
def test_rows_that_the_run_did_not_leave_are_found(host: MemoryHost, key: str) -> None:
    more = host.s3.objects[keys.chunk_loans(RUN, 0, 0)]
    assert [finding.place for finding in found(changed(host, key, more)).findings] == [key]


def test_a_damaged_estimate_is_named(host: MemoryHost) -> None:
    key = keys.estimate(RUN)
    for data in (flipped(host.s3.objects[key], 801), host.s3.objects[key] + b" ", None):
        assert [finding.place for finding in found(changed(host, key, data)).findings][:1] == [key]


def test_an_object_that_came_later_is_found(host: MemoryHost) -> None:
    late = changed(host, "portfolios/p/c.parquet", to_parquet(loans(90, 5)))
    assert "not those that the run was planned for" in found(late).findings[0].what


def recompressed(data: bytes) -> bytes:
    """The same table, as another machine compresses it."""
    buffer = io.BytesIO()
    table = pq.read_table(io.BytesIO(data))
    pq.write_table(table, buffer, compression="snappy", write_statistics=True)
    return buffer.getvalue()


def test_files_of_another_machine_are_compared_by_content(host: MemoryHost) -> None:
    tables = [key for key in checked_keys(host) if key.startswith("runs/") and key.endswith(".parquet")]
    other = host
    for key in tables:
        other = changed(other, key, recompressed(host.s3.objects[key]))

    record = found(other)

    assert (record.findings, len(record.remarks), sorted(record.in_content)) == ([], 1, tables)
    one = found(changed(host, tables[0], recompressed(host.s3.objects[tables[0]])))
    assert [finding.place for finding in one.findings] == tables[:1]  # the others are of this machine


def forged(host: MemoryHost, change: Callable[[Partial], None]) -> MemoryHost:
    """A run whose first chunk says something else, with all seals right and everything after it made anew."""
    key = keys.chunk_partial(RUN, 0, 0)
    partial = Partial.from_bytes(host.s3.objects[key])
    change(partial)
    forged = changed(host, key, partial.to_bytes())
    plan = {"run": RUN, "plan": partial.plan}
    for group in {int(key.split("/")[3]) for key in host.s3.objects if "/groups/" in key}:
        forged.call(reduce_group, {**plan, "group": group})
    forged.call(aggregate, {**plan, "wave": 0})
    return forged


def less_loss(partial: Partial) -> None:
    for part in (partial.segments, partial.regions):
        part.losses //= 2


def test_a_forged_chunk_is_found_when_it_is_drawn(host: MemoryHost) -> None:
    lies = forged(host, less_loss)

    assert [finding.place for finding in found(lies).findings] == [keys.chunk_partial(RUN, 0, 0)]
    drawn = {seed: found(lies, chunks=1, seed=seed) for seed in range(4)}

    assert {record.intact for record in drawn.values()} == {True, False}
    for record in drawn.values():
        assert record.intact is ((0, 0) not in record.drawn)
        assert record.found_share == pytest.approx(0.99)
        assert "chunks were not drawn" in str(record.to_bytes())


def test_chunks_that_were_taken_over_are_simulated_too(host: MemoryHost) -> None:
    for source, findings in ((MemoryHost(MemoryS3(dict(host.s3.objects))), 0), (forged(host, less_loss), 1)):
        result = simulate(source, run="july", portfolio="portfolios/p/", reuse=RUN, chunk_loans=30)
        assert result["reused"]["chunks"] == 3

        record = verify(source.store, "july")

        assert len(record.findings) == findings
        for key in [key for key in source.s3.objects if key.startswith(f"runs/{RUN}/")]:
            del source.s3.objects[key]
        assert len(verify(source.store, "july").findings) == findings  # without the run that was reused


@pytest.mark.parametrize(
    "lines", ["[]", "[{}]", '[{"run": 1, "group": 0, "chunk": 0, "plan": "", "slices": [{}]}]', "7"]
)
def test_documents_of_another_form_are_findings(host: MemoryHost, lines: str) -> None:
    """Whoever may write to the bucket may seal anything."""
    data = f"[\n{lines[1:-1]}\n]".encode()
    group = unseal_document(host.s3.objects[keys.group_plan(RUN, 0)])
    group["chunks_sha256"] = hashlib.sha256(data).hexdigest()
    forged = changed(host, keys.group_chunks(RUN, 0), data)
    forged = changed(forged, keys.group_plan(RUN, 0), seal_document(group))
    assert not found(forged).intact


def test_figures_that_do_not_follow_are_named(host: MemoryHost) -> None:
    result = host.json(keys.result(RUN))
    result["cases"]["stressed"]["var"]["99.9"] += 0.01
    data = json.dumps(result, indent=1, ensure_ascii=False).encode()

    (finding,) = found(changed(host, keys.result(RUN), data)).findings

    assert finding.place == keys.result(RUN)
    assert "cases.stressed.var.99.9 is" in finding.what


def test_459_chunks_find_one_falsified_in_a_hundred_with_99_per_cent() -> None:
    assert 0.99**459 < 0.01 < 0.99**458
    record = Verification("run", 1, chunks=100_000, drawn=[(0, 0)] * 459)
    assert record.found_share < 0.01
    chunks = [Chunk("run", number // 50, number % 50, ()) for number in range(1_000)]
    hit = 0
    for seed in range(400):
        drawn = in_order(chunks, "plan", seed)[:100]
        assert len({(chunk.group, chunk.number) for chunk in drawn}) == 100
        hit += any(chunk.group == 3 and chunk.number < 10 for chunk in drawn)  # of ten falsified ones
    share = 1 - np.prod([1 - 100 / (1_000 - number) for number in range(10)])  # hypergeometric
    assert abs(hit / 400 - share) < 4 * np.sqrt(share * (1 - share) / 400)


def test_the_record_is_sealed(host: MemoryHost) -> None:
    record = found(host, seed=7)
    document = unseal_document(record.to_bytes())
    assert (document["seed"], document["intact"], document["run"]) == (7, True, RUN)
    assert document["drawn"] == [list(place) for place in record.drawn]


def test_what_cannot_be_verified_is_refused(host: MemoryHost, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="there is no run july"):
        verify(host.store, "july")
    with pytest.raises(InvalidInput, match="chunks is 0"):
        found(host, chunks=0)
    monkeypatch.setattr("additive.verify.__version__", "9.9")
    with pytest.raises(InvalidInput, match="verify it with the version that made it"):
        found(host)
