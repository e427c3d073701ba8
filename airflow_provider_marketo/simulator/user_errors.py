"""Errors of user management: they have HTTP statuses, no envelope, and numbers for codes."""

from __future__ import annotations

from typing import Any

from airflow_provider_marketo.simulator.problems import ApiError

USERS = "/userservice/"
_BAD_REQUEST = 400
_STATUSES = {
    "601": 401,
    "602": 401,
    "603": 403,
    "605": 405,
    "606": 429,
    "607": 429,
    "610": 404,
    "611": 500,
    "612": 415,
    "615": 429,
    "1013": 404,
}
"""HTTP statuses by code; any other code is a bad request."""


class UserManagementError(ApiError):
    """User management refuses a call."""

    @classmethod
    def of(cls, error: ApiError) -> UserManagementError:
        """Return the service's error for an error of the instance."""
        return cls(error.code, error.message)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _STATUSES.get(self.code, _BAD_REQUEST)

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the JSON body of the reply."""
        return {"errors": [{"code": int(self.code), "message": self.message}]}
