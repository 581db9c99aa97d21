"""With several partitions, schedulers share them, and one takes over what another leaves."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from filemill_local.ports import choose
from filemill_local.stack import Stack
from filemill_local.user import User, chain


@pytest.fixture(scope="module")
def wide() -> Iterator[Stack]:
    """A stack of three partitions."""
    with Stack.temporary(FILEMILL_PARTITIONS="3") as stack:
        yield stack


def test_a_second_scheduler_takes_over_when_the_first_is_gone(wide: Stack) -> None:
    environment = {
        **os.environ,
        "FILEMILL_PARTITIONS": "3",
        "FILEMILL_RABBIT_URL": wide.plan.rabbit_url,
        "FILEMILL_MONGO_URL": wide.plan.mongo_url,
        "FILEMILL_HTTP_PORT": str(choose(("second",))["second"]),
    }
    with User(wide) as user:
        runs = [user.workflow(chain(3)) for _ in range(20)]
        second = subprocess.Popen([sys.executable, "-m", "filemill_scheduler"], env=environment)
        try:
            wide.stop("scheduler")
            runs += [user.workflow(chain(3)) for _ in range(20)]
            ended = [user.ended_workflow(run, within=60) for run in runs]
        finally:
            second.terminate()
            code = second.wait(30)

    assert Counter(run["status"] for run in ended) == {"completed": 40}
    assert code == 0
