"""The small parts of the target on their own."""

import asyncio
import itertools
import struct
import time

import pytest

from target import counters
from target.defects import EvenShare, planted
from target.outbox import Outbox
from target.passwords import Passwords
from target.processes import Backoff
from target.settings import Secrets, Settings, from_environment, to_environment
from target.tokens import InvalidToken, Tokens


@pytest.mark.parametrize(("percent", "every"), [(20, 5), (50, 2), (100, 1), (1, 100)])
def test_a_share_is_even(percent, every):
    share = EvenShare(percent, phase=37.5)
    hits = [index for index in range(10 * every) if share()]
    assert len(hits) == 10
    assert {later - earlier for earlier, later in itertools.pairwise(hits)} == {every}


def test_a_fractional_share_is_exact_in_the_long_run():
    share = EvenShare(33.3)
    assert sum(share() for _ in range(10_000)) == pytest.approx(3330, abs=1)


def test_the_same_seed_plants_the_same_defects():
    def hits(seed: str) -> list[bool]:
        share = planted(("errors:7",), seed=seed).answers_500
        return [share() for _ in range(100)]

    assert hits("1/api-0") == hits("1/api-0")
    assert len({tuple(hits(f"{seed}/api-0")) for seed in range(20)}) > 1


def test_the_wait_before_a_restart_doubles_up_to_five_seconds_and_a_long_life_resets_it():
    backoff = Backoff()
    assert [backoff.delay_s(0.1) for _ in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert backoff.delay_s(10.0) == 0.2


def test_counters_are_little_endian_numbers_that_go_on_when_opened_again(tmp_path):
    path = tmp_path / "counters" / "api-0.bin"
    counters.create(path)
    for _ in range(2):
        with counters.Counters(path) as counted:
            for _ in range(300):
                counted.increment("load_started")
            counted.increment("websocket_closed")
    assert struct.unpack("<8Q", path.read_bytes()) == (600, 0, 0, 0, 0, 2, 0, 0)
    assert counters.read(path)["load_started"] == 600


def test_a_password_matches_its_own_hash_alone():
    async def check() -> list[bool]:
        passwords = Passwords(8)
        stored = await passwords.hashed("right")
        return [await passwords.matches(word, stored) for word in ("right", "wrong", "")]

    assert asyncio.run(check()) == [True, False, False]


def test_checking_the_password_of_nobody_takes_as_much_work_as_of_somebody():
    async def check() -> tuple[bool, float, float]:
        passwords = Passwords(15)
        began = time.process_time()
        await passwords.hashed("right")
        hashed = time.process_time()
        matches = await passwords.matches("right", None)
        return matches, hashed - began, time.process_time() - hashed

    matches, work_s, nobodys_work_s = asyncio.run(check())
    assert not matches
    assert nobodys_work_s > work_s / 3


def test_a_token_of_another_key_or_use_is_refused():
    ours = Tokens("k" * 48, access_lifetime_s=60)
    token = ours.issue("access", subject="u", session="s")
    assert ours.read(token, "access").subject == "u"
    for tokens, use in ((ours, "refresh"), (Tokens("o" * 48, access_lifetime_s=60), "access")):
        with pytest.raises(InvalidToken):
            tokens.read(token, use)


def test_settings_and_secrets_go_through_the_environment_and_secrets_are_not_shown(tmp_path):
    settings = Settings(host="127.0.0.1", port=1, redis_port=2, state_dir=tmp_path, defects=("ledger",))
    secrets = Secrets(redis_password="hidden-1", jwt_key="hidden-2", client_id="c", client_secret="hidden-3")
    assert from_environment(to_environment(settings, secrets)) == (settings, secrets)
    assert "hidden" not in repr(secrets)


def test_urgent_messages_leave_first_and_equal_ones_in_order():
    sent = []

    class Listener:
        async def send_text(self, text: str) -> None:
            sent.append(text)
            if len(sent) == 4:
                raise RuntimeError

    outbox = Outbox()
    for priority, name in (("low", "a"), ("normal", "b"), ("critical", "c"), ("normal", "d")):
        outbox.put({"priority": priority, "name": name})
    asyncio.run(outbox.send_all(Listener()))
    assert [text.partition('"name":"')[2][0] for text in sent] == ["c", "b", "d", "a"]
