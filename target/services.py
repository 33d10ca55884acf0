"""What the endpoints of one replica work with: made once at start-up, handed to each by FastAPI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from target.accounts import Accounts
from target.agent_directory import AgentDirectory
from target.defects import Defects
from target.ledger import Ledger
from target.passwords import Passwords
from target.settings import Secrets, Settings
from target.store import Store
from target.tasks import Tasks
from target.tokens import Tokens


@dataclass(frozen=True, kw_only=True)
class Services:
    """The parts of one replica."""

    settings: Settings
    secrets: Secrets
    defects: Defects
    store: Store
    accounts: Accounts
    passwords: Passwords
    tokens: Tokens
    tasks: Tasks
    ledger: Ledger
    agents: AgentDirectory


@asynccontextmanager
async def opened(settings: Settings, secrets: Secrets, defects: Defects) -> AsyncIterator[Services]:
    """All parts, with what must exist in the store; closed at the end."""
    store = Store(host=settings.redis_host, port=settings.redis_port, password=secrets.redis_password)
    services = Services(
        settings=settings,
        secrets=secrets,
        defects=defects,
        store=store,
        accounts=Accounts(store),
        passwords=Passwords(settings.scrypt_log2_n),
        tokens=Tokens(
            secrets.jwt_key,
            access_lifetime_s=settings.token_lifetime_s,
            look_at_signatures=not defects.accepts_any_token,
        ),
        tasks=Tasks(store, retention_s=settings.task_retention_s, created_tokens=defects.created_tokens),
        ledger=Ledger(store, created_tokens=defects.created_tokens),
        agents=AgentDirectory(store),
    )
    await services.ledger.open()
    await services.agents.open()
    await services.tasks.open()
    try:
        yield services
    finally:
        services.passwords.close()
        await store.close()


def _services(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


Injected = Annotated[Services, Depends(_services)]
"""A parameter of this type is given the replica's services."""
