"""The IMS token: shared, renewed early, once per cause."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_marketo.client.auth import Token
from airflow_provider_marketo.client.journal.token import SharedToken
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.hooks.token_file import TokenFile

DAY = 86_399.0
SECRET = Secret("a client secret")


class Clock:
    def __init__(self):
        self.time = datetime(2026, 11, 3, 9, tzinfo=timezone.utc)

    def now(self):
        return self.time

    def pass_by(self, **time):
        self.time += timedelta(**time)


class Ims:
    """Counts the tokens that it gives."""

    def __init__(self, life=DAY):
        self.life, self.given = life, 0
        self.lock = threading.Lock()

    def fetch(self):
        with self.lock:
            self.given += 1
            return Token(Secret(f"token {self.given}"), self.life)


@pytest.fixture
def clock():
    return Clock()


def test_a_token_is_renewed_five_minutes_before_its_end(clock):
    ims = Ims()
    token = SharedToken(ims.fetch, clock)
    assert token.get().reveal() == "token 1"
    clock.pass_by(hours=23, minutes=54)
    assert token.get().reveal() == "token 1"
    clock.pass_by(minutes=1)
    assert token.get().reveal() == "token 2"


def test_a_short_token_serves_for_half_of_its_life(clock):
    ims = Ims(life=60.0)
    token = SharedToken(ims.fetch, clock)
    token.get()
    clock.pass_by(seconds=29)
    assert token.get().reveal() == "token 1"
    clock.pass_by(seconds=2)
    assert token.get().reveal() == "token 2"


def test_threads_whose_calls_were_refused_share_one_renewal(clock):
    ims = Ims()
    token = SharedToken(ims.fetch, clock)
    refused = token.get()
    found = []
    threads = [threading.Thread(target=lambda: found.append(token.replace(refused).reveal())) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == ["token 2"] * 8
    assert ims.given == 2


def test_processes_of_a_host_share_a_token_and_its_renewal(clock, tmp_path):
    """Each object here stands for a process: they have nothing in common but the file."""
    ims = Ims()
    first, second = (SharedToken(ims.fetch, clock, TokenFile(tmp_path, ("ims", "id"), SECRET)) for _ in range(2))
    refused = first.get()
    assert second.get() == refused
    assert ims.given == 1
    renewed = first.replace(refused)
    assert second.replace(refused) == renewed
    assert ims.given == 2
    other = SharedToken(ims.fetch, clock, TokenFile(tmp_path, ("ims", "another id"), SECRET))
    assert other.get().reveal() == "token 3"


def test_the_file_hides_the_token_and_damage_costs_one_request(clock, tmp_path):
    ims = Ims()
    store = TokenFile(tmp_path / "made", ("ims", "id"), SECRET)
    SharedToken(ims.fetch, clock, store).get()
    files = [path for path in (tmp_path / "made").iterdir() if path.suffix != ".lock"]
    assert [b"token 1" in path.read_bytes() for path in files] == [False]
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600]
    files[0].write_bytes(b"damaged")
    assert SharedToken(ims.fetch, clock, store).get().reveal() == "token 2"


def test_a_folder_that_cannot_be_written_costs_nothing_but_tokens(clock, tmp_path, caplog):
    place = tmp_path / "a file"
    place.write_text("")
    ims = Ims()
    token = SharedToken(ims.fetch, clock, TokenFile(place, ("ims", "id"), SECRET))
    assert token.get().reveal() == "token 1"
    assert token.get().reveal() == "token 1"
    assert "cannot share" in caplog.text
