"""The notifier's process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from filemill_common.messaging import Bus
from filemill_common.messaging.topology import NOTIFIER_QUEUE
from filemill_common.runtime import Context, run
from filemill_common.settings import read
from filemill_common.store import Store, indexes
from filemill_notifier.channels.email import Email, Server
from filemill_notifier.channels.web import Web
from filemill_notifier.handlers import NotifierHandler
from filemill_notifier.repository import INDEXES, Deliveries
from filemill_notifier.sender import Sender
from filemill_notifier.settings import NotifierSettings


def _server(settings: NotifierSettings) -> Server | None:
    if settings.smtp_host is None:
        return None
    return Server(
        host=settings.smtp_host,
        port=settings.smtp_port,
        sender=settings.smtp_from,
        username=settings.smtp_username,
        password=settings.smtp_password,
    )


@asynccontextmanager
async def notifying(settings: NotifierSettings, context: Context) -> AsyncIterator[None]:
    """Tell whoever asked until this is left; then finish the tries under way."""
    store = Store(settings.mongo_url.get_secret_value().unicode_string(), app_name="filemill-notifier")
    await store.ready()
    await indexes.ensure(store, INDEXES)
    context.health.set("store", ok=True)
    secrets = settings.webhook_secret.get_secret_value().split() if settings.webhook_secret else []
    web = Web(secrets, [str(network) for network in settings.allowed_targets])
    log = Deliveries(store)
    sender = Sender(log, {"email": Email(_server(settings)), "webhook": web, "callback": web})
    url = settings.rabbit_url.get_secret_value().unicode_string()
    async with Bus(url, service="notifier", topology=settings.topology, health=context.health) as bus:
        consumption = await bus.consume(NOTIFIER_QUEUE, NotifierHandler(log, sender).on_batch)
        beside = [context.background(sender.run()), context.background(store.watch(context.health))]
        yield
        await consumption.stop()
        await context.end_background(*beside)
        await sender.settle()
    await web.close()
    store.close()


def main() -> None:
    """Run a notifier until it is asked to stop."""
    settings = read(NotifierSettings)
    run("notifier", settings, partial(notifying, settings), checks=("broker", "store"))


if __name__ == "__main__":
    main()
