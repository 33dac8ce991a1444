from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from libs.client.tests.fakes.chats import SETTINGS, MakeChat
from libs.client.tests.fakes.rest_server import RestServer
from libs.client.tests.fakes.stomp_server import StompServer
from madang_client import Account, Chat, ChatSettings, Login


@pytest.fixture
async def stomp() -> AsyncIterator[StompServer]:
    server = StompServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def rest(stomp: StompServer) -> RestServer:
    return RestServer(stomp)


@pytest.fixture
async def account(rest: RestServer) -> AsyncIterator[Account]:
    async with Account("http://fake", transport=rest.transport()) as account:
        yield account


@pytest.fixture
async def login(account: Account) -> Login:
    await account.register("ada", "correct horse")
    return await account.login("ada", "correct horse")


@pytest.fixture
def make_chat(stomp: StompServer, login: Login) -> MakeChat:
    def make(**options: Any) -> Chat:
        names = ChatSettings.__dataclass_fields__.keys()
        tuned = {name: options.pop(name) for name in list(options) if name in names}
        return login.chat(url=stomp.url, settings=replace(SETTINGS, **tuned), **options)

    return make
