"""The compiled kernel: NumPy's bits, and never a reason for a run to fail."""

import platform

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.model import normal
from montecarlo.model.credit import LoanRisks
from montecarlo.model.parameters import load
from montecarlo.simulation import binary, compiled, kernel, numpy_kernel
from montecarlo.simulation.numpy_kernel import Finder
from montecarlo.simulation.trials import Trials
from tests.pools import BASE, STRESSED, drawn_of, pool, tables_of
from tests.simulation.test_kernel import mixed

SEEDS = st.integers(0, 2**63 - 1)


@pytest.fixture
def library() -> compiled.Library:
    found = compiled.load(None)
    if found is None:
        assert (platform.system(), platform.machine()) not in [("Linux", machine) for machine in binary.MACHINES]
        pytest.skip("no machine code is carried for this computer")
    return found


def trials(loans: int, scenarios: int, seed: int = 3, first_scenario: int = 0) -> Trials:
    """Loans of three cases with thresholds from nearly 0 to nearly 1."""
    random = np.random.default_rng([seed, loans, scenarios])
    alpha = random.integers(-6 << 24, 6 << 24, (3, loans)).astype(np.int32)
    return Trials(
        seed=seed,
        first_scenario=first_scenario,
        phi=normal.table(),
        drift=random.integers(-3 << 24, 3 << 24, scenarios).astype(np.int32),
        key=random.integers(0, 2**64, loans, dtype=np.uint64),
        alpha=alpha[:, np.argsort(-alpha.max(axis=0))],
    )


def both(loans: LoanRisks, scenarios: int, seed: int) -> tuple[kernel.Simulation, kernel.Simulation]:
    tables, drawn = drawn_of(load(), scenarios, seed, BASE, STRESSED)
    return kernel.simulate(loans, tables, drawn, seed, "numpy"), kernel.simulate(loans, tables, drawn, seed)


def assert_same(ours: kernel.Simulation, theirs: kernel.Simulation) -> None:
    assert (ours.kernel, theirs.kernel) == ("numpy", "compiled")
    assert np.array_equal(ours.by_segment, theirs.by_segment)
    assert np.array_equal(ours.by_region, theirs.by_region)
    assert np.array_equal(ours.frequency, theirs.frequency)


def test_its_random_words_are_numpys(library: compiled.Library) -> None:
    for seed, key in ((0, 0), (42, 2**64 - 1), (2**63 - 1, 1)):
        numpys = np.random.Philox(key=np.array([seed, key], dtype=np.uint64)).random_raw(64)
        assert np.array_equal(library.random_words(seed, key, 64), numpys)


@pytest.mark.parametrize("scenarios", [1, 31, 32, 33, 1023, 1024, 1025, 2500])
def test_both_kernels_give_the_same_bits(library: compiled.Library, scenarios: int) -> None:
    assert_same(*both(mixed(tables_of(load(), BASE, STRESSED), 300), scenarios, 7))


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(1, 3000), st.integers(0, 50))
def test_both_kernels_give_the_same_bits_for_any_seed_and_size(seed: int, scenarios: int, loans: int) -> None:
    if compiled.load(None):
        assert_same(*both(mixed(tables_of(load(), BASE, STRESSED), loans, seed % 1000), scenarios, seed))


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(1, 2000), st.integers(1, 20), st.integers(0, 2**40))
def test_both_find_the_same_defaults(seed: int, scenarios: int, loans: int, first_block: int) -> None:
    some = trials(loans, scenarios, seed, first_scenario=32 * first_block)
    if library := compiled.load(None):
        for ours, theirs in zip(Finder(some).find(some), library.find(some), strict=True):
            assert sorted(zip(*map(np.ndarray.tolist, ours), strict=True)) == sorted(
                zip(*map(np.ndarray.tolist, theirs), strict=True)
            )


@pytest.mark.parametrize("use", kernel.KERNELS)
def test_later_scenarios_are_the_same_wherever_they_begin(use: kernel.Kernel) -> None:
    library = compiled.load(None) if use == "compiled" else None
    whole = trials(30, 1300)
    later = Trials(**{**vars(whole), "first_scenario": 64, "drift": whole.drift[64:]})
    for all_of_them, found in zip(*((library or Finder(t)).find(t) for t in (whole, later)), strict=True):
        expected = {(i, s - 64) for i, s in zip(*map(np.ndarray.tolist, all_of_them), strict=True) if s >= 64}
        assert set(zip(*map(np.ndarray.tolist, found), strict=True)) == expected


def test_losses_near_the_limit_of_a_chunk_are_exact(library: compiled.Library) -> None:
    tables, drawn = drawn_of(load(), 100)
    loans = pool(0.5, 2, tables, loss_cents=(1 << 61) - 1)
    ours, theirs = (kernel.simulate(loans, tables, drawn, 1, use).by_segment for use in kernel.KERNELS)
    assert np.array_equal(ours, theirs)
    assert ours.max() == 2 * ((1 << 61) - 1)


def test_a_library_that_gives_other_bits_is_not_used(
    library: compiled.Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tables, drawn = drawn_of(load(), 200)
    loans = mixed(tables, 50)

    def one_cent_more(trials: Trials, *arguments: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> None:
        numpy_kernel.add_losses(trials, *arguments)  # type: ignore[arg-type]
        arguments[3][0, 0, 0] += 1

    expected = kernel.simulate(loans, tables, drawn, 1, "numpy")
    monkeypatch.setattr(library, "add_losses", one_cent_more)
    found = kernel.simulate(loans, tables, drawn, 1)
    assert found.kernel == "numpy"
    assert np.array_equal(found.by_segment, expected.by_segment)
    assert "gives other bits" in caplog.text


def test_numpy_is_what_is_taken_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "load", lambda cache: pytest.fail("machine code was loaded"))
    tables, drawn = drawn_of(load(), 50)
    assert kernel.simulate(mixed(tables, 20), tables, drawn, 1, "numpy").kernel == "numpy"
