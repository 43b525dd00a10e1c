"""The machine code for arm64, which Lambda's default processor runs, gives NumPy's bits. QEMU runs it on any computer.

It needs QEMU and arm64's C library (Debian's qemu-user-static and libc6-arm64-cross), and Zig's C compiler (`make
compiler`) for the program that calls it.
"""

import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from montecarlo.portfolio.regions import REGIONS
from montecarlo.simulation import numpy_kernel
from montecarlo.simulation.numpy_kernel import Finder
from montecarlo.simulation.trials import WEIGHT_BITS, Rows
from publishing import kernel as publishing
from tests.simulation.test_binary import carried
from tests.simulation.test_compiled import trials

LIBC = Path("/usr/aarch64-linux-gnu")
PROCESSOR = "neoverse-n1"  # of AWS's Graviton2, the oldest that Lambda has
WORDS = 64


@pytest.fixture(scope="module")
def arm64(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that calls the library on arm64."""
    qemu = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if platform.machine() == "aarch64":
        pytest.skip("this computer is an arm64 one: test_compiled.py runs the same machine code")
    if qemu is None or not LIBC.exists():
        pytest.skip("no QEMU for arm64: apt-get install qemu-user-static libc6-arm64-cross")
    if not publishing.PYTHON.exists():
        pytest.skip("Zig's C compiler is not installed: `make compiler` does it")
    folder = tmp_path_factory.mktemp("arm64")
    library, program = folder / "kernel.so", folder / "on_arm64"
    library.write_bytes(carried("aarch64").code)
    source = Path(__file__).with_name("on_arm64.c")
    target = ("-target", publishing.target("aarch64"))
    publishing.zig("cc", *target, "-O1", str(source), "-ldl", "-o", str(program))
    return [qemu, "-L", str(LIBC), "-cpu", PROCESSOR, str(program), str(library)]


@pytest.mark.parametrize(("loans", "scenarios", "seed"), [(1, 1, 0), (40, 1025, 7), (25, 2500, 2**63 - 1)])
def test_arm64_gives_the_same_bits(arm64: list[str], loans: int, scenarios: int, seed: int) -> None:
    some = trials(loans, scenarios, seed, first_scenario=32)
    random = np.random.default_rng(scenarios)
    loss = random.integers(1, 2**45, loans)
    region = random.integers(0, len(REGIONS), loans).astype(np.int16)
    weights = random.integers(0, 2**WEIGHT_BITS // scenarios, scenarios)
    by_region = np.zeros((some.cases, len(REGIONS), scenarios), dtype=np.int64)
    frequency = np.zeros((some.cases, loans), dtype=np.int64)
    rows = Rows(random.integers(0, 5, (3, loans)).astype(np.int32), 5)
    by_row = np.zeros((some.cases, rows.count, scenarios), dtype=np.int64)
    numpy_kernel.add_losses(some, loss, region, weights, by_region, frequency, rows, by_row)

    sizes = (seed, some.first_scenario, scenarios, some.cases, loans, len(REGIONS), some.phi.size, WORDS, 3, rows.count)
    arrays = (np.array(sizes), some.phi, some.drift, some.key, some.alpha, loss, region, weights, rows.row)
    given = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    done = subprocess.run(arm64, input=given, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    results = np.frombuffer(done.stdout, dtype=np.int64)

    def take(*shape: int) -> npt.NDArray[np.int64]:
        nonlocal results
        size = int(np.prod(shape))
        taken, results = results[:size].reshape(shape), results[size:]
        return taken

    assert np.array_equal(take(*by_region.shape), by_region)
    assert np.array_equal(take(*by_row.shape), by_row)
    assert np.array_equal(take(*frequency.shape), frequency)
    counts, defaults = take(some.cases), take(some.cases, loans * scenarios)
    for case, (position, scenario) in enumerate(Finder(some).find(some)):
        assert sorted(defaults[case, : counts[case]].tolist()) == sorted((position * scenarios + scenario).tolist())
    raw = np.random.Philox(key=np.array([seed, some.key[0]], dtype=np.uint64)).random_raw(WORDS)
    assert np.array_equal(take(WORDS).view(np.uint64), raw)
    assert frequency.any() or loans == 1
    assert not results.size


def test_arm64_refuses_the_other_processors_code(arm64: list[str], tmp_path: Path) -> None:
    """What QEMU runs is arm64's loader, so the test above cannot pass by this computer's own code."""
    other = tmp_path / "kernel.so"
    other.write_bytes(carried("x86_64").code)
    done = subprocess.run([*arm64[:-1], str(other)], input=b"", capture_output=True)
    assert done.returncode == 1
    assert b"kernel.so" in done.stderr
