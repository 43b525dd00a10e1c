"""PlanGroup: cut one group's objects into chunks, and list those that are still to be simulated."""

from montecarlo.host.aws_lambda import handler_of
from montecarlo.steps.plan_group import step

handler = handler_of(step)
