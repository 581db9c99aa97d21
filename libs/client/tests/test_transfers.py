"""Files on the way, whole and broken off."""

import hashlib
from pathlib import Path

import pytest

from filemill_client import Client, DamagedFileError, NotFoundError
from filemill_client.testing import Answer, Gateway, Request, problem, shows

CONTENT = bytes(range(256)) * 4096  # 1 MiB
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


def takes(request: Request) -> Answer:
    digest = f"sha256:{hashlib.sha256(request.body).hexdigest()}"
    stored = {"path": "a b", "uri": "filemill:///a b", "size": len(request.body), "digest": digest}
    return shows({**stored, "content_type": "video/mp4"}, 201)


class TestUpload:
    def test_sends_all_and_compares_the_digest(
        self, gateway: Gateway, client: Client, tmp_path: Path
    ) -> None:
        (tmp_path / "x").write_bytes(CONTENT)
        gateway.on("PUT", "/v1/files/a b", takes)
        seen: list[int] = []

        stored = client.upload(tmp_path / "x", "filemill:///a b", progress=seen.append)

        assert stored["digest"] == DIGEST
        assert gateway.requests[0].headers["content-length"] == str(len(CONTENT))
        assert seen == sorted(seen)
        assert seen[-1] == len(CONTENT)

    def test_begins_anew_after_a_break(self, gateway: Gateway, client: Client, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(CONTENT)
        gateway.on("PUT", "/v1/files/a", Answer(201, b"{", then="cut"), problem(502, "x", "x"), takes)

        assert client.upload(tmp_path / "x", "a")["digest"] == DIGEST
        assert [len(each.body) for each in gateway.requests] == [len(CONTENT)] * 3

    def test_of_something_else_is_noticed(self, gateway: Gateway, client: Client, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(CONTENT)
        other = Request("PUT", "/v1/files/a", {}, {}, b"other")
        gateway.on("PUT", "/v1/files/a", takes(other))

        with pytest.raises(DamagedFileError, match=f"has the digest {DIGEST}, but sha256:d9298a10d1b07358"):
            client.upload(tmp_path / "x", "a")

    def test_asks_for_the_path_that_was_given(self, gateway: Gateway, client: Client, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(b"")

        with pytest.raises(NotFoundError):
            client.upload(tmp_path / "x", "a/../b?c#d")

        assert [each.path for each in gateway.requests] == ["/v1/files/a/../b?c#d"]


class TestDownload:
    def test_fetches_and_compares_the_digest(self, gateway: Gateway, client: Client, tmp_path: Path) -> None:
        gateway.put_file("a", CONTENT)
        target = tmp_path / "x"
        target.write_bytes(b"old")

        got = client.download("a", target)

        assert (got.size, got.digest, got.is_checked) == (len(CONTENT), DIGEST, True)
        assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"x": CONTENT}

    def test_goes_on_where_it_broke(self, gateway: Gateway, client: Client, tmp_path: Path) -> None:
        gateway.put_file("a", CONTENT, cuts=[1000, 500_000, 0])

        client.download("a", tmp_path / "x")

        assert (tmp_path / "x").read_bytes() == CONTENT
        asked = [each.headers.get("range") for each in gateway.asked("GET", "/v1/files/a")]
        assert asked == [None, "bytes=1000-", "bytes=501000-", "bytes=501000-"]
        assert gateway.requests[-1].headers["if-range"] == f'"{DIGEST}"'

    def test_goes_on_where_another_run_ended(self, gateway: Gateway, client: Client, tmp_path: Path) -> None:
        gateway.put_file("a", CONTENT, cuts=[1000])
        seen: list[int] = []

        def interrupt(have: int, _: int) -> None:
            seen.append(have)
            if have:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            client.download("a", tmp_path / "x", progress=interrupt)
        client.download("a", tmp_path / "x")

        assert (tmp_path / "x").read_bytes() == CONTENT
        assert gateway.requests[-1].headers["range"] == f"bytes={seen[-1]}-"

    def test_of_a_file_that_was_replaced_begins_anew(
        self, gateway: Gateway, client: Client, tmp_path: Path
    ) -> None:
        gateway.put_file("a", CONTENT, cuts=[1000])
        head = gateway.answer(Request("HEAD", "/v1/files/a", {}, {}, b""))
        gateway.put_file("a", b"new")
        gateway.on("HEAD", "/v1/files/a", head)

        with pytest.raises(DamagedFileError, match="was replaced while it was downloaded"):
            client.download("a", tmp_path / "x")

    def test_of_a_damaged_file_leaves_nothing(self, gateway: Gateway, client: Client, tmp_path: Path) -> None:
        gateway.put_file("a", CONTENT, headers={"Repr-Digest": "sha-256=:AAAA:"})

        with pytest.raises(DamagedFileError, match="download it again"):
            client.download("a", tmp_path / "x")

        assert list(tmp_path.iterdir()) == []

    def test_says_if_it_could_not_be_checked(self, gateway: Gateway, client: Client, tmp_path: Path) -> None:
        gateway.put_file("a", b"", headers={"ETag": "", "Repr-Digest": ""})

        got = client.download("a", tmp_path / "x")

        assert (got.size, got.is_checked) == (0, False)
        assert (tmp_path / "x").read_bytes() == b""

    def test_of_nothing_is_refused_with_the_gateways_sentence(
        self, gateway: Gateway, client: Client, tmp_path: Path
    ) -> None:
        missing = problem(404, "not_found", "there is no file 'a'")
        gateway.on("HEAD", "/v1/files/a", missing)
        gateway.on("GET", "/v1/files/a", missing)

        with pytest.raises(NotFoundError, match=r"^there is no file 'a'$"):
            client.download("a", tmp_path / "x")
