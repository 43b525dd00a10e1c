"""What a chunk leaves in the bucket for the steps that add up, by what its plan is of."""

from montecarlo.run.contributions import names_borrowers
from montecarlo.run.groups import Sums
from montecarlo.run.partial import Partial
from montecarlo.run.plan import Plan
from montecarlo.run.weighed import Weighed
from montecarlo.storage import keys


def kind_of(plan: Plan) -> type[Sums]:
    """What its sums are: a `Partial` of a wave of scenarios, a `Weighed` of the pass over the tail."""
    return Weighed if plan.wave == keys.TAIL else Partial


def leaves_keys(plan: Plan) -> bool:
    """Whether it leaves a tally under keys/: of AccountIDs in the first wave, which further ones would say again; of
    what borrowers contribute in the pass.
    """
    return names_borrowers(plan) if plan.wave == keys.TAIL else not plan.wave


def leaves_obligors(plan: Plan) -> bool:
    """Whether it leaves a tally of what each borrower owes."""
    return plan.by_borrower and not plan.wave
