"""The token's life: the identity service returns the same token until it expires."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_marketo.client.auth import Token, TokenKeeper
from airflow_provider_marketo.client.errors import MarketoAuthError
from tests.support import ManualClock


class Identity:
    """Returns a token that lives an hour, and the same token until it expires, as Marketo does."""

    def __init__(self, clock: ManualClock, life: float = 3600.0) -> None:
        self.clock = clock
        self.life = life
        self.asked = 0
        self.serial = 0
        self.expires_at = -1.0

    def __call__(self) -> Token:
        self.asked += 1
        if self.clock.monotonic() >= self.expires_at:
            self.serial += 1
            self.expires_at = self.clock.monotonic() + self.life
        return Token(f"token-{self.serial}", self.expires_at - self.clock.monotonic())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_a_token_is_asked_for_once_while_it_lives(clock):
    identity = Identity(clock)
    keeper = TokenKeeper(identity, clock)
    for _ in range(59):
        assert keeper.get() == "token-1"
        clock.advance(60)
    assert identity.asked == 1


def test_the_life_left_counts_not_an_hour(clock):
    identity = Identity(clock, life=516)
    keeper = TokenKeeper(identity, clock)
    keeper.get()
    clock.advance(515.9)
    keeper.get()
    clock.advance(1)
    assert keeper.get() == "token-2"


def test_a_token_near_its_end_is_not_asked_for_before_every_call(clock):
    identity = Identity(clock)
    identity()
    clock.advance(3570)
    keeper = TokenKeeper(identity, clock)
    identity.asked = 0
    for _ in range(20):
        keeper.get()
        clock.advance(0.1)
    assert identity.asked == 1


@pytest.mark.parametrize(("left", "asked_again_after"), [(30, 10), (4, 4)])
def test_a_token_near_its_end_is_asked_for_again_after_ten_seconds_or_at_its_end(clock, left, asked_again_after):
    identity = Identity(clock, life=left)
    keeper = TokenKeeper(identity, clock)
    keeper.get()
    clock.advance(asked_again_after - 0.5)
    keeper.get()
    assert identity.asked == 1
    clock.advance(0.5)
    keeper.get()
    assert identity.asked == 2


def test_a_new_token_in_place_of_a_refused_one_is_not_waited_for_however_short_it_lives(clock):
    identity = Identity(clock, life=30)
    keeper = TokenKeeper(identity, clock)
    keeper.get()
    clock.advance(30)
    assert keeper.replace("token-1") == "token-2"
    assert clock.slept == []


def test_a_refused_token_that_is_about_to_die_is_waited_out(clock):
    identity = Identity(clock)
    keeper = TokenKeeper(identity, clock)
    keeper.get()
    clock.advance(3560)
    assert keeper.replace("token-1") == "token-2"
    assert clock.slept == [pytest.approx(41)]


def test_a_refused_token_with_life_left_is_an_error_at_once(clock):
    keeper = TokenKeeper(Identity(clock), clock)
    keeper.get()
    with pytest.raises(MarketoAuthError, match="same Marketo instance"):
        keeper.replace("token-1")
    assert clock.slept == []


def test_a_refused_token_with_a_minute_left_is_not_waited_out(clock):
    keeper = TokenKeeper(Identity(clock), clock)
    keeper.get()
    clock.advance(3540)
    with pytest.raises(MarketoAuthError, match="same Marketo instance"):
        keeper.replace("token-1")
    assert clock.slept == []


def test_the_user_is_that_of_the_last_token(clock):
    users = iter(["first@example.com", "second@example.com"])
    keeper = TokenKeeper(lambda: Token("token", 60, next(users)), clock)
    assert keeper.user is None
    keeper.get()
    assert keeper.user == "first@example.com"
    clock.advance(61)
    keeper.get()
    assert keeper.user == "second@example.com"


def test_threads_refused_with_the_same_token_share_one_renewal(clock):
    identity = Identity(clock)
    keeper = TokenKeeper(identity, clock)
    keeper.get()
    clock.advance(3600)
    identity.asked = 0
    fresh: list[str] = []
    threads = [threading.Thread(target=lambda: fresh.append(keeper.replace("token-1"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fresh == ["token-2"] * 8
    assert identity.asked == 1
