"""Tokens, votes and rankings."""

import concurrent.futures

import pytest


def held(summary: dict) -> int:
    return summary["treasury"] + summary["staked"] + sum(summary["balances"].values())


def register(client, agent_id: str, **more: object) -> None:
    body = {"agent_id": agent_id, "skills": [agent_id], **more}
    assert client.post("/mas/api/v1/agents/register", json=body).status_code == 200


def test_tokens_are_conserved_while_many_distribute(healthy, user):
    register(user, "first")
    register(user, "second")
    bodies = [{"amount": 101, "recipients": ["first", "second"]}, {"amount": 7}] * 20
    token = user.tokens["access_token"]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda body: healthy.client(token).post("/economic/distribute", json=body), bodies))
        summaries = [user.get("/mas/api/v1/economic/summary").json() for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    summaries.append(user.get("/mas/api/v1/economic/summary").json())
    assert {held(summary) for summary in summaries} == {summaries[0]["total_supply"]}
    balances = summaries[-1]["balances"]
    assert (balances["agent:first"], balances["agent:second"]) == (20 * 51, 20 * 50)


def test_a_stake_is_conserved_when_its_agent_comes_and_goes(healthy):
    user = healthy.user()
    before = user.get("/mas/api/v1/economic/summary").json()
    register(user, "passing", initial_stake=500)
    during = user.get("/mas/api/v1/economic/summary").json()
    assert (during["staked"] - before["staked"], held(during)) == (500, before["total_supply"])
    user.delete("/auth/me")
    after = healthy.user().get("/mas/api/v1/economic/summary").json()
    assert (after["staked"], held(after)) == (before["staked"], before["total_supply"])
    assert "agent:passing" not in after["balances"]


@pytest.mark.parametrize("body", [{}, {"amount": 0}, {"amount": -5}, {"amount": "much"}, {"amount": 1.5}])
def test_a_distribution_without_a_good_amount_is_refused(user, body):
    assert user.post("/economic/distribute", json=body).status_code == 422


def test_a_distribution_to_an_unknown_agent_moves_nothing(user):
    before = user.get("/mas/api/v1/economic/summary").json()["treasury"]
    answer = user.post("/economic/distribute", json={"amount": 10, "recipients": ["aia-writer", "unknown"]})
    assert answer.status_code == 404
    assert user.get("/mas/api/v1/economic/summary").json()["treasury"] == before


def test_a_vote_weighs_as_much_as_the_stake_and_counts_once(user, other_user):
    register(user, "voter", initial_stake=300)
    register(other_user, "opponent", initial_stake=120)
    proposal = user.post("/governance/propose", json={"title": "more slides", "description": "please"}).json()
    assert proposal["votes"] == {"for": 0, "against": 0}
    vote = {"proposal_id": proposal["proposal_id"], "agent_id": "voter", "support": True}
    assert user.post("/governance/vote", json=vote).json()["voting_power"] == 300
    assert user.post("/governance/vote", json=vote).status_code == 409
    assert other_user.post("/governance/vote", json=vote).status_code == 403
    against = vote | {"agent_id": "opponent", "support": False}
    assert other_user.post("/governance/vote", json=against).json()["votes"] == {"for": 300, "against": 120}


def test_a_vote_on_nothing_or_by_nobody_is_not_found(user):
    register(user, "lost-voter")
    vote = {"proposal_id": "unknown", "agent_id": "lost-voter", "support": True}
    assert user.post("/governance/vote", json=vote).status_code == 404
    assert user.post("/governance/vote", json=vote | {"agent_id": "unknown"}).status_code == 404


def test_rankings_follow_the_mean_score(user):
    register(user, "good")
    register(user, "poor")
    for agent_id, score in (("good", 1.0), ("good", 0.8), ("poor", 0.1)):
        recorded = user.post("/performance/record", json={"agent_id": agent_id, "score": score})
        assert recorded.status_code == 200
    ranked = user.get("/performance/rankings").json()["rankings"]
    scores = {row["agent_id"]: row["score"] for row in ranked}
    assert scores["good"] == pytest.approx(0.9)
    order = [row["agent_id"] for row in ranked]
    assert order.index("good") < order.index("poor")


def test_a_score_of_an_unknown_agent_or_out_of_range_is_refused(user):
    assert user.post("/performance/record", json={"agent_id": "unknown", "score": 0.5}).status_code == 404
    assert user.post("/performance/record", json={"agent_id": "aia-writer", "score": 1.5}).status_code == 422
