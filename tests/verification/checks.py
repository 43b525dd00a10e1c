"""All checks, in the order of docs/verification.md."""

from tests.verification import (
    check_calibration,
    check_credit,
    check_dependence,
    check_errors,
    check_factors,
    check_libraries,
    check_pools,
    check_products,
    check_streams,
    check_stress,
)
from tests.verification.figures import Check

CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        check_pools.published_values,
        check_pools.large_pools,
        check_pools.granularity_adjustment,
        check_pools.finite_pools,
        check_pools.heterogeneous_portfolios,
        check_pools.borrowers,
        check_pools.two_sectors,
        check_pools.random_lgds,
        check_dependence.loan_correlations,
        check_dependence.basel_correlations,
        check_dependence.sector_matrix,
        check_factors.factor_distribution,
        check_factors.joint_defaults,
        check_factors.conditional_default_rates,
        check_factors.marginal_probabilities,
        check_factors.fixed_point,
        check_factors.ties,
        check_streams.byte_streams,
        check_streams.kernel_bits,
        check_streams.account_keys,
        check_errors.standard_errors,
        check_errors.contribution_errors,
        check_credit.amortisation,
        check_credit.rate_shock,
        check_credit.scorecard,
        check_credit.real_loans,
        check_products.repayment,
        check_products.repayment_by_quantlib,
        check_products.collateral,
        check_products.provisions,
        check_products.monthly_provisions,
        check_products.stages,
        check_products.migration,
        check_stress.reverse_stress,
        check_calibration.calibration,
        check_libraries.quantlib,
        check_libraries.creditriskengine,
        check_libraries.pyassetcorr,
    )
}
