"""What each figure means."""

from montecarlo.report.markup import section, tag

DEFINITIONS = (
    (
        "Expected loss (EL)",
        "The loss of an average year, computed loan by loan: probability of default × loss given default × exposure."
        " Pricing and provisions should cover it.",
    ),
    ("Unexpected loss (UL)", "The standard deviation of the loss around its mean."),
    (
        "Value at risk (VaR)",
        "The smallest loss x with F(x) ≥ α, inf{x : F(x) ≥ α}, where F is the distribution of the simulated losses:"
        " with probability α the loss is no larger. It is always a simulated loss, never interpolated.",
    ),
    (
        "Expected shortfall (ES)",
        "The mean loss over the worst 1 − α of the distribution: how bad it is once it is that bad.",
    ),
    ("Economic capital", "VaR − EL at the same level: the capital to hold beyond what EL already covers."),
    (
        "Basel IRB capital",
        "Regulatory capital by the internal-ratings-based formula (CRE31), with floors under PD and without the output"
        " floor. Risk-weighted assets (RWA) are 12.5 times as much.",
    ),
    (
        "Expected credit loss (ECL)",
        "The probability-weighted, discounted loss that accounts provide for: over 12 months, or over the remaining"
        " life of the loans, which lose value to defaults of later years too.",
    ),
    (
        "95 % interval",
        "Where the figure would lie, 19 times in 20, with other random scenarios. It covers the error of the"
        " simulation, not that of the model, its parameters or the data.",
    ),
    (
        "Cases",
        "All cases use the same random numbers, so their difference is the effect of the benchmark rate and what"
        " else a case assumes, and chance has little part in it.",
    ),
    (
        "Parameters",
        "Listed in the run record. The defaults are judgement, not calibrated to a portfolio: set your own before"
        " relying on the figures.",
    ),
)

READING_GUIDE = section(
    "How to read this",
    tag("dl", *(tag("div", tag("dt", term), tag("dd", meaning)) for term, meaning in DEFINITIONS), class_="guide"),
)
