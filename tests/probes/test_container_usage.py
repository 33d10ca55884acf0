"""The kubelet's page of metrics: what it says of our containers is read as it stands, the rest is passed over."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.errors import ClusterUnreachable
from probes.container_usage import FIELDS, Usage, parse_metrics
from tests.probes.pods import container_id

SAMPLES = Path(__file__).parent / "samples"
NS = 1_000_000
AT_MS = 1_767_323_040_123

texts = st.text(max_size=20)
numbers = st.integers(1, 2**50)
writings = st.tuples(texts, texts, numbers, numbers, st.integers(0, 2**42))


def line(name: str, value: object, /, *, at_ms: int = AT_MS, **labels: str) -> str:
    ours = {"container": "aia-api", "namespace": "aia-system", "pod": "aia-api-1", "id": f"/pods/{container_id('a')}"}
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in {**ours, **labels}.items())
    return f"{name}{{{inside}}} {value} {at_ms}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def page(**labels: str) -> str:
    values = zip(FIELDS, (60e6, 50e6, 1.5, 7, 12, 30), strict=True)
    return "".join(f"# TYPE {name} gauge\n" + line(name, value, **labels) for name, value in values)


WHOLE = Usage(
    at_ns=AT_MS * NS,
    pod="aia-api-1",
    container="aia-api",
    id="a" * 12,
    working_set_bytes=60_000_000,
    anonymous_bytes=50_000_000,
    cpu_s=1.5,
    throttled_periods=7,
    threads=12,
    descriptors=30,
)


def test_all_that_is_told_of_a_container_becomes_one_usage() -> None:
    assert parse_metrics(page(), "aia-system") == [WHOLE]


def test_what_is_about_others_is_passed_over() -> None:
    others = [
        page(namespace="kube-system"),
        page(namespace="aia-system-2", pod='namespace="aia-system"'),
        page(container=""),
        page(pod=""),
        line("container_cpu_usage_seconds_total", 99, cpu="cpu01"),
        line("container_memory_rss_total", 99),
        "machine_memory_bytes 8e9\n",
    ]
    assert parse_metrics("".join([*others, page(), *others]), "aia-system") == [WHOLE]


@pytest.mark.parametrize(
    "labels",
    [
        {"id": f"/kubepods/burstable/pod0815/{container_id('b')}"},
        {"id": f"/kubepods.slice/kubepods-pod0815.slice/cri-containerd-{container_id('b')}.scope"},
        {"id": "", "name": container_id("b")},
    ],
    ids=["cgroupfs", "systemd", "by name"],
)
def test_the_id_of_a_container_is_found_however_its_control_group_is_named(labels: dict[str, str]) -> None:
    assert [usage.id for usage in parse_metrics(page(**labels), "aia-system")] == ["b" * 12]


def test_two_lives_of_a_container_are_two_usages() -> None:
    both = page() + page(id=f"/pods/{container_id('b')}")
    assert [usage.id for usage in parse_metrics(both, "aia-system")] == ["a" * 12, "b" * 12]


def test_a_container_without_memory_is_not_accounted_yet() -> None:
    nothing = line("container_memory_working_set_bytes", 0) + line("container_memory_rss", 0)
    assert parse_metrics(nothing + line("container_cpu_usage_seconds_total", 1), "aia-system") == []


@pytest.mark.parametrize("text", ["", "\n", "<html></html>", '{"kind": "Status"}', "# nothing\n"])
def test_a_page_without_metrics_tells_of_nothing(text: str) -> None:
    assert parse_metrics(text, "aia-system") == []


def test_a_page_that_is_torn_is_no_page() -> None:
    with pytest.raises(ClusterUnreachable, match="cannot be read"):
        parse_metrics(page() + line("container_memory_rss", 5)[:-25], "aia-system")


@given(st.lists(writings, max_size=5, unique_by=lambda written: written[:2]))
def test_whatever_names_and_numbers_a_page_holds_they_are_read_as_written(
    written: list[tuple[str, str, int, int, int]],
) -> None:
    text = "".join(
        line("container_memory_working_set_bytes", working_set, at_ms=at_ms, pod=pod, container=container)
        + line("container_memory_rss", anonymous, at_ms=at_ms, pod=pod, container=container)
        for pod, container, working_set, anonymous, at_ms in written
    )
    found = {
        (usage.pod, usage.container, usage.working_set_bytes, usage.anonymous_bytes, usage.at_ns)
        for usage in parse_metrics(text, "aia-system")
    }
    assert found == {(*rest, at_ms * NS) for *rest, at_ms in written if rest[0] and rest[1]}


@given(st.text(max_size=200), st.integers(0, 2000))
def test_no_damage_to_a_page_breaks_the_reader(damage: str, place: int) -> None:
    text = page()
    with suppress(ClusterUnreachable):
        parse_metrics(text[:place] + damage + text[place + len(damage) :], "aia-system")


def test_a_real_page_of_a_kubelet_is_read() -> None:
    found = parse_metrics((SAMPLES / "cadvisor.txt").read_text(encoding="utf-8"), "readings-sample")
    assert len(found) == 1
    (usage,) = found
    assert usage.anonymous_bytes > 0
    assert usage.working_set_bytes > 0
