"""Secrets come from the environment and are taken out of everything that is said."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.errors import ProfileError
from journal.profile import Profile
from load.secrets import Secrets

PROFILE = Profile(name="shop", secrets={"password_env": "SHOP_PASSWORD", "key_env": "SHOP_KEY"})


def test_a_secret_is_the_value_of_its_variable() -> None:
    secrets = Secrets(PROFILE, {"SHOP_PASSWORD": "hunter2", "SHOP_KEY": "k"})
    assert secrets.values == {"secrets.password": "hunter2", "secrets.key": "k"}
    secrets.require()


def test_every_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(ProfileError) as caught:
        Secrets(PROFILE, {"SHOP_KEY": ""}).require()
    assert [problem.where for problem in caught.value.problems] == [
        "profile: secrets: SHOP_PASSWORD",
        "profile: secrets: SHOP_KEY",
    ]


def test_a_secret_does_not_show_when_the_object_is_printed() -> None:
    assert "hunter2" not in repr(Secrets(PROFILE, {"SHOP_PASSWORD": "hunter2", "SHOP_KEY": "k"}))


@given(st.text(min_size=1, max_size=30), st.text(), st.text())
def test_a_secret_is_hidden_however_it_is_written(secret: str, before: str, after: str) -> None:
    profile = replace(PROFILE, secrets={"x_env": "X"})
    hidden = Secrets(profile, {"X": secret}).hide(f"{before}|{secret}|{secret!r}|{after}")
    assert secret not in hidden.replace("***", "") or secret in "|'\"\\"
