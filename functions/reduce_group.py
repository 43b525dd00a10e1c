"""ReduceGroup: add up one group's chunks."""

from montecarlo.host.aws_lambda import handler_of
from montecarlo.steps.reduce_group import step

handler = handler_of(step)
