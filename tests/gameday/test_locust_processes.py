"""The command lines of master, workers and experiments, wherever they run."""

from pathlib import Path

import pytest

from gameday.fault_schedule import Aim, experiment_command
from gameday.locust_processes import Address, MetricsAt, master_command, worker_command
from journal.errors import CommandError
from journal.plan import PlannedFault
from journal.run_directory import RunDirectory

RUN = RunDirectory(Path("/runs/1"))


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_a_master_listens_where_it_is_told_to() -> None:
    command = master_command(
        RUN,
        base_url="http://aia:8000",
        at=Address("0.0.0.0", 5557),
        workers=3,
        workers_within_s=240,
        metrics=MetricsAt("0.0.0.0", 9646),
    )
    assert option(command, "--master-bind-host") == option(command, "--metrics-host") == "0.0.0.0"
    assert (option(command, "--master-bind-port"), option(command, "--metrics-port")) == ("5557", "9646")
    assert (option(command, "--expect-workers"), option(command, "--expect-workers-max-wait")) == ("3", "240")


def test_a_worker_is_told_nothing_but_where_its_master_is() -> None:
    command = worker_command(Address("master-1", 5557))
    assert (option(command, "--master-host"), option(command, "--master-port")) == ("master-1", "5557")
    assert "--host" not in command


@pytest.mark.parametrize("text", ["", "host", "host:", ":5557", "host:0", "host:65536", "host:http", "[::]:5557"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        Address.parse(text, "--workers-at")
    assert "--workers-at" in str(caught.value)


@pytest.mark.parametrize(("state_file", "given"), [(None, False), (Path("state.json"), True)])
def test_an_experiment_gets_a_state_file_only_where_there_is_one(state_file: Path | None, given: bool) -> None:
    fault = PlannedFault(id="F1", experiment="kill-api-pod", at_s=1, configuration={"count": 2})
    command = experiment_command(fault, RUN, Aim("http://aia:8000", state_file))
    assert ("--state-file" in command) is given
    assert option(command, "--base-url") == "http://aia:8000"
    assert option(command, "--set") == "count=2"
