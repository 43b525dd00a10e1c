"""Aggregate: check that the run is whole, and publish its results, or ask for more scenarios."""

from montecarlo.host.aws_lambda import handler_of
from montecarlo.steps.aggregate import step

handler = handler_of(step)
