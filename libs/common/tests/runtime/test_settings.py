import pytest

from filemill_common.messaging.topology import POOLS, Topology
from filemill_common.settings import Settings, StoreSettings, read


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What must be set, with a password, and nothing else."""
    for name in (
        "PARTITIONS",
        "POOLS",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "MONGO_URL",
        "HTTP_HOST",
        "OTLP_ENDPOINT",
        "TOPOLOGY",
    ):
        monkeypatch.delenv(f"FILEMILL_{name}", raising=False)
    monkeypatch.setenv("FILEMILL_RABBIT_URL", "amqp://somebody:topsecret@broker/vhost")
    monkeypatch.setenv("FILEMILL_HTTP_PORT", "8081")
    return monkeypatch


class TestSettings:
    def test_come_from_the_environment(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("FILEMILL_PARTITIONS", "4")
        environment.setenv("FILEMILL_POOLS", '{"fast": ["echo", "sleep"], "default": ["*"]}')
        settings = read(Settings)

        assert settings.http_port == 8081
        assert settings.topology == Topology(4, {"fast": ["echo", "sleep"], "default": ["*"]})

    def test_have_the_six_pools_by_default(self) -> None:
        assert read(Settings).topology == Topology(1, POOLS)

    def test_may_say_that_the_topology_is_given(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("FILEMILL_TOPOLOGY", "given")

        assert read(Settings).topology == Topology(1, POOLS, given=True)

    def test_show_no_password_when_printed(self) -> None:
        settings = read(Settings)

        assert "topsecret" not in f"{settings!r} {settings} {settings.model_dump()}"
        assert settings.rabbit_url.get_secret_value().password == "topsecret"

    @pytest.mark.parametrize(
        ("kind", "name", "value", "sentence"),
        [
            (Settings, "RABBIT_URL", None, "Set FILEMILL_RABBIT_URL: it has no default.\n"),
            (StoreSettings, "MONGO_URL", None, "Set FILEMILL_MONGO_URL: it has no default.\n"),
            (
                Settings,
                "RABBIT_URL",
                "http://somebody:topsecret@broker",
                "FILEMILL_RABBIT_URL: URL scheme should be 'amqp' or 'amqps'.\n",
            ),
            (
                Settings,
                "TOPOLOGY",
                "there",
                "FILEMILL_TOPOLOGY: Input should be 'declared' or 'given'.\n",
            ),
            (
                Settings,
                "HTTP_PORT",
                "0",
                "FILEMILL_HTTP_PORT: Input should be greater than or equal to 1.\n",
            ),
        ],
    )
    def test_that_are_wrong_end_the_process_with_a_sentence(
        self,
        environment: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        kind: type[Settings],
        name: str,
        value: str | None,
        sentence: str,
    ) -> None:
        if value is None:
            environment.delenv(f"FILEMILL_{name}", raising=False)
        else:
            environment.setenv(f"FILEMILL_{name}", value)

        with pytest.raises(SystemExit) as ended:
            read(kind)
        assert (ended.value.code, capsys.readouterr().err) == (2, sentence)

    def test_with_pools_that_are_no_json_end_it_too(
        self, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        environment.setenv("FILEMILL_POOLS", "video: video_*")

        with pytest.raises(SystemExit):
            read(Settings)
        assert capsys.readouterr().err.startswith("FILEMILL_POOLS: ")
