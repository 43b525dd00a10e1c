"""The report's sections, one file each: a function of the result that makes its part of the page."""
