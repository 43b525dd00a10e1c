"""What a row of a portfolio is."""
