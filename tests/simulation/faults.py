"""What happens to processes and servers at a moment."""

from tests.simulation.world import Process, World


def happen(world: World, fault: str) -> None:
    """Let a fault happen, unless their time is over."""
    if not world.faults_on:
        return
    match fault.split():
        case ["outage"]:
            _outage(world)
        case ["broker", "away"]:
            if not world.broker.is_away:
                world.broker.go_away(world.luck.choice((0.5, 10.0, 25.0, 40.0)))
        case ["store", "away"]:
            seconds = world.luck.uniform(0.5, 8)
            world.note("store", "goes away", f"for {seconds:.1f} s")
            world.database.away_until = world.loop.time() + seconds
        case ["unbind"]:
            _unbind(world)
        case [what, kind]:
            alive = world.alive(kind)
            if alive:
                _to(world, world.luck.choice(alive), what)
        case _:
            raise ValueError(fault)


def _to(world: World, process: Process, what: str) -> None:
    match what:
        case "kill":
            process.die("killed")
        case "freeze":
            if not process.is_frozen:
                process.freeze("stopped")
                world.loop.call_later(world.luck.choice((0.5, 14.0, 30.0, 40.0)), process.thaw)
        case "cut":
            for connection in list(world.broker.connections):
                if connection.process is process:
                    process.disturb()
                    connection.drop()
        case "roll":
            world.note(process.name, "is asked to stop")
            process.stopping.set()
        case _:
            raise ValueError(what)


def _outage(world: World) -> None:
    """Take all schedulers away for a while; the workers stay healthy."""
    world.outage_until = world.loop.time() + world.luck.choice((5.0, 30.0, 60.0))
    for process in world.alive("scheduler"):
        process.die("all schedulers are away")


def _unbind(world: World) -> None:
    """Let a queue not be bound for a while: what is sent there comes back."""
    names = [name for name, queue in world.broker.queues.items() if queue.durable]
    if names:
        name = world.luck.choice(names)
        world.note("broker", "does not know", name)
        world.broker.unbind(name, world.luck.uniform(0.5, 5))
