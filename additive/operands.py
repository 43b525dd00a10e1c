"""Runs as terms of a sum: their plans and sums, wherever these lie, and what keeps two of them from being added up."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun, InvalidInput, MonteCarloError, RunTaken
from montecarlo.run import duplicates, sums
from montecarlo.run.plan import Plan, as_json, differences, find, read, read_scenarios
from montecarlo.run.request import SCENARIOS_FROM
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.run.sums import RunSums
from montecarlo.run.tally import Tally
from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store

MakeStore = Callable[[str], Store]
"""Makes the store of a bucket."""

_SIGN = re.compile(r"[+\-−]")


@dataclass(frozen=True)
class Term:
    """One of the runs of a sum, and whether it is added (1) or taken out (-1)."""

    sign: int
    place: str


def parse(words: Sequence[str]) -> list[Term]:
    """`A + B - C`, as the words of a command line or as one text. Raises InvalidInput."""
    if len(words) == 1:
        words = words[0].split()
    terms: list[Term] = []
    sign = 1
    for place, word in enumerate(words):
        if place % 2 == 0:
            if _SIGN.fullmatch(word) or not word:
                raise InvalidInput(
                    f"a run is missing before {word!r}: write RUN + RUN - RUN, with a space at each sign."
                )
            terms.append(Term(sign, word))
        elif _SIGN.fullmatch(word):
            sign = 1 if word == "+" else -1
        else:
            raise InvalidInput(
                f"a + or - is missing before {word!r}: write RUN + RUN - RUN, with a space at each sign."
            )
    if len(words) % 2 == 0:
        raise InvalidInput("a run is missing at the end: write RUN + RUN - RUN, with a space at each sign.")
    return terms


def in_words(terms: Sequence[Term]) -> str:
    """Reverse of `parse`."""
    text = "".join(f" {'+' if term.sign > 0 else '-'} {term.place}" for term in terms)
    return text.removeprefix(" + ")


class Folder(Store):
    """What somebody has sent of a run, in a folder of this computer: plan.json, sums.npz and more. For reading."""

    def __init__(self, path: Path) -> None:
        self.bucket = str(path)
        self._path = path

    def _file(self, key: str) -> Path:
        return self._path / key.split("/", 2)[2]  # what follows runs/<run>/

    def url(self, key: str) -> str:
        """The file of a key."""
        return str(self._file(key))

    def get(self, key: str) -> bytes:
        """The file's bytes. Raises NoSuchObject."""
        try:
            return self._file(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchObject(f"{self.url(key)} does not exist.") from None
        except OSError as error:
            raise InvalidInput(f"{self.url(key)} cannot be read: {error.strerror}.") from None

    def read(self, key: str) -> tuple[bytes, str]:
        """As `get`; files have no ETag."""
        return self.get(key), ""


@dataclass(frozen=True, eq=False)
class Operand:
    """A run that was found: its first wave's plan and its sums, in `store` under the name `name`."""

    term: Term
    store: Store
    name: str
    plan: Plan
    sums: RunSums

    @classmethod
    def find(cls, term: Term, store: Store, make_store: MakeStore) -> "Operand":
        """The run at the term's place: a folder, s3://bucket/runs/NAME/, or the name of a run in the store.

        Raises InvalidInput where there is none that is done.
        """
        there, name = _place(term.place, store, make_store)
        try:
            if find(there, name) is None:
                raise InvalidInput(f"there is no run {term.place}: {there.url(keys.plan(name))} does not exist.")
            plan = read(there, name)
            found = sums.read(there, name, plan)
        except NoSuchObject as error:
            raise InvalidInput(
                f"{term.place} has no sums: {error} The run is not done, or an earlier version of this project made "
                "it. Run it first."
            ) from None
        except (IncompleteRun, RunTaken, Damaged) as error:
            raise InvalidInput(f"{term.place} cannot be read: {error}") from None
        return cls(term, there, plan.run if isinstance(there, Folder) else name, plan, found)

    def check(self, first: "Operand") -> None:
        """Raise InvalidInput that names why the run cannot be added to, or taken from, the first one."""
        ours, theirs = (as_json(each.comparable()) for each in (self, first))
        found = [text.replace("not", "and not", 1) for text in differences(ours, theirs)]
        if self.sums.scenarios != first.sums.scenarios:
            found.append(
                f"scenarios ({len(self.sums.scenarios)} waves of its own: run it with scenarios_from, so that they are "
                f"those of {first.term.place})"
            )
        if found:
            raise InvalidInput(
                f"{self.term.place} and {first.term.place} do not add up: {self.term.place} differs in "
                f"{', '.join(found[:5])}."
            )

    def comparable(self) -> dict[str, Any]:
        """What must be the same of all runs that are added up, beside their scenarios."""
        plan = self.plan
        return {
            "seed": plan.seed,
            "number of scenarios": plan.scenarios,
            "sample": plan.sample,
            "cases": {case.name: case.assumed() for case in plan.cases},
            "order of cases": [case.name for case in plan.cases],
            "parameters": plan.parameters.to_json(),
            "model version": plan.model,
            "reporting date": plan.as_of.isoformat(),
            "currency": plan.columns.currency,
        }

    @cached_property
    def dimensions(self) -> tuple[str, ...]:
        """The names of the dimensions that its sums have, the regions of a mapping among them."""
        return tuple(self.plan.columns.dimensions)

    def scenarios(self, wave: int) -> ScenarioFile | None:
        """The scenarios of a wave; None where they are not there. Raises InvalidInput if they are others."""
        name = keys.wave(self.name, wave)
        digest = self.sums.scenarios[wave]
        try:
            self.store.get(keys.scenarios(name))
        except NoSuchObject:
            return None
        try:
            return read_scenarios(self.store, replace(self.plan, run=name, scenarios_digest=digest))
        except IncompleteRun as error:
            raise InvalidInput(f"{self.term.place} cannot be read: {error}") from None

    def largest(self) -> list[tuple[int, str]] | None:
        """Exposure in cents and AccountID of its largest loans, from result.json; None where that is not there."""
        try:
            result = self.store.get_json(keys.result(self.name), dict)
            loans = result["input"]["largest"]
            return [(round(each["exposure"] * 100), str(each["loan"])) for each in loans]
        except (NoSuchObject, Damaged, KeyError, TypeError, ValueError):
            return None

    def has_keys(self) -> bool:
        """Whether the sorted keys of its AccountIDs are there."""
        try:
            batches = [duplicates.batches_of(self.plan, group, self.store) for group in range(self.plan.groups)]
        except MonteCarloError:
            return False
        rows = sum(each.rows for each in batches)
        return rows == self.sums.total.counts.simulated or (self.plan.count_one_in > 1 and rows > 0)

    def keys_between(self, low: int, high: int) -> Tally:
        """The keys from `low` up to, not including, `high`, with the number of loans of each."""
        found = []
        width = (1 << 64) // (self.plan.count_one_in * self.plan.count_ranges)
        for part in range(self.plan.count_ranges):
            if part * width >= high or (part + 1) * width + self.plan.count_ranges < low:
                continue
            for group in range(self.plan.groups):
                for batch in range(duplicates.batches_of(self.plan, group, self.store).batches):
                    key = keys.group_tally(self.plan.run, group, batch, part)
                    name = duplicates.name_of(self.plan, group, batch, part)
                    found.append(_between(duplicates.read_tally(self.store, key, name), low, high))
        return Tally.merge(found)


def weights(files: Sequence[ScenarioFile]) -> npt.NDArray[np.float64]:
    """The weights of the scenarios of all waves, (S,)."""
    return np.concatenate([each.scenarios.weights for each in files]) / len(files)


def _place(place: str, store: Store, make_store: MakeStore) -> tuple[Store, str]:
    """The store and the name of a run; a name that is both a run's and a folder's is the run's, as what a run leaves
    comes to folders of its name.
    """
    path, found = Path(place), SCENARIOS_FROM.fullmatch(place)
    bucket, name = found.groups() if found else (None, "")
    is_folder = (path / "plan.json").is_file()
    if found and (bucket or not is_folder or store.exists(keys.plan(name))):
        return (make_store(bucket) if bucket and bucket != store.bucket else store), name
    if is_folder:
        return Folder(path), "folder"
    raise InvalidInput(
        f"there is no run {place}: name a run, s3://bucket/runs/NAME/, or a folder with the plan.json and sums.npz "
        "that somebody has sent." + (" Write RUN + RUN with a space at each sign." if "+" in place else "")
    )


def _between(tally: Tally, low: int, high: int) -> Tally:
    start, stop = (len(tally) if end >> 64 else int(np.searchsorted(tally.key, np.uint64(end))) for end in (low, high))
    return Tally(tally.key[start:stop], tally.amount[start:stop])
