"""The user within a run of the harness: its requests enter the recorder, and go only where they may."""

import numpy as np
import pytest

from journal.histogram import bucket_index, lowest_values
from journal.outcomes import Endpoint, Kind, Outcome
from load.client.encoding import Encoder
from load.client.errors import RequestError
from tests.load.client.visitors import Api, counted, moved, recorded_at
from tests.load.hostile import answer, serving


def test_in_a_run_requests_are_counted_by_name_and_outcome_and_locust_is_told_only_where_somebody_listens():
    replies = {"good": answer(), "limited": answer(status=429), "down": answer(status=503), "gone": b"reset"}
    with serving(Api(**replies, missing=answer(status=404)).handle) as server:
        user, logbook, heard = recorded_at(server.url)
        for path in (*replies, "missing"):
            user.client.get(f"/{path}")
        with user.client.get("/good", name="judged", catch_response=True) as response:
            response.failure("not so good")
        with user.client.get("/missing", name="judged", catch_response=True) as response:
            response.success()
        assert heard == []
        failures = logbook.take_failures()
        assert [failure.detail for failure in failures][-1] == "not so good"
        assert len(failures) == 5
        logbook.listeners.append(lambda *_: None)
        user.client.get("/good")
        assert [told["name"] for told in heard] == ["/good"]
        assert counted(logbook) == {
            ("GET /good", Outcome.OK): 2,
            ("GET /limited", Outcome.LIMITED): 1,
            ("GET /down", Outcome.SERVER_ERROR): 1,
            ("GET /gone", Outcome.CUT): 1,
            ("GET /missing", Outcome.CLIENT_ERROR): 1,
            ("GET judged", Outcome.WRONG_ANSWER): 1,
            ("GET judged", Outcome.OK): 1,
        }


def test_in_a_run_each_hop_of_a_redirect_counts_as_the_target_counts_it():
    with serving(Api(a=moved("/b"), b=moved("/c"), c=answer(), loop=moved("/loop")).handle) as server:
        user, logbook, _ = recorded_at(server.url, max_redirects=2)
        user.client.get("/a")
        user.client.get("/loop")
        found = counted(logbook)
        assert found == {
            ("GET /a", Outcome.OK): 1,
            ("GET /a (redirected)", Outcome.OK): 2,
            ("GET /loop", Outcome.OK): 1,
            ("GET /loop (redirected)", Outcome.OK): 1,
            ("GET /loop (redirected)", Outcome.WRONG_ANSWER): 1,
        }
        assert sum(found.values()) == len(server.requests)


def test_in_a_run_the_intended_start_gives_a_response_time():
    with serving(Api(good=answer()).handle) as server:
        user, logbook, _ = recorded_at(server.url)
        user.intended_at_ns = 1_000_000_000
        user.client.get("/good")
        assert user.intended_at_ns < 0
        user.client.get("/good")
        (seen,) = [seen for frame in logbook.recorder.close() for seen in frame.endpoints.values() if seen.outcomes]
        response = seen.outcomes[Outcome.OK].histograms["response"]
        assert sum(response.values()) == 2
        from_its_sending_us, from_its_intended_start_us = sorted(lowest_values(np.fromiter(response, np.int64)))
        assert from_its_sending_us < 60_000_000 < from_its_intended_start_us


def test_in_a_run_a_request_without_an_answer_took_as_long_as_it_was_waited_for():
    with serving(lambda server, connection: server.read_request(connection) and connection.recv(1)) as server:
        user, logbook, _ = recorded_at(server.url, network_timeout=0.2)
        response = user.client.get("/silent")
        assert response.elapsed.total_seconds() >= 0.2
        (seen,) = [seen for frame in logbook.recorder.close() for seen in frame.endpoints.values() if seen.outcomes]
        assert min(seen.outcomes[Outcome.TIMEOUT].histograms["service"]) >= bucket_index(200_000)


def test_no_request_of_a_run_goes_to_a_host_that_its_profile_does_not_allow():
    encoder = Encoder("http://target.test", {}, verify_tls=True, ca_file="", hosts=frozenset({"also.test"}))
    assert encoder.prepare("GET", "http://also.test/x").url == "http://also.test/x"
    request = encoder.prepare("GET", "/x")
    with pytest.raises(ValueError, match=r"other\.test' may not be loaded"):
        encoder.prepare("GET", "http://other.test/x")
    with pytest.raises(ValueError, match="may not be loaded"):
        encoder.redirected(request, "GET", "//other.test/x", keep_body=False)


def test_failures_of_a_request_are_endpoints_of_the_file_of_the_class():
    with serving(Api(gone=b"reset").handle) as server:
        user, logbook, _ = recorded_at(server.url)
        user.client.get("/gone")
        (failure,) = logbook.take_failures()
        assert failure.endpoint == Endpoint(Kind.REQUEST, type(user).__module__.rpartition(".")[2], "GET /gone")
        assert RequestError.__name__ not in failure.detail
