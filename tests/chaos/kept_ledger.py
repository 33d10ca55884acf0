"""Fixtures: a ledger in a ConfigMap that an API server of the test's own keeps."""

from collections.abc import Iterator

import pytest

from chaos.config_map_ledger import ConfigMapLedger
from tests.chaos.api_store import LEDGER, Store, api_at
from tests.probes.api_server import ApiServer, api_server


@pytest.fixture
def store() -> Store:
    return Store({LEDGER: {"metadata": {"name": "ledger", "resourceVersion": "1"}}})


@pytest.fixture
def server(store: Store) -> Iterator[ApiServer]:
    with api_server(store) as server:
        yield server


@pytest.fixture
def ledger(server: ApiServer) -> ConfigMapLedger:
    return ConfigMapLedger(api_at(server.url), "aia-gameday", "ledger")
