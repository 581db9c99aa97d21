"""What holds for every workflow, every outcome and every order of events; Hypothesis looks for the order."""

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from filemill_common.events import Event
from services.scheduler.tests.core.budget import EXAMPLES, bounded
from services.scheduler.tests.core.players import Player
from services.scheduler.tests.core.workflows import Oracle, Workflow, workflows

POLICIES = ("fail_fast", "drain", "continue")

CHANCES = st.integers(0, 2**32).map(Random)
READS = st.sampled_from([6, 7, 20])  # to make a subworkflow takes six


def states(player: Player) -> dict[str, tuple[str, str | None]]:
    """Tell how each step has ended, and why it was skipped."""
    return {
        task.step_id or "": (str(task.status), task.reason)
        for task in player.tasks
        if task.workflow_id == "run" and task.item is None
    }


class TestEveryWorkflow:
    @EXAMPLES
    @given(data=st.data())
    @bounded
    def test_comes_to_what_its_semantics_say_in_whatever_order_things_happen(
        self, data: st.DataObject
    ) -> None:
        workflow: Workflow = data.draw(workflows(policies=("continue",)))
        ordered = Player(workflow)
        ordered.play()
        mixed = Player(workflow, data.draw(CHANCES), reads=data.draw(READS))
        mixed.play()

        oracle = Oracle(workflow)
        expected = {name: (end.status, end.reason) for name, end in oracle.ends.items()}
        assert states(ordered) == expected
        assert states(mixed) == expected
        assert str(ordered.scene.run().status) == str(mixed.scene.run().status) == oracle.status
        for player in (ordered, mixed):
            player.see_that_all_is_over()

    @EXAMPLES
    @given(data=st.data())
    @bounded
    def test_ends_once_and_counts_right_under_every_policy(self, data: st.DataObject) -> None:
        workflow: Workflow = data.draw(workflows(policies=POLICIES))
        player = Player(workflow, data.draw(CHANCES), reads=data.draw(READS))
        player.play()

        player.see_that_all_is_over()
        assert str(player.scene.run().status) in {"completed", "failed"}


class Commands:
    """Sends commands now and then, each newer than the last, in an order of their own."""

    def __init__(self, player: Player, chances: Random, kinds: tuple[str, ...], count: int) -> None:
        self.player = player
        self.chances = chances
        scene = player.scene
        self.rest: list[tuple[str, Event]] = []
        for _ in range(count):
            kind = chances.choice(kinds)
            self.rest.append((kind, scene.run_command("run", kind, **self.arguments(kind))))
        chances.shuffle(self.rest)

    def arguments(self, kind: str) -> dict[str, Any]:
        if kind != "rerun" or self.chances.random() < 0.5:
            return {}
        steps = [task for task in self.player.tasks if task.workflow_id == "run"]
        task = self.chances.choice(steps)
        if task.item is None:
            return {"step": task.step_id}
        return {"step": task.parent, "index": task.item}

    def __call__(self) -> Event | None:
        """Give the next command, if now is its time."""
        run = self.player.scene.run()
        if self.rest and (self.chances.random() < 0.3 or not run.is_open):
            kind, event = self.rest.pop()
            self.player.reruns += kind == "rerun"
            return event
        under_way = [task for task in self.player.tasks if task.is_open and task.item is not None]
        under_way += [task for task in self.player.tasks if task.is_open]
        if under_way and self.chances.random() < 0.05:  # an item as often as anything else
            return self.player.scene.command(self.chances.choice(under_way).id, "cancel")
        if not self.rest and run.held and self.chances.random() < 0.3:
            return self.player.scene.run_command("run", "resume")
        return None


def commanded(data: st.DataObject, *, least: int) -> Player:
    """Play a workflow that somebody sends commands to, at least so many, until nothing more happens."""
    workflow: Workflow = data.draw(workflows(policies=POLICIES))
    chances = data.draw(CHANCES)
    player = Player(workflow, chances, reads=data.draw(READS))
    kinds = ("pause", "resume", "cancel", "rerun", "rerun")
    commands = Commands(player, chances, kinds, data.draw(st.integers(least, 8)))

    player.play(commands)
    while player.scene.run().held or commands.rest:
        player.play(commands)
    return player


class TestEveryWorkflowThatSomebodyCommands:
    @EXAMPLES
    @given(data=st.data())
    @bounded
    def test_still_ends_and_counts_right(self, data: st.DataObject) -> None:
        player = commanded(data, least=1)

        player.see_that_all_is_over()

    @EXAMPLES
    @given(data=st.data())
    @bounded
    def test_is_paused_if_the_newest_command_says_so_and_ends_as_if_never(self, data: st.DataObject) -> None:
        workflow: Workflow = data.draw(workflows(policies=("continue",)))
        chances = data.draw(CHANCES)
        player = Player(workflow, chances, reads=data.draw(READS))
        sent = [
            player.scene.run_command("run", kind)
            for kind in data.draw(st.lists(st.sampled_from(["pause", "resume"]), min_size=1, max_size=5))
        ]
        if player.scene.run().is_open:
            late = [*sent, *chances.choices(sent, k=2)]
            chances.shuffle(late)
            for event in late:
                player.fold(event)
            assert player.scene.run().held is (sent[-1].command == "pause")
        player.play()
        if player.scene.run().held:
            player.fold(player.scene.run_command("run", "resume"))
            player.play()

        player.see_that_all_is_over()
        assert states(player) == {
            name: (end.status, end.reason) for name, end in Oracle(workflow).ends.items()
        }
