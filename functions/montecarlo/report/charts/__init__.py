"""The report's charts as inline SVG, made by pure functions. Drawings are 960 units wide."""
