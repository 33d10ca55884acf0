"""The sources of usage, each against a server of the test's own that speaks its language."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from journal.errors import ClusterRefused, ClusterUnreachable, TargetUnreachable
from probes.cluster_pods import Container, epoch_ns
from probes.container_usage import FIELDS
from probes.kubernetes_api import KubernetesApi
from probes.usage_sources import Kubelets, KubeletsThroughApi, MetricsApi, Prometheus, seconds
from tests.probes.api_server import (
    TOKEN,
    ApiServer,
    Asked,
    HangUp,
    Reply,
    api_server,
    certificate,
    in_turn,
    needs_openssl,
    write_kubeconfig,
)
from tests.probes.pods import T0_NS, Json, container_id
from tests.probes.test_container_usage import WHOLE, page

SAMPLES = Path(__file__).parent / "samples"
NS = 10**9


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server(in_turn(Reply(404))) as running:
        yield running


@pytest.fixture
def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., KubernetesApi]:
    def connect(url: str, ca: Path | None = None) -> KubernetesApi:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", url, ca=ca)))
        return KubernetesApi.connect(patience_s=2.0)

    return connect


def life(pod: str = "aia-api-1", *, node: str = "n1", address: str = "127.0.0.1", digit: str = "a") -> Container:
    return Container(
        subject="api-0",
        role="api",
        pod=pod,
        name="aia-api",
        id=digit * 12,
        started_ns=T0_NS,
        node=node,
        address=address,
    )


@needs_openssl
def test_a_kubelet_is_asked_itself_with_the_token_and_over_tls(
    connect: Callable[..., KubernetesApi], tmp_path: Path
) -> None:
    own = certificate(tmp_path / "own", "127.0.0.1")
    with api_server(in_turn(Reply(200, page())), own) as kubelet:
        api = connect("https://127.0.0.1:1", ca=own[0])
        source = Kubelets(api, "aia-system", port=urlsplit(kubelet.url).port or 0)
        assert source.usage([life()]) == source.usage([life()]) == [WHOLE]
    assert kubelet.asked[0].path == "/metrics/cadvisor"
    assert kubelet.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


@needs_openssl
def test_a_kubelet_that_cannot_prove_itself_gets_no_token(
    connect: Callable[..., KubernetesApi], tmp_path: Path
) -> None:
    own, other = certificate(tmp_path / "own", "127.0.0.1"), certificate(tmp_path / "other", "127.0.0.1")
    with api_server(in_turn(Reply(200, page())), own) as kubelet:
        source = Kubelets(connect("https://127.0.0.1:1", other[0]), "aia-system", port=urlsplit(kubelet.url).port or 0)
        with pytest.raises(ClusterUnreachable, match=r"(?i)certificate"):
            source.usage([life()])
    assert kubelet.asked == []


def test_one_node_that_is_silent_does_not_hide_the_others(
    connect: Callable[..., KubernetesApi], server: ApiServer
) -> None:
    def script(asked: Asked) -> Reply:
        if "/nodes/n1/" in asked.path:
            raise HangUp
        return Reply(200, page())

    server.script = script
    source = KubeletsThroughApi(connect(server.url), "aia-system")
    assert source.usage([life(node="n1"), life(node="n2")]) == [WHOLE]
    with pytest.raises(ClusterUnreachable):
        source.usage([life(node="n1")])


def test_a_node_is_asked_once_however_many_containers_it_has(
    connect: Callable[..., KubernetesApi], server: ApiServer
) -> None:
    server.script = in_turn(Reply(200, page()))
    KubeletsThroughApi(connect(server.url), "aia-system").usage([life(), life("aia-api-2"), life("aia-api-3")])
    assert [asked.path for asked in server.asked] == ["/api/v1/nodes/n1/proxy/metrics/cadvisor"]


def prometheus(*values: tuple[float, str], **labels: str) -> Json:
    """The answer of a Prometheus about one container; the same values for every metric."""
    ours = {"pod": "aia-api-1", "container": "aia-api", "id": f"/pods/{container_id('a')}", **labels}
    result = [{"metric": {"__name__": name, **ours}, "values": list(values)} for name in FIELDS]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def test_a_prometheus_tells_every_sample_with_its_own_time(server: ApiServer) -> None:
    server.script = in_turn(Reply(200, prometheus((1000.5, "7e6"), (1015.25, "8e6"), (1030, "NaN"))))
    found = Prometheus(server.url + "/", "aia-system").usage([])
    assert [(usage.at_ns, usage.anonymous_bytes) for usage in found] == [
        (1_000_500_000_000, 7_000_000),
        (1_015_250_000_000, 8_000_000),
    ]
    (query,) = parse_qs(urlsplit(server.asked[0].path).query)["query"]
    assert 'namespace="aia-system"' in query


@pytest.mark.parametrize(
    "reply",
    [
        Reply(400, {"status": "error", "error": "parse error"}),
        Reply(200, "<html>a login page</html>"),
        Reply(200, {"status": "success", "data": {"result": [{"metric": {}}]}}),
        Reply(200, []),
        Reply(503, ""),
    ],
)
def test_what_is_no_answer_of_a_prometheus_is_told(server: ApiServer, reply: Reply) -> None:
    server.script = in_turn(reply)
    with pytest.raises(TargetUnreachable, match=server.url):
        Prometheus(server.url, "aia-system").usage([])


def metrics(timestamp: str, cpu: str, memory: str = "60Mi", pod: str = "aia-api-1") -> Json:
    used = {"name": "aia-api", "usage": {"cpu": cpu, "memory": memory}}
    return {"metadata": {"name": pod}, "timestamp": timestamp, "window": "10s", "containers": [used]}


def test_the_metrics_api_tells_the_working_set_and_a_rate_that_is_added_up(
    connect: Callable[..., KubernetesApi], server: ApiServer
) -> None:
    items = [metrics("2026-01-02T03:04:20Z", "500m"), metrics("2026-01-02T03:04:30Z", "250000000n")]
    server.script = in_turn(*(Reply(200, {"items": [item]}) for item in (items[0], items[0], items[1])))
    source = MetricsApi(connect(server.url), "aia-system")
    found = [source.usage([life()])[0] for _ in range(3)]
    assert [usage.cpu_s for usage in found] == [5.0, 5.0, 7.5]
    assert {(usage.working_set_bytes, usage.anonymous_bytes) for usage in found} == {(60 * 2**20, 0)}
    assert found[0].at_ns == epoch_ns("2026-01-02T03:04:20Z")


def test_the_processor_time_of_a_new_life_begins_anew(connect: Callable[..., KubernetesApi], server: ApiServer) -> None:
    server.script = in_turn(Reply(200, {"items": [metrics("2026-01-02T03:04:20Z", "1")]}))
    source = MetricsApi(connect(server.url), "aia-system")
    assert [source.usage([life(digit=digit)])[0].cpu_s for digit in "ab"] == [10.0, 10.0]


def test_pods_that_are_not_ours_are_passed_over(connect: Callable[..., KubernetesApi], server: ApiServer) -> None:
    server.script = in_turn(Reply(200, {"items": [metrics("2026-01-02T03:04:20Z", "1", pod="postgres-0")]}))
    assert MetricsApi(connect(server.url), "aia-system").usage([life()]) == []


@pytest.mark.parametrize("damage", [{"timestamp": None}, {"timestamp": "yesterday"}, {"containers": [{}]}])
def test_an_answer_of_the_metrics_api_that_makes_no_sense_is_told(
    connect: Callable[..., KubernetesApi], server: ApiServer, damage: Json
) -> None:
    item = {key: value for key, value in (metrics("2026-01-02T03:04:20Z", "1") | damage).items() if value is not None}
    server.script = in_turn(Reply(200, {"items": [item]}))
    with pytest.raises(ClusterUnreachable, match="metrics API"):
        MetricsApi(connect(server.url), "aia-system").usage([life()])


def test_a_cluster_without_the_metrics_api_says_so(connect: Callable[..., KubernetesApi], server: ApiServer) -> None:
    with pytest.raises(ClusterRefused, match="404"):
        MetricsApi(connect(server.url), "aia-system").usage([life()])


def test_a_real_answer_of_metrics_server_is_read(connect: Callable[..., KubernetesApi], server: ApiServer) -> None:
    sample = json.loads((SAMPLES / "metrics-api.json").read_text(encoding="utf-8"))
    server.script = in_turn(Reply(200, sample))
    (item,) = sample["items"]
    there = life(item["metadata"]["name"])
    (used,) = item["containers"]
    (usage,) = MetricsApi(connect(server.url), "readings-sample").usage([_named(there, used["name"])])
    assert usage.working_set_bytes > 0
    assert usage.at_ns > 0


def _named(container: Container, name: str) -> Container:
    return Container(**{**{key: getattr(container, key) for key in Container.__slots__}, "name": name})


@pytest.mark.parametrize(
    ("text", "expected_s"), [("10.5s", 10.5), ("1m0.5s", 60.5), ("1h2m3s", 3723), ("500ms", 0.5), ("", 0.0)]
)
def test_a_duration_is_read_as_go_writes_it(text: str, expected_s: float) -> None:
    assert seconds(text) == pytest.approx(expected_s)
