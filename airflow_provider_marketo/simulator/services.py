"""The services behind an instance's address: each has its own token header, limits and errors."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from airflow_provider_marketo.simulator.ingestion import BASE, NO_TOKEN, TOKEN_HEADER, IngestionError
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.tokens import bearer
from airflow_provider_marketo.simulator.user_errors import USERS, UserManagementError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.settings import ApiUser


class Service(Protocol):
    """What differs between the services of an instance."""

    def token(self, headers: Mapping[str, str]) -> str | None:
        """
        Return the token of a call; None without one.

        :param headers: headers with names in lower case.
        """
        ...

    def counted(self, user: ApiUser) -> AbstractContextManager[None]:
        """
        Count a call toward the limits while it runs.

        :raises ApiError: a limit is reached.
        """
        ...

    def refusal(self, error: ApiError, user: ApiUser | None) -> ApiError:
        """
        Return an error as this service writes it.

        :param user: who called; None if the token was refused.
        """
        ...


class RestApi:
    """The lead database and the assets."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def token(self, headers: Mapping[str, str]) -> str | None:
        """Return the access token of a request; None without one."""
        return bearer(headers)

    @contextmanager
    def counted(self, user: ApiUser) -> Iterator[None]:
        """Return a context in which a call counts toward the limits of the instance."""
        meter, lock = self._instance.meter, self._instance.lock
        try:
            with lock:
                meter.enter(user)
            yield
        finally:
            with lock:
                meter.leave()

    def refusal(self, error: ApiError, user: ApiUser | None) -> ApiError:
        """Return the answer that an error becomes."""
        with self._instance.lock:
            self._instance.meter.fail(user, error.code)
        return error


class DataIngestion:
    """Data ingestion. Its calls do not count toward the limits of the REST API."""

    def token(self, headers: Mapping[str, str]) -> str | None:
        """Return the access token of a request; one without a token is refused."""
        token = headers.get(TOKEN_HEADER)
        if not token:
            raise ApiError(NO_TOKEN, "OAuth token is missing")
        return token

    def counted(self, user: ApiUser) -> AbstractContextManager[None]:
        """Return a context that counts nothing: the service has limits of its own."""
        return nullcontext()

    def refusal(self, error: ApiError, user: ApiUser | None) -> ApiError:
        """Return the answer that an error becomes."""
        return IngestionError.of(error)


class UserManagement(RestApi):
    """User management. Its calls count like others, and its errors have HTTP statuses of their own."""

    def refusal(self, error: ApiError, user: ApiUser | None) -> ApiError:
        """Return the answer that an error becomes."""
        return UserManagementError.of(super().refusal(error, user))


class Services:
    """
    All services of an instance.

    :param instance: answers their calls.
    """

    def __init__(self, instance: Instance) -> None:
        self._rest = RestApi(instance)
        self._others: Mapping[str, Service] = {BASE: DataIngestion(), USERS: UserManagement(instance)}

    def of(self, path: str) -> Service:
        """Return the service that a path belongs to."""
        return next((service for base, service in self._others.items() if path.startswith(base)), self._rest)
