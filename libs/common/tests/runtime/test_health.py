import httpx
import pytest
from fastapi import FastAPI

from filemill_common.health import Health, router


class TestHealth:
    def test_is_ready_when_all_that_was_named_is_ok(self) -> None:
        health = Health("broker", "store")
        health.set("broker", ok=True)
        assert not health.ready

        health.set("store", ok=True)
        assert health.ready

        health.set("consuming scheduler.0", ok=False, detail="held: store_unavailable")
        assert not health.ready

    def test_reports_each_check(self) -> None:
        health = Health("broker")
        health.set("store", ok=True, detail="connected")

        assert health.report() == {
            "ready": False,
            "checks": {
                "broker": {"ok": False, "detail": "not yet"},
                "store": {"ok": True, "detail": "connected"},
            },
        }


class TestItsRoutes:
    @pytest.mark.parametrize(("ok", "status"), [(True, 200), (False, 503)])
    async def test_tell_readiness_by_status_and_life_always(self, ok: bool, status: int) -> None:
        health = Health()
        health.set("broker", ok=ok)
        app = FastAPI()
        app.include_router(router(health))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            ready = await client.get("/healthz/ready")
            live = await client.get("/healthz/live")
            metrics = await client.get("/metrics")

        assert (ready.status_code, ready.json()) == (status, health.report())
        assert (live.status_code, live.json()) == (200, {"live": True})
        assert "filemill_messages_published_total" in metrics.text

    async def test_leave_out_checks_without_which_a_service_is_of_use(self) -> None:
        health = Health("broker", "store")
        health.set("broker", ok=True)
        app = FastAPI()
        app.include_router(router(health))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            assert (await client.get("/healthz/ready?exclude=store")).status_code == 200
            assert (await client.get("/healthz/ready?exclude=broker&exclude=live")).status_code == 503
