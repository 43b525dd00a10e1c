"""scenarios.npz: nothing of it is lost on the way, and its digest tells any two apart."""

from typing import Any

import numpy as np

from montecarlo.model.cases import Case
from montecarlo.model.parameters import Parameters, load
from montecarlo.model.scenarios import Design, draw
from montecarlo.model.tables import model_tables
from montecarlo.run.scenario_file import ScenarioFile
from tests.pools import BASE, STRESSED, one_factor

SECTORS = len(load().segments)
ANYWHERE = Design((-2.5, -0.5, *[0.3] * (SECTORS - 1)))


def file_of(
    parameters: Parameters, scenarios: int, seed: int = 1, *cases: Case, design: Design = ANYWHERE, wave: int = 0
) -> ScenarioFile:
    return ScenarioFile(model_tables(parameters, cases or (BASE,)), draw(parameters, scenarios, seed, design, wave))


def arrays_of(file: ScenarioFile) -> dict[str, Any]:
    return file._arrays()


def test_everything_survives_the_file() -> None:
    written = file_of(load(), 50, 1, BASE, STRESSED, wave=3)
    read = ScenarioFile.from_bytes(written.to_bytes())
    assert read.digest() == written.digest()
    assert arrays_of(read).keys() == arrays_of(written).keys()
    assert all(np.array_equal(array, arrays_of(read)[name]) for name, array in arrays_of(written).items())
    assert (read.scenarios.first, read.tables.cases, len(read.scenarios)) == (3 * 64, 2, 50)


def test_every_number_counts_in_the_digest() -> None:
    files = [
        file_of(one_factor(0.1), 50),
        file_of(one_factor(0.1), 50, 2),
        file_of(one_factor(0.1), 50, wave=1),
        file_of(one_factor(0.1), 51),
        file_of(one_factor(0.1), 50, design=Design()),
        file_of(one_factor(0.11), 50),
        file_of(one_factor(0.1), 50, 1, STRESSED),
    ]
    assert len({file.digest() for file in files}) == len(files)
