"""What heads a report and what it compares with: no figure hangs on it, and nonsense is refused at once."""

import json
import re
from typing import Any

import pytest
from hypothesis import given

from montecarlo.errors import InvalidInput
from montecarlo.model.cases import Case
from montecarlo.run import plan as plans
from montecarlo.run.request import run_request, stress_cases
from montecarlo.storage import keys
from tests.hostile.test_parameters import ANYTHING
from tests.memory_run import MemoryHost, generate, simulate

TITLE: dict[str, Any] = {"institution": "Bank <b>", "portfolio_name": "Book & more", "capital_available": 1e6}
REQUEST: dict[str, Any] = {"run": "june", "portfolio": "portfolios/small/", "scenarios": 200, "chunk_loans": 200}


@pytest.fixture(scope="module")
def host() -> MemoryHost:
    host = MemoryHost()
    generate(host, name="small", loans=300)
    return host


def test_no_bit_hangs_on_the_title(host: MemoryHost) -> None:
    plain = simulate(host, **REQUEST)
    digest, written = plans.read(host.store, "june").digest, dict(host.s3.objects)
    simulate(host, **{**REQUEST, "run": "may", "seed": 7})
    titled = simulate(host, **REQUEST, **TITLE, compare_with="may")
    assert plans.read(host.store, "june").digest == digest
    assert not set(TITLE) & json.loads(written[keys.plan("june")]).keys(), "a plan without is as it always was"
    assert {name: titled[name] for name in plain if name not in ("timings", "cost")} == {
        name: value for name, value in plain.items() if name not in ("timings", "cost")
    }
    same = [key for key in written if re.search(r"june/(chunk-|loans/|losses|segments|scenarios|.*/partial)", key)]
    assert len(same) > 5
    assert all(host.s3.objects[key] == written[key] for key in same)
    page = host.s3.objects[keys.report("june")].decode()
    assert "Bank &lt;b&gt;" in page
    assert "What changed since the run may" in page


def test_the_figures_that_are_compared_are_those_of_the_other_result(host: MemoryHost) -> None:
    other = simulate(host, **{**REQUEST, "run": "other"})
    compared = simulate(host, **{**REQUEST, "run": "later"}, compare_with="other")["compared"]
    assert compared["exposure"] == other["exposure"]
    for name, case in compared["cases"].items():
        assert case.items() <= other["cases"][name].items()


def test_what_was_compared_outlives_the_other_run(host: MemoryHost) -> None:
    simulate(host, **{**REQUEST, "run": "gone"})
    compared = simulate(host, **{**REQUEST, "run": "stays"}, compare_with="gone")["compared"]
    del host.s3.objects[keys.sums("gone")]
    assert simulate(host, **{**REQUEST, "run": "stays"}, compare_with="gone")["compared"] == compared


def test_a_run_that_is_not_done_cannot_be_compared_with(host: MemoryHost) -> None:
    with pytest.raises(InvalidInput, match=r"compare_with: s3://bucket/runs/never/sums.npz does not exist"):
        simulate(host, **{**REQUEST, "run": "alone"}, compare_with="never")
    simulate(host, **{**REQUEST, "run": "damaged"})
    host.s3.objects[keys.sums("damaged")] = b"PK"
    with pytest.raises(InvalidInput, match=r"compare_with: the run damaged cannot be read"):
        simulate(host, **{**REQUEST, "run": "alone"}, compare_with="damaged")
    assert keys.plan("alone") not in host.s3.objects


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("institution", "", "institution must be a text of 1 to 120"),
        ("institution", "x" * 121, "institution must be a text of 1 to 120"),
        ("portfolio_name", "\ud800", "portfolio_name has half a character"),
        ("capital_available", 0, "capital_available is 0, but must be"),
        ("capital_available", -5, "capital_available is -5, but must be"),
        ("capital_available", "60m", "capital_available must be a number"),
        ("compare_with", "june", "compare_with is the run itself"),
        ("compare_with", "../secrets", "compare_with must be 1 to 80 letters"),
    ],
)
def test_nonsense_is_refused_by_name(field: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        run_request({"run": "june", field: value}, {})


@given(ANYTHING, ANYTHING)
def test_anything_else_is_refused_by_name_too(name: Any, other: Any) -> None:
    try:
        request = run_request({"run": "june", "institution": name, "compare_with": other}, {})
    except InvalidInput as error:
        message = str(error)
    else:
        assert request.institution is None or request.institution.strip()
        return
    assert message.startswith(("institution", "compare_with"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("mapping", ["x" * 80] * 3_000, "mapping must be an object, not "),
        ("parameters", "x" * 300_000, "parameters must be an object, not "),
        ("target_measure", "x" * 300_000, "target_measure must be one of "),
        ("as_of", "x" * 300_000, "as_of must be a date such as 2026-01-31, not "),
        ("cases", {f"c{n}": {} for n in range(17)}, "cases must be an object of 1 to 16 named cases, not of 17."),
        ("cases", ["x" * 80] * 3_000, "cases must be an object of 1 to 16 named cases, not "),
        ("cases", {"odd": {"x" * 300_000: 1}}, "cases.odd may have fed_rate, "),
    ],
)
def test_a_refusal_is_short_whatever_was_given(field: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        stress_cases(run_request({"run": "june", field: value}, {}), Case("base", 3.63, {}), ("auto",))
    assert str(refused.value).startswith(message)
    assert len(str(refused.value)) < 500, "Step Functions has room for so much, and so has a terminal"
