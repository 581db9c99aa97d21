"""What holds for the repository as a whole."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def tracked(pattern: str = "*") -> list[Path]:
    """Files that git knows and that are there."""
    listed = subprocess.run(
        ["git", "ls-files", pattern], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\n") if name and (ROOT / name).is_file()]


class TestLockedRequirements:
    def test_carry_hashes_and_no_addresses(self) -> None:
        locks = list((ROOT / "requirements").glob("*.txt"))

        assert {lock.stem for lock in locks} >= {"dev", "uv", "gateway", "scheduler", "worker", "notifier"}
        for lock in locks:
            text = lock.read_text()
            assert "://" not in text, lock
            pinned = re.findall(r"^[a-z].*==", text, re.MULTILINE)
            hashed = re.findall(r"^[a-z].*==.* \\\n    --hash=sha256:", text, re.MULTILINE)
            assert len(pinned) == len(hashed) > 0, lock

    def test_of_a_service_agree_with_those_for_working_here(self) -> None:
        everything = (ROOT / "requirements" / "dev.txt").read_text()

        for service in ("gateway", "scheduler", "worker", "notifier"):
            for line in (ROOT / "requirements" / f"{service}.txt").read_text().splitlines():
                if "==" in line:
                    assert line.split(" ")[0] in everything, (service, line)


class TestFiles:
    def test_of_python_are_not_much_longer_than_400_lines(self) -> None:
        long = [path.name for path in tracked("*.py") if len(path.read_text().splitlines()) > 420]

        assert long == []
