"""Run the whole product on one's own computer: an embedded AWS and the `montecarlo` command.

Nothing in here is deployed. `local` may import anything that is installed; nothing under `functions` imports `local`.
"""
