"""Starting, breaking and ending real servers."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from filemill_local import ports, servers, supervisor
from filemill_local.plan import PORTS, Plan, StackError
from filemill_local.stack import Stack


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="filemill-"))
    yield folder
    supervisor.end(folder, patience=0)
    shutil.rmtree(folder)


def stack_of(home: Path, *programs: str) -> Stack:
    chosen = ports.choose(PORTS)
    own = Plan.own_servers(home, ports=chosen, mongod=servers.mongod_binary(), programs=programs)
    return Stack(own, os.environ)


def wait_until_none_is_left(home: Path) -> None:
    deadline = time.monotonic() + 60
    while supervisor.processes(home):
        assert time.monotonic() < deadline
        time.sleep(0.1)


class TestUpAndDown:
    def test_up_twice_and_down_twice_leave_no_process_epmd_included(self, home: Path) -> None:
        stack = stack_of(home, "epmd", "rabbitmq")

        assert [stack.up(), stack_of(home, "epmd", "rabbitmq").up()] == [True, False]
        assert [row.state for row in stack.status()] == ["ready", "ready"]
        assert stack.down() >= 3
        assert supervisor.processes(home) == []
        assert [row.state for row in stack.status()] == ["down", "down"]
        assert stack.down() == 0

    def test_a_mongod_that_moved_to_another_port_is_primary_of_its_old_data(self, home: Path) -> None:
        first, second = stack_of(home, "mongod"), stack_of(home, "mongod")

        for stack in (first, second):
            stack.up()
            stack.down()

        assert first.plan.ports["mongod"] != second.plan.ports["mongod"]

    def test_up_after_the_supervisor_was_killed_takes_over_from_what_it_left(self, home: Path) -> None:
        stack = stack_of(home, "epmd")
        stack.up()
        left = stack.pid("epmd")
        os.kill(int((home / "run" / "supervisor.pid").read_text()), signal.SIGKILL)

        assert stack.up()
        assert stack.pid("epmd") != left
        assert stack.down() == 2

    def test_what_stays_up_holds_nothing_of_its_callers(self, home: Path) -> None:
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        stack = stack_of(home, "epmd")
        stack.up()
        os.close(writer)

        with open(reader, "rb") as pipe:  # noqa: PTH123 - a descriptor, not a path
            assert pipe.read() == b""
        assert os.getsid(stack.pid("epmd")) != os.getsid(0)
        stack.down()


class TestPrograms:
    def test_a_killed_one_is_started_again_and_its_pid_file_tells_the_new_id(self) -> None:
        with Stack.temporary(("epmd",)) as stack:
            killed = stack.kill("epmd")
            while stack.pid("epmd") == killed:
                time.sleep(0.05)
            stack.wait_ready("epmd")

            [row] = stack.status()
            assert (row.pid, row.state) == (stack.pid("epmd"), "ready")

    def test_a_stopped_one_stays_down_until_it_is_started(self) -> None:
        with Stack.temporary(("epmd",)) as stack:
            stack.stop("epmd")
            stopped = stack.status()[0].state
            stack.start("epmd")
            stack.wait_ready("epmd")

            assert (stopped, stack.status()[0].state) == ("down", "ready")

    def test_one_listens_on_the_port_that_was_settled_before(self) -> None:
        settled = ports.choose(("mongod",))

        with Stack.temporary(("mongod",), settled=settled) as stack:
            assert servers.mongod_is_ready(settled["mongod"])
            assert stack.plan.ports["mongod"] == settled["mongod"]

    def test_one_that_is_no_part_of_the_stack_is_a_clear_error(self) -> None:
        with Stack.temporary(("epmd",)) as stack, pytest.raises(StackError, match="mongod is not a part"):
            stack.stop("mongod")


class TestNothingIsLeft:
    def test_of_a_temporary_stack_whose_supervisor_was_killed(self) -> None:
        with Stack.temporary(("mongod",)) as stack:
            os.kill(int((stack.plan.home / "run" / "supervisor.pid").read_text()), signal.SIGKILL)

        assert supervisor.processes(stack.plan.home) == []
        assert not stack.plan.home.exists()

    def test_of_a_temporary_stack_whose_owner_was_killed(self, home: Path) -> None:
        script = (
            "import sys, tempfile; from filemill_local.stack import Stack\n"
            "with Stack.temporary(('mongod',)) as stack:\n"
            "    print(stack.plan.home, flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            (sys.executable, "-c", script),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(home)},
        ) as owner:
            assert owner.stdout is not None
            temporary = Path(owner.stdout.readline().decode().strip())
            assert supervisor.processes(temporary) != []
            owner.kill()

        wait_until_none_is_left(temporary)

    def test_of_a_stack_that_could_not_start(self, home: Path) -> None:
        (home / "mongod").mkdir()
        (home / "mongod" / "WiredTiger").write_text("broken")
        (home / "mongod" / "WiredTiger.turtle").write_text("broken")

        with pytest.raises(StackError, match="mongod ends as soon as it starts") as raised:
            stack_of(home, "mongod").up()

        assert "turtle" in str(raised.value)
        assert supervisor.processes(home) == []


class TestPorts:
    def test_a_taken_one_is_named_with_who_needs_it(self, home: Path) -> None:
        stack = stack_of(home, "mongod")
        port = stack.plan.ports["mongod"]
        with socket.create_server(("127.0.0.1", port)), pytest.raises(StackError) as raised:
            stack.up()

        assert str(raised.value) == f"Port {port} is not to be had for mongod: Address already in use."

    def test_chosen_ones_differ(self) -> None:
        chosen = ports.choose(PORTS)

        assert len(set(chosen.values())) == len(PORTS)
