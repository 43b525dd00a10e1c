"""Where a portfolio's rows lie, and how they are cut into chunks."""
