"""The governor's state in Redis, for all hosts that reach it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.governor.state import Moment, State
from airflow_provider_marketo.client.governor.stores import Answer, Change, StoreUnavailableError

if TYPE_CHECKING:
    from redis import Redis

_EXCHANGE = """
local held = redis.call('GET', KEYS[1]) or ''
if ARGV[2] and ARGV[1] == held then
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    return {1}
end
local time = redis.call('TIME')
return {0, held, time[1], time[2]}
"""
"""Replaces the old state with a new one if it has not changed; otherwise returns the current state and the time."""

_LIFE = 30 * 24 * 3600 * 1000
"""Milliseconds after which an unused state is forgotten. Without it, an instance begins with a pause of a window."""

_ATTEMPTS = 200


class RedisStore:
    """
    Keeps the state of an instance under one key. The clock is the server's: the workers' clocks do not matter.

    The worker computes a change and sends it with the state it started from. If another process was faster, the script
    refuses, and the worker computes the change again.

    :param client: a client of redis-py with timeouts, so that a call cannot hang while it waits for its turn.
    :param instance: the Munchkin ID.
    """

    def __init__(self, client: Redis, instance: str) -> None:
        self.key = f"airflow-marketo:{{{instance}}}"
        self._client = client
        self._exchange = client.register_script(_EXCHANGE)

    def update(self, change: Change[Answer]) -> Answer:
        """Change the state, in a transaction that is repeated when another process was faster."""
        from redis.exceptions import RedisError

        try:
            reply = self._exchange([self.key], [""])
            for _ in range(_ATTEMPTS):
                before, seconds, microseconds = reply[1], int(reply[2]), int(reply[3])
                now = seconds + microseconds / 1e6
                # Without a history: the server lost it, or the last call was a month ago.
                state = State.load(before.decode(errors="replace")) if before else State(unknown=True)
                answer = change(state, Moment(now, datetime.fromtimestamp(now, timezone.utc)))
                after = state.dump().encode()
                if after == before:
                    return answer
                reply = self._exchange([self.key], [before, after, _LIFE])
                if reply[0] == 1:
                    return answer
        except (RedisError, OSError, ValueError) as error:
            raise StoreUnavailableError(f"Redis key {self.key}: {type(error).__name__}: {error}") from error
        raise StoreUnavailableError(f"Redis key {self.key}: changed by others {_ATTEMPTS} times in a row")

    def ping(self) -> None:
        """
        Check that the server answers. The state stays as it is.

        :raises StoreUnavailableError: the server does not answer, or refuses the login.
        """
        from redis.exceptions import RedisError

        try:
            self._client.ping()
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(f"{type(error).__name__}: {error}") from error

    def after_fork(self) -> None:
        """Do nothing: redis-py handles forks itself."""
