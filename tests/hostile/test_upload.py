"""What is simulated is what was given, whatever else lies in the bucket and whatever files are called."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import CommandError, files, request
from cli.deployment import Stack
from montecarlo.source.listing import find_objects
from montecarlo.storage.store import Store
from tests.memory_s3 import MemoryS3


class Bucket(MemoryS3):
    """A bucket that counts what is put there."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads: list[str] = []

    @property
    def stack(self) -> Stack:
        session: Any = self
        return Stack(session, {"DataBucket": "bucket"})

    def client(self, service: str, **_: Any) -> "Bucket":
        return self

    def upload_file(self, name: str, bucket: str, key: str, ExtraArgs: dict[str, Any]) -> None:  # noqa: N803
        self.uploads.append(key)
        self.put_object(Bucket=bucket, Key=key, Body=Path(name).read_bytes(), Metadata=ExtraArgs["Metadata"])


def simulated(bucket: Bucket, manifest: str) -> dict[str, bytes]:
    """The objects that a run on this manifest reads."""
    session: Any = bucket
    listing = find_objects(Store("bucket", session), manifest)
    return {
        item["key"]: bucket.objects[item["key"]]
        for group, _ in listing.groups(50_000, lambda chunks: 1)
        for item in group["objects"]
    }


@pytest.fixture
def portfolio(tmp_path: Path) -> Path:
    for name, text in {"a.csv": "one", "sub/a.csv": "one", "ä b%.csv": "two", "_SUCCESS": "", ".x.csv": "no"}.items():
        (tmp_path / "loans" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "loans" / name).write_text(text)
    return tmp_path / "loans"


def test_an_earlier_upload_is_not_simulated_too(portfolio: Path) -> None:
    bucket = Bucket()
    first = files.upload(bucket.stack, files.portfolio_files(portfolio))
    assert sorted(simulated(bucket, first).values()) == [b"one", b"one", b"two"]
    (portfolio / "a.csv").unlink()
    (portfolio / "ä b%.csv").write_text("three")
    second = files.upload(bucket.stack, files.portfolio_files(portfolio))
    assert sorted(simulated(bucket, second).values()) == [b"one", b"three"]
    assert sorted(simulated(bucket, first).values()) == [b"one", b"one", b"two"], "nor is the first one changed"


def test_what_is_there_is_not_uploaded_again(portfolio: Path) -> None:
    bucket = Bucket()
    found = files.portfolio_files(portfolio)
    manifest = files.upload(bucket.stack, found)
    assert len(bucket.uploads) == 3
    assert files.upload(bucket.stack, found) == manifest
    assert len(bucket.uploads) == 3
    bucket.objects[bucket.uploads[0]] = b"cut off or replaced"
    files.upload(bucket.stack, found)
    assert len(bucket.uploads) == 4
    assert sorted(simulated(bucket, manifest).values()) == [b"one", b"one", b"two"]


def test_a_file_that_is_written_meanwhile_is_refused(portfolio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket()
    real = bucket.upload_file

    def growing(name: str, *others: Any, **more: Any) -> None:
        real(name, *others, **more)
        with Path(name).open("a") as file:
            file.write("more")

    monkeypatch.setattr(bucket, "upload_file", growing)
    with pytest.raises(CommandError, match="was changed while it was uploaded"):
        files.upload(bucket.stack, files.portfolio_files(portfolio))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("readme.txt", r"readme\.txt: the name must end in"),
        ("loans.CSV.zip", r"loans\.CSV\.zip: the name must end in"),
        ("\udcff.csv", "the name is not UTF-8"),
        ("/".join(["d" * 200] * 5) + "/x.csv", "too long for an object"),
    ],
)
def test_files_that_cannot_be_part_of_a_portfolio_are_named(portfolio: Path, name: str, message: str) -> None:
    (portfolio / name).parent.mkdir(parents=True, exist_ok=True)
    (portfolio / name).write_text("x")
    with pytest.raises(CommandError, match=message):
        files.portfolio_files(portfolio)


@settings(max_examples=500)
@given(st.lists(st.floats(-5, 30), min_size=2, max_size=8))
def test_every_rate_is_a_case_of_its_own_or_refused(rates: list[float]) -> None:
    if len(set(rates)) < len(rates):
        with pytest.raises(CommandError, match="has a rate twice"):
            request.cases(rates, None)
    else:
        cases = request.cases(rates, None)["cases"]
        assert sorted(case["fed_rate"] for case in cases.values()) == sorted(rates)
        request.checked({"cases": cases})  # each has a name that a case may have


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"x": [{"b": 1, "b": 1}]}', '{"a": NaN}', "[Infinity]"])
def test_json_that_says_two_things_at_once_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "cases.json").write_text(text)
    with pytest.raises(CommandError, match=r"cases\.json cannot be read as JSON: .*(twice|no number)"):
        files.json_file(tmp_path / "cases.json", "cases")


def test_json_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": "ä"}).encode())
    assert files.json_file(tmp_path / "x.json", "mapping") == {"a": "ä"}
