"""What the steps of a run hand on to one another."""
