"""`montecarlo accept` passes where a stack is right and says what is wrong where it is not.

`python -m tests.cli.test_accept` writes the digest that it compares with, after a change of the model.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from cli import acceptance
from montecarlo import MODEL_VERSION
from montecarlo.storage import keys
from tests.deployed import Cloud, Montecarlo
from tests.memory_run import MemoryHost, generate, simulate


def expected() -> dict[str, str]:
    """The digest of the run in memory, under this version of the model."""
    host = MemoryHost()
    manifest = generate(host, name="accept", **acceptance.PORTFOLIO)
    simulate(host, run="accept", portfolio=manifest, **acceptance.RUN)
    return {"model": MODEL_VERSION, "digest": acceptance.losses_digest(host.s3.objects[keys.losses("accept")])}


def test_the_digest_that_ships_is_that_of_this_version() -> None:
    shipped = json.loads(acceptance.EXPECTED.read_text(encoding="utf-8"))
    assert shipped == expected(), "a change of the model: run python -m tests.cli.test_accept"


def test_a_stack_that_is_right_is_accepted_and_left_as_it_was(
    cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path
) -> None:
    before = set(cloud.keys(""))
    status, out, err = montecarlo("accept", "--to", tmp_path / "seen.json")
    assert status == 0, out + err
    assert [line.split()[0] for line in out.splitlines()[:3]] == ["ok"] * 3
    assert set(cloud.keys("")) == before
    text = (tmp_path / "seen.json").read_text()
    assert cloud.stack.outputs["DataProcStateMachineArn"].split(":")[4] not in text, "no account number"
    seen = json.loads(text)["seen"]
    assert {name: entry["status"] for name, entry in seen.items() if "status" in entry} == {
        "datagen": "SUCCEEDED",
        "whole": "SUCCEEDED",
        "stopped": "ABORTED",
        "stopped-resumed": "SUCCEEDED",
        "poisoned": "FAILED",
    }
    assert seen["poisoned"]["error"] == "InvalidPortfolio"
    assert "result.json" in seen["whole"]["layout"]
    assert seen["speed"]["kernel_ns_of_a_trial"] > 0


def test_other_digits_are_refused(
    cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong: dict[str, Any] = {"model": MODEL_VERSION, "digest": "0" * 64}
    (tmp_path / "expected.json").write_text(json.dumps(wrong))
    monkeypatch.setattr(acceptance, "EXPECTED", tmp_path / "expected.json")
    status, out, err = montecarlo("accept", "--to", tmp_path / "seen.json")
    assert status == 2
    assert "wrong digits" in out
    assert "does not do what it must" in err


if __name__ == "__main__":
    acceptance.EXPECTED.write_text(json.dumps(expected(), indent=1) + "\n", encoding="utf-8")
