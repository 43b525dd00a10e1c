"""PlanParts: deal a portfolio to be generated out to files."""

from montecarlo.host.aws_lambda import handler_of
from montecarlo.steps.plan_parts import step

handler = handler_of(step)
