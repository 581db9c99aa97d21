"""Services die once at crash points while small workflows run, and all end well."""

from tests.chaos.crashing_points import die_everywhere


async def test_a_death_at_any_of_ten_crash_points_changes_nothing() -> None:
    deaths = await die_everywhere(seed=1, share=0.15, rounds=1, within=150)

    assert len(deaths.chosen) >= 5, str(deaths)
    assert deaths.missing == frozenset(), str(deaths)
    assert deaths.verdict.violations == 0, str(deaths)
