"""What is drawn from a seed."""

from tests.chaos.plan import SIZES, plan


def names(seed: int, size: str) -> set[tuple[str, str]]:
    kinds = {"cut", "silence", "delay", "freeze at"}
    drawn = plan(seed, SIZES[size])
    return {
        (each.name, "" if each.name in kinds else each.target.partition("-")[0])
        for lane in drawn.lanes
        for each in lane
    }


class TestAPlan:
    def test_of_a_seed_is_always_the_same_and_another_of_another(self) -> None:
        assert plan(7, SIZES["short"]) == plan(7, SIZES["short"])
        assert plan(7, SIZES["short"]) != plan(8, SIZES["short"])

    def test_of_an_ordinary_run_has_all_faults_whatever_the_seed(self) -> None:
        kinds = {seed: names(seed, "normal") for seed in range(20)}

        assert all(found == kinds[0] for found in kinds.values())
        assert {"kill", "freeze", "freeze at", "cut", "silence", "delay", "away", "backlog", "roll"} < {
            name for name, _ in kinds[0]
        }

    def test_of_the_long_run_has_ten_thousand_workflows_and_a_thousand_faults(self) -> None:
        drawn = plan(1, SIZES["long"])

        assert sum(request.kind == "workflow" for request in drawn.requests) >= 10_000
        assert drawn.faults >= 1_000

    def test_never_disturbs_one_lane_twice_at_a_time(self) -> None:
        for lane in plan(3, SIZES["normal"]).lanes:
            ends = [each.at + each.seconds for each in lane]
            assert all(later.at >= end for later, end in zip(lane[1:], ends, strict=False))

    def test_asks_for_each_kind_of_thing_and_for_some_of_them_again(self) -> None:
        asked = plan(5, SIZES["short"]).requests

        assert {request.kind for request in asked} == {"workflow", "task", "poison"}
        assert {order.name for request in asked for order in request.orders} == {
            "cancel",
            "retry",
            "delete",
            "start",
            "pause",
            "resume",
            "rerun",
            "signal",
        }
        assert any(request.again for request in asked)

    def test_lets_all_schedulers_be_away_for_ten_minutes_in_the_long_run(self) -> None:
        servers = plan(2, SIZES["long"]).lanes[3]
        away = [each.seconds for each in servers if (each.name, each.target) == ("away", "scheduler")]

        assert away[0] == 600
