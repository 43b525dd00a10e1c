"""The table of regions: every state once, and indices that agree with the names in results."""

from montecarlo.portfolio.regions import REGION_LABELS, REGIONS, STATE_REGION, UNKNOWN_REGION


def test_every_state_territory_and_military_address_is_in_one_region() -> None:
    listed = [state for states in REGION_LABELS.values() for state in states.split()]
    assert len(listed) == len(set(listed)) == 50 + 1 + 5 + 3  # states, DC, territories, military


def test_results_name_a_states_region_by_the_first_digit_of_its_zip_codes() -> None:
    assert REGIONS == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "unknown")
    assert REGIONS[UNKNOWN_REGION] == "unknown"
    zip_codes = {"PR": "00901", "AE": "09012", "NY": "10001", "AA": "34001", "TX": "73301", "GU": "96910"}
    assert {state: REGIONS[STATE_REGION[state]] for state in zip_codes} == {
        state: code[0] for state, code in zip_codes.items()
    }
