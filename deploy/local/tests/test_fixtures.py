"""The fixtures that give all tests their servers."""

import httpx

from filemill_local.servers import mongod_is_ready, rabbit_is_ready
from filemill_local.stack import Stack


class TestRealServers:
    def test_the_broker_is_ready_and_a_virtual_host_is_there(self, rabbit: Stack, vhost_url: str) -> None:
        management = rabbit.plan.ports["management"]

        vhosts = httpx.get(
            f"http://127.0.0.1:{management}/api/vhosts", auth=("guest", "guest"), trust_env=False
        ).json()

        assert rabbit_is_ready(rabbit.plan.ports["rabbitmq"])
        assert vhost_url.rpartition("/")[2] in {vhost["name"] for vhost in vhosts}

    def test_mongod_is_primary_and_names_no_database_in_its_address(
        self, mongod: Stack, mongo_url: str, database: str
    ) -> None:
        port = mongod.plan.ports["mongod"]

        assert mongod_is_ready(port)
        assert mongo_url == f"mongodb://127.0.0.1:{port}/?replicaSet=filemill"
        assert database.startswith("test_")
