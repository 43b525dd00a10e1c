"""Another run's scenarios: with `scenarios_from` a run takes them over, so that the losses of both add up and can be
compared scenario by scenario.

A loan's loss is a function of the seed, its AccountID and the scenario. Drawn anew, the scenarios of another portfolio
are others, as they are aimed where that portfolio loses most.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from montecarlo import MODEL_VERSION
from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun, InvalidInput, RunTaken
from montecarlo.model import normal
from montecarlo.model.cases import Case, unweighted
from montecarlo.model.measures import LossSample, independent_error
from montecarlo.model.parameters import Parameters
from montecarlo.model.scenarios import Scenarios
from montecarlo.model.tables import ModelTables
from montecarlo.model.tail_shift import LEVEL, LossProfile
from montecarlo.run import sums
from montecarlo.run.plan import Plan, TailFit, as_json, differences, find, read_scenarios, read_waves
from montecarlo.run.request import SCENARIOS_FROM, RunRequest
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store

FindStore = Callable[[str], tuple[Store, str]]
"""`steps.protocol.Host.find_store`."""

_BLOCK = 20_000
"""Scenarios that a profile's losses are worked out for at once."""


@dataclass(frozen=True)
class Source:
    """A run whose scenarios are taken. place: as it was asked for. plan: its first wave's. digests: of each wave's
    scenarios, which lie in `store` under the name `run`.
    """

    place: str
    plan: Plan
    digests: tuple[str, ...]
    store: Store
    run: str

    def defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What a request that takes the scenarios asks for, where `given` does not say."""
        plan = self.plan
        taken = {
            "seed": plan.seed,
            "scenarios": plan.scenarios,
            "sample": plan.sample,
            "tail_sampling": plan.design.shift is not None,
            "parameters": plan.parameters.to_json(),
            "levels": plan.levels or None,
            "contribution_level": plan.contribution_level,
        }
        if given.get("reuse") is not None:
            taken |= {"chunk_loans": plan.chunk_loans, "dimensions": plan.dimensions or None}
        if given.get("cases") is None and given.get("fed_rate") is None:
            taken["cases"] = _stress(plan.cases)
        return taken

    def check(self, request: RunRequest, parameters: Parameters, cases: Sequence[Case]) -> None:
        """Raise InvalidInput that names what the request asks for otherwise, and the scenarios cannot be had with. The
        cases' probabilities may be others: no loss depends on them.
        """
        plan = self.plan
        there, here = (
            {
                "seed": one.seed,
                "scenarios": one.scenarios,
                "sample": one.sample,
                "tail_sampling": aimed,
                "parameters": its_parameters.to_json(),
                "cases": _stress(unweighted(its_cases)),
                "order of cases": [case.name for case in its_cases],
                "model version": model,
            }
            for one, aimed, its_parameters, its_cases, model in (
                (plan, plan.design.shift is not None, plan.parameters, plan.cases, plan.model),
                (request, request.tail_sampling, parameters, cases, MODEL_VERSION),
            )
        )
        if different := list(differences(as_json(there), as_json(here))):
            raise InvalidInput(
                f"scenarios_from: the run {self.place} differs in {', '.join(different[:5])}. Its scenarios bring all "
                "of these along: leave them out of the request, or leave scenarios_from out."
            )

    def scenarios(self, wave: int) -> ScenarioFile:
        """The scenarios of a wave. Raises IncompleteRun if they are missing, or not those that the run was made of."""
        name = keys.wave(self.run, wave)
        return read_scenarios(self.store, replace(self.plan, run=name, scenarios_digest=self.digests[wave]))


def find_source(place: str, run: str, store: Store, find_store: FindStore) -> Source:
    """The run whose scenarios `run` shall take from `place`.

    Those that an earlier attempt at the run took over already are the ones, whatever became of the other run since.
    Raises InvalidInput where the other run is not there, not done, or may not be read.
    """
    earlier = find(store, run)
    if earlier and earlier[0].get("scenarios_from") == place:
        try:
            plan = Plan.from_json(earlier[0])
            own = Source(place, plan, plan.pinned, store, run)
            for wave in range(len(own.digests)):
                own.scenarios(wave)
            return own
        except (Damaged, IncompleteRun):  # an attempt that was cut off before it had taken all
            pass
    found = SCENARIOS_FROM.fullmatch(place)
    if found is None:
        raise InvalidInput(f"scenarios_from: {place} is no run.")
    bucket, name = found.groups()
    there = find_store(place)[0] if bucket else store
    try:
        digests = sums.waves(there, name)
        plans = read_waves(there, name, len(digests))
    except NoSuchObject:
        raise InvalidInput(
            f"scenarios_from: {there.url(keys.sums(name))} does not exist: there is no such run, it is not done, or an "
            "earlier version of this project made it, which left no sums. Run it first."
        ) from None
    except (IncompleteRun, RunTaken, Damaged) as error:
        raise InvalidInput(f"scenarios_from: the run {place} cannot be read: {error}") from None
    if not digests or tuple(plan.scenarios_digest for plan in plans) != digests:
        raise InvalidInput(f"scenarios_from: the scenarios of the run {place} are not those that its sums are of.")
    return Source(place, plans[0], digests, there, name)


def tail_fit(profile: LossProfile, tables: ModelTables, pinned: Scenarios, own: Scenarios) -> TailFit:
    """How well pinned scenarios suit a portfolio of this profile, beside scenarios of its own."""
    return TailFit(*(_tail_size(profile, tables, scenarios) for scenarios in (pinned, own)))


def _tail_size(profile: LossProfile, tables: ModelTables, scenarios: Scenarios) -> int:
    """The effective sample size beyond the 99.9 % quantile of the profile's losses."""
    loading = tables.loading / normal.ONE
    factors = scenarios.factors / normal.ONE
    losses = [
        profile.expected_loss(factors[:, start : start + _BLOCK], loading) for start in range(0, len(scenarios), _BLOCK)
    ]
    cents = np.rint(np.concatenate(losses)).astype(np.int64)
    return round(LossSample(cents, scenarios.weights, independent_error).effective_size(LEVEL))


def _stress(cases: Sequence[Case]) -> dict[str, Any]:
    """The cases beside the base, as a request gives them."""
    return {case.name: case.assumed() for case in cases[1:]}
