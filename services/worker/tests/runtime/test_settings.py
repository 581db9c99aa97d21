"""What a worker is told from outside."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from filemill_worker.settings import WorkerSettings

HEAVY = max(2, len(os.sched_getaffinity(0)) // 2)


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> WorkerSettings:
    given = {"RABBIT_URL": "amqp://localhost", "HTTP_PORT": "8082", "STORAGE_ROOT": "/files"}
    for name, value in (given | environment).items():
        monkeypatch.setenv(f"FILEMILL_{name}", value)
    return WorkerSettings()


class TestSlots:
    def test_work_is_taken_from_all_pools(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert settings(monkeypatch).slots() == {
            "video": HEAVY,
            "image": HEAVY,
            "document": HEAVY,
            "model": HEAVY,
            "archive": HEAVY,
            "default": 16,
        }

    def test_pools_can_be_chosen_and_sized(self, monkeypatch: pytest.MonkeyPatch) -> None:
        chosen = settings(monkeypatch, WORKER_POOLS="video, default", WORKER_SLOTS='{"video": 7}')

        assert chosen.slots() == {"video": 7, "default": 16}

    def test_the_installation_may_have_other_pools(self, monkeypatch: pytest.MonkeyPatch) -> None:
        chosen = settings(monkeypatch, POOLS='{"gpu": ["video_*"], "default": ["*"]}')

        assert chosen.slots() == {"gpu": HEAVY, "default": 16}

    def test_a_pool_that_is_not_there_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ValidationError, match="there is no pool vidoe; there are video, image"):
            settings(monkeypatch, WORKER_POOLS="vidoe")

    def test_a_pool_has_at_least_one_slot(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ValidationError, match="greater than 0"):
            settings(monkeypatch, WORKER_SLOTS='{"video": 0}')


class TestScratch:
    def test_it_lies_on_the_storage_s_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert settings(monkeypatch).scratch_root == Path("/files/scratch")

    def test_it_may_lie_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert settings(monkeypatch, SCRATCH="/fast").scratch_root == Path("/fast")
