"""Whatever has become of an object in the bucket, a step says so by name, or gives what it gave before."""

import io
import json
import random
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from montecarlo.errors import MonteCarloError
from montecarlo.steps import record_failure
from tests.faults.conftest import host_of, run_to_end
from tests.faults.test_errors import DOCUMENTED, Called, called  # noqa: F401

OF_RUNS = (".json", ".npz", ".parquet")


def damages(data: bytes, key: str) -> Iterator[bytes]:
    """What may lie where the data lay."""
    yield from (b"", b"\0", data[:-1], data[1:], data[: len(data) // 2], data + b"}", b"\xff" * 40, data[::-1])
    dice = random.Random(key)
    for _ in range(0 if key.endswith("parts.json") else 10):  # Step Functions reads it, so it has no digest
        place = dice.randrange(len(data))
        yield data[:place] + bytes([data[place] ^ (1 << dice.randrange(8))]) + data[place + 1 :]
    if key.endswith(".json"):
        yield from (
            b"null",
            b"[]",
            b"{}",
            b"7",
            b'"text"',
            b"[" * 100_000,
            b'{"plan": NaN}',
            b"9" * 5_000,
            b'"\\ud800"',
        )
        document = json.loads(data)
        if isinstance(document, dict):
            for name in document:
                for value in (None, -1, "x", [None], True):
                    yield json.dumps({**document, name: value}).encode()
                yield json.dumps({other: value for other, value in document.items() if other != name}).encode()
    if key.endswith(".npz"):
        yield from (npz(), npz(key=np.zeros(3)), npz(meta=np.zeros(1, np.uint8), sha256=np.zeros(32, np.uint8)))
        yield from (archive("meta.npy", b"not an array"), archive("sha256.npy", data), archive("readme.txt", b"hello"))
        huge = io.BytesIO()
        np.lib.format.write_array_header_2_0(huge, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)})
        yield archive("meta.npy", huge.getvalue())


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def archive(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, data)
    return buffer.getvalue()


def left(objects: dict[str, bytes]) -> dict[str, bytes]:
    """What a step has left, without times."""
    timed = ("result.json", "failure.json", "partial.npz")
    return {key: data for key, data in objects.items() if not key.endswith(timed) and "/chunk-" not in key}


def reads(step: Called) -> list[str]:
    """What the step reads of the run's own objects and of datagen's."""
    host, s3 = host_of(step.objects)
    host.call(step.module, step.event)
    keys = {key for operation, key in s3.calls if operation == "get" and key.endswith(OF_RUNS)}
    return sorted(key for key in keys if key in step.objects and not key.startswith("portfolios/loans/"))


def cases(called: list[Called]) -> Iterator[tuple[Called, str]]:  # noqa: F811
    """Every kind of object with every step that reads it."""
    seen: set[tuple[str, str]] = set()
    for step in called:
        for key in reads(step):
            kind = (step.name, "".join(letter for letter in key if not letter.isdigit()))
            if kind not in seen:
                seen.add(kind)
                yield step, key


def outcome(step: Called, key: str, data: bytes) -> tuple[Any, dict[str, bytes]] | None:
    """What the step returns and leaves, or None where it ends in an error of ours."""
    host, s3 = host_of({**step.objects, key: data})
    try:
        output = host.call(step.module, step.event)
    except MonteCarloError as ours:
        name, text = type(ours).__name__, str(ours)
    else:
        return output, left(s3.objects)
    assert name in DOCUMENTED, f"{step.name} on {key}: {name} is not explained in docs/operate.md: {text}"
    assert len(text) < 1_500, text
    return None


def test_damage_is_named_or_does_no_harm(called: list[Called]) -> None:  # noqa: F811
    tried = 0
    for step, key in cases(called):
        whole = outcome(step, key, step.objects[key])
        assert whole is not None
        for data in damages(step.objects[key], key):
            tried += 1
            found = outcome(step, key, data)
            if found is not None:
                output, objects = found
                if key in objects:
                    objects[key] = whole[1][key]
                if step.name in ("plan_group", "record_failure"):
                    continue  # the one makes anew what is damaged, the other says what it can
                assert (output, objects) == whole, (step.name, key, data[:200])
    assert tried > 1_000


def test_another_runs_objects_are_told(portfolio: dict[str, bytes]) -> None:
    """Each object of a finished run replaced by that of a run with another seed: nothing of it gets into the result."""
    ours, theirs = ({**finished(portfolio, run)} for run in ("june", "july"))
    expected = json.loads(ours["runs/june/result.json"])["cases"]
    for key in [key for key in ours if key.startswith("runs/june/")]:
        other = theirs.get(key.replace("june", "july"))
        if other is None or key.endswith(("result.json", "report.html", "losses.parquet", "segments.parquet")):
            continue
        host, s3 = host_of({**ours, key: other})
        del s3.objects["runs/june/result.json"]
        try:
            run_to_end(host)
        except MonteCarloError:
            assert "runs/june/result.json" not in s3.objects
        else:
            assert host.json("runs/june/result.json")["cases"] == expected, key


def finished(portfolio: dict[str, bytes], run: str) -> dict[str, bytes]:
    host, s3 = host_of(portfolio)
    run_to_end(host, run=run, seed=len(run))
    if run == "june":
        host, s3 = host_of(portfolio)
        run_to_end(host)
    return s3.objects


WRONG: dict[str, tuple[Any, ...]] = {
    "run": ("", "../../x", "a/b", "june/../july", "june/", "june/waves/x", 5, None),
    "name": ("../../x", "a/b", ".", {"a": 1}),
    "group": ("0", -1, 1.5, None, 10**30),
    "chunk": ("0", -1, 1.5),
    "wave": ("0", -1, []),
    "part": (-1, "0"),
    "slices": (None, {}, [1], [{"key": "a"}]),
    "plan": (0, {}, "0" * 64),
    "request": ([], {"run": "../x"}, {"name": "a/b"}, "x"),
    "failure": (None, "x", []),
}


@pytest.mark.parametrize("field", [*WRONG, "nothing", "no event"])
def test_no_event_leads_a_step_astray(called: list[Called], field: str) -> None:  # noqa: F811
    """It is refused by name, or writes where the step of a proper event may write."""
    for step in called:
        for value in WRONG.get(field, (None,)):
            event: Any = {**step.event, field: value} if field in WRONG else {} if field == "nothing" else [1]
            host, s3 = host_of(step.objects)
            name = "InvalidInput"
            try:
                host.call(step.module, event)
            except MonteCarloError as error:
                name = type(error).__name__
            assert name in DOCUMENTED
            written = {key for operation, key in s3.calls if operation in ("put", "delete")}
            assert all(
                key.startswith(("runs/june/", "runs/e/", "runs/execution/", "portfolios/p/", "portfolios/default/"))
                for key in written
            ), written


def test_a_runs_name_from_elsewhere_is_no_key(portfolio: dict[str, bytes]) -> None:
    for name in ("base1/../../x", "../x", "/", "a" * 81, 5, ["a"]):
        host, s3 = host_of(portfolio)
        event = {"request": {"run": name}, "execution": "e", "failure": {"Error": "InvalidInput", "Cause": "no name"}}
        recorded = record_failure.step(event, host)
        assert recorded == {"run": "", "error": "InvalidInput", "cause": "no name"}
        assert s3.objects == portfolio
