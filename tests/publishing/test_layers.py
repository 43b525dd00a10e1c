"""`make layers` reads what pip prints and what wheels hold; pip itself is not asked here."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from publishing import layers
from publishing.templates import read


def test_the_newest_release_is_read_from_what_pip_prints() -> None:
    assert layers.newest_release("awswrangler (3.17.1)\nAvailable versions: 3.17.1, 3.17.0\n") == "3.17.1"
    with pytest.raises(ValueError, match="printed no release: 'ERROR"):
        layers.newest_release("ERROR: no such package")


def test_a_wheel_is_as_large_as_its_files_without_the_tests(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/__init__.py", b"x" * 5_000)
        archive.writestr("a/tests/test_a.py", b"x" * 7_000)
    assert layers.unpacked_bytes(tmp_path / "a.whl") == 5_000


@pytest.mark.parametrize(("newest", "status"), [("same", 0), ("99.0.0", 1)])
def test_a_newer_release_is_told(
    newest: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pinned = read(layers.TEMPLATE.read_text(encoding="utf-8"))["Metadata"]["SdkForPandasRelease"]
    newest = pinned if newest == "same" else newest
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("a.py", b"x" * (3 << 20))

    def made(requirement: str) -> Iterator[Path]:
        assert requirement.endswith(f"=={pinned}") or requirement == layers.POWERTOOLS
        yield tmp_path / "a.whl"

    monkeypatch.setattr(layers, "pip", lambda *arguments: f"awswrangler ({newest})\n")
    monkeypatch.setattr(layers, "wheels", made)
    assert layers.main() == status
    printed = capsys.readouterr().out
    assert f"has the layers of {pinned}; the newest release is {newest}." in printed
    assert ("copy all of them" in printed) == (status == 1)
    assert "at most 6 MiB" in printed
