"""The way to the API server: it never waits for ever, tries again what may pass, tells at once what will not."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from journal.errors import ClusterRefused, ClusterUnreachable, CommandError
from journal.exit_codes import ExitCode
from probes.kubernetes_api import KubernetesApi, Patch
from tests.load.hostile import HostileServer, serving
from tests.probes.api_server import (
    TOKEN,
    ApiServer,
    Asked,
    HangUp,
    Reply,
    Silence,
    api_server,
    certificate,
    in_turn,
    needs_openssl,
    silent_address,
    write_kubeconfig,
)

PODS = "/api/v1/namespaces/aia-system/pods"
Connect = Callable[..., KubernetesApi]


@pytest.fixture
def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Connects to a URL by a kubeconfig, with little patience."""

    def connect(url: str, ca: Path | None = None, **times: float) -> KubernetesApi:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", url, ca=ca)))
        return KubernetesApi.connect(**{"patience_s": 1.0, "connect_s": 10.0, "read_s": 10.0, **times})

    return connect


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server(lambda _: Reply(404, {"message": "nothing was scripted"})) as running:
        yield running


def test_a_token_that_no_header_can_hold_is_not_quoted(connect: Connect, tmp_path: Path) -> None:
    connect("http://127.0.0.1:1")  # sets the environment
    write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1", token="hun\nter2")
    with pytest.raises(ClusterUnreachable, match="the credentials cannot be sent") as caught:
        KubernetesApi.connect(patience_s=0.0).text("/version")
    assert "ter2" not in str(caught.value)


def test_a_server_that_takes_the_connection_and_stays_silent_is_given_up_within_the_patience(connect: Connect) -> None:
    with silent_address() as url:
        began_s = time.monotonic()
        with pytest.raises(ClusterUnreachable, match="timed out"):
            connect(url, patience_s=0.7).get(PODS)
    assert 0.3 <= time.monotonic() - began_s < 5


def test_an_address_that_swallows_packets_is_given_up_within_the_patience(connect: Connect) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        for _ in range(3):  # the queue of connections is full: the kernel drops what else comes
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        with pytest.raises(ClusterUnreachable):
            connect(f"http://127.0.0.1:{address[1]}", patience_s=0.5).get(PODS)


def test_a_server_that_drips_its_answer_is_given_up_as_well(connect: Connect) -> None:
    def drip(server: HostileServer, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            connection.sendall(b" ")
            time.sleep(0.02)

    with serving(drip) as server, pytest.raises(ClusterUnreachable, match="did not end in time"):
        connect(server.url, patience_s=0.5).get(PODS)


def test_one_call_can_be_quicker_than_the_others(connect: Connect) -> None:
    with silent_address() as url:
        patient = connect(url, patience_s=60.0, read_s=60.0)
        began_s = time.monotonic()
        with pytest.raises(ClusterUnreachable):
            patient.hurried(patience_s=0.2).get(PODS)
        with pytest.raises(ClusterUnreachable):
            patient.hurried(patience_s=60.0, read_s=0.2).hurried(patience_s=0, read_s=0.2).get(PODS)
    assert time.monotonic() - began_s < 20


def test_without_patience_everything_is_tried_once_and_for_its_whole_time(connect: Connect, server: ApiServer) -> None:
    def slow(_: Asked) -> Reply:
        time.sleep(0.2)
        return Reply(503)

    server.script = slow
    with pytest.raises(ClusterRefused, match="503"):
        connect(server.url, patience_s=60.0).hurried(patience_s=0).get(PODS)
    assert len(server.asked) == 1


@pytest.mark.parametrize("failure", [Reply(429), Reply(500), Reply(503, "not JSON"), HangUp, Silence])
def test_what_may_pass_is_tried_again(connect: Connect, server: ApiServer, failure: Reply | type[Exception]) -> None:
    server.script = in_turn(failure, failure, Reply(200, {"kind": "PodList"}))
    assert connect(server.url, patience_s=30.0, read_s=2.0).get(PODS) == {"kind": "PodList"}
    assert len(server.asked) == 3


@pytest.mark.parametrize(("failure", "error"), [(Reply(429), ClusterRefused), (HangUp, ClusterUnreachable)])
def test_what_does_not_pass_is_told_after_growing_pauses(
    connect: Connect, server: ApiServer, failure: Reply | type[Exception], error: type[Exception]
) -> None:
    server.script = in_turn(failure)
    with pytest.raises(error):
        connect(server.url, patience_s=3.0).get(PODS)
    assert 2 <= len(server.asked) <= 5  # pauses of 0.1, 0.2, 0.4, 0.8, 1.6 s


def test_the_server_says_how_long_to_wait(connect: Connect, server: ApiServer) -> None:
    server.script = in_turn(Reply(429, headers={"Retry-After": "1"}), Reply(200, {"kind": "PodList"}))
    began_s = time.monotonic()
    connect(server.url, patience_s=30.0).get(PODS)
    assert time.monotonic() - began_s >= 1.0


def test_a_wait_beyond_the_patience_is_not_begun(connect: Connect, server: ApiServer) -> None:
    server.script = in_turn(Reply(503, headers={"Retry-After": "3600"}))
    with pytest.raises(ClusterRefused, match="503"):
        connect(server.url).get(PODS)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422])
def test_a_no_is_told_at_once_with_its_status_and_its_reason(connect: Connect, server: ApiServer, status: int) -> None:
    server.script = in_turn(Reply(status, {"kind": "Status", "message": "because I say so"}))
    with pytest.raises(ClusterRefused, match=f"GET {PODS}: {status} because I say so") as refused:
        connect(server.url).get(PODS)
    assert refused.value.status == status
    assert len(server.asked) == 1


def test_a_redirection_is_a_no_and_takes_the_token_nowhere(connect: Connect, server: ApiServer) -> None:
    with api_server(in_turn(Reply())) as elsewhere:
        server.script = in_turn(Reply(302, headers={"Location": elsewhere.url}))
        with pytest.raises(ClusterRefused, match="302"):
            connect(server.url).get(PODS)
    assert elsewhere.asked == []


@pytest.mark.parametrize("body", ["<html>a captive portal</html>", [], "7"])
def test_an_answer_that_is_no_object_is_no_answer(connect: Connect, server: ApiServer, body: object) -> None:
    server.script = in_turn(Reply(200, body))
    with pytest.raises(ClusterUnreachable, match="the answer is no"):
        connect(server.url).get(PODS)


def test_all_pages_of_a_list_are_read(connect: Connect, server: ApiServer) -> None:
    following = {"": "a&b", "a&b": "c", "c": ""}

    def script(asked: Asked) -> Reply:
        page = parse_qs(urlsplit(asked.path).query).get("continue", [""])[0]
        return Reply(200, {"items": [{"page": page}], "metadata": {"continue": following[page]}})

    server.script = script
    found = connect(server.url).items(PODS, labelSelector="app=aia-api")
    assert [each["page"] for each in found] == ["", "a&b", "c"]
    assert all("limit=500&labelSelector=app%3Daia-api" in asked.path for asked in server.asked)


def test_a_list_without_items_is_empty(connect: Connect, server: ApiServer) -> None:
    server.script = in_turn(Reply(200, {"items": None, "metadata": {}}))
    assert list(connect(server.url).items(PODS)) == []


def test_a_delete_names_the_very_object_that_is_meant(connect: Connect, server: ApiServer) -> None:
    server.script = in_turn(Reply(200))
    connect(server.url).delete(f"{PODS}/aia-api-1", uid="0815", grace_period_s=0)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("DELETE", f"{PODS}/aia-api-1")
    assert asked.json["preconditions"] == {"uid": "0815"}
    assert asked.json["gracePeriodSeconds"] == 0


@pytest.mark.parametrize("kind", Patch)
def test_a_patch_says_what_kind_it_is(connect: Connect, server: ApiServer, kind: Patch) -> None:
    server.script = in_turn(Reply(200))
    connect(server.url).patch(f"{PODS}/a", {"spec": {}}, kind, fieldManager="gameday")
    (asked,) = server.asked
    assert (asked.headers["content-type"], asked.path) == (kind.value, f"{PODS}/a?fieldManager=gameday")


def test_create_and_replace_send_the_object_and_return_what_was_made_of_it(connect: Connect, server: ApiServer) -> None:
    server.script = in_turn(Reply(201, {"made": 1}), Reply(200, {"made": 2}))
    api = connect(server.url)
    assert [api.create(PODS, {"a": 1}), api.replace(f"{PODS}/a", {"a": 2})] == [{"made": 1}, {"made": 2}]
    assert [(asked.method, asked.json) for asked in server.asked] == [("POST", {"a": 1}), ("PUT", {"a": 2})]


@pytest.mark.parametrize("failure", [Reply(401, f"who is {TOKEN[:4]}?"), Reply(500), HangUp, Silence])
def test_the_token_is_sent_but_never_told(
    connect: Connect, server: ApiServer, failure: Reply | type[Exception]
) -> None:
    server.script = in_turn(failure)
    with pytest.raises((ClusterRefused, ClusterUnreachable)) as error:
        connect(server.url, patience_s=2.0).get(PODS)
    assert server.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in f"{error.value!r} {error.value.__cause__!r}"


def test_another_server_of_the_cluster_gets_the_same_proof(connect: Connect, server: ApiServer) -> None:
    with api_server(in_turn(Reply(200, "metrics 1\n"))) as kubelet:
        assert connect(server.url).beside(kubelet.url).text("/metrics") == "metrics 1\n"
    assert kubelet.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert server.asked == []


@needs_openssl
def test_a_server_with_the_clusters_certificate_is_believed(connect: Connect, tmp_path: Path) -> None:
    own = certificate(tmp_path / "own", "127.0.0.1")
    with api_server(in_turn(Reply(200, {"kind": "PodList"})), own) as server:
        assert connect(server.url, ca=own[0], connect_s=5.0, read_s=5.0).get(PODS) == {"kind": "PodList"}


@needs_openssl
@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.1"], ids=["of another authority", "of another host"])
def test_a_server_with_another_certificate_is_refused_at_once_and_gets_no_token(
    connect: Connect, tmp_path: Path, address: str
) -> None:
    own = certificate(tmp_path / "own", address)
    ca = own[0] if address != "127.0.0.1" else certificate(tmp_path / "other", "127.0.0.1")[0]
    with api_server(in_turn(Reply()), own) as server:
        began_s = time.monotonic()
        with pytest.raises(ClusterUnreachable, match=r"(?i)certificate"):
            connect(server.url, ca=ca, patience_s=60.0, connect_s=5.0, read_s=5.0).get(PODS)
        assert time.monotonic() - began_s < 30
    assert server.asked == []


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "{",
        "clusters: 3",
        "[]",
        f"users: [{{name: me, user: {{token: {TOKEN}}}}}]\ncurrent-context: nowhere",
        f"users: {TOKEN}",
    ],
    ids=["missing", "empty", "no YAML", "a number", "a list", "no cluster", "a text"],
)
def test_without_a_usable_kubeconfig_the_command_is_at_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    if content is not None:
        (tmp_path / "kubeconfig").write_text(content)
    with pytest.raises(CommandError, match="set KUBECONFIG") as error:
        KubernetesApi.connect()
    assert error.value.exit_code is ExitCode.BAD_INPUT
    assert TOKEN not in str(error.value)


@pytest.mark.parametrize("server", ["127.0.0.1:6443", "https://", "ftp://127.0.0.1", "https://127.0.0.1:port"])
def test_a_server_that_is_no_address_is_the_commands_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", server)))
    with pytest.raises(CommandError, match="is no http or https address"):
        KubernetesApi.connect()


def test_a_context_that_the_kubeconfig_does_not_have_is_the_commands_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")))
    with pytest.raises(CommandError, match="elsewhere"):
        KubernetesApi.connect(context="elsewhere")


def test_the_environment_may_name_the_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = yaml.safe_load(write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1").read_text())
    written["clusters"].append({"name": "other", "cluster": {"server": "http://127.0.0.1:2"}})
    written["contexts"].append({"name": "other", "context": {"cluster": "other", "user": written["users"][0]["name"]}})
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(written))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    assert KubernetesApi.connect().server == "http://127.0.0.1:1"
    monkeypatch.setenv("GAMEDAY_CONTEXT", "other")
    assert KubernetesApi.connect().server == "http://127.0.0.1:2"
