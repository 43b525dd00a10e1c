"""The regions of a portfolio: groups of neighbouring states, by the first digit of their ZIP codes (USPS).

The one table behind validation, simulation, results and report. Imports nothing.
"""

REGION_LABELS = {
    "0": "CT MA ME NH NJ PR RI VT VI AE",
    "1": "DE NY PA",
    "2": "DC MD NC SC VA WV",
    "3": "AL FL GA MS TN AA",
    "4": "IN KY MI OH",
    "5": "IA MN MT ND SD WI",
    "6": "IL KS MO NE",
    "7": "AR LA OK TX",
    "8": "AZ CO ID NM NV UT WY",
    "9": "AK AP AS CA GU HI MP OR WA",
}
"""Each digit with its states, territories and (AA, AE, AP) military addresses."""

REGIONS = (*REGION_LABELS, "unknown")
"""The names of the regions as results have them. A loan's region is an index into these."""

UNKNOWN_REGION = REGIONS.index("unknown")
"""The region of loans whose ZipCode is neither a ZIP code nor a state."""

STATE_REGION = {state: REGIONS.index(digit) for digit, states in REGION_LABELS.items() for state in states.split()}
"""The region of each state, by its two letters."""
