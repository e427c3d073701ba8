"""What a subscription can do: tested now and then, and remembered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.hooks import variables
from airflow_provider_marketo.streams.changed_leads import has_updated_at_exports

if TYPE_CHECKING:
    from airflow_provider_marketo.hooks.marketo import MarketoHook

_PREFIX = "marketo_features_"
_TEST_AGAIN = "Delete it: the next run tests again what the subscription can do, with two calls."
_REMEMBERED = timedelta(days=30)


@dataclass(frozen=True)
class FeatureRecord(Serializable):
    """
    What a test has found out about a subscription.

    :param instance: the Munchkin ID.
    :param updated_at_exports: whether leads can be exported by ``updatedAt``.
    :param asked: when it was tested; None to test it again.
    """

    VERSION: ClassVar[int] = 1

    instance: str
    updated_at_exports: bool
    asked: datetime | None


class Features:
    """
    What a subscription can do: tested now and then, and remembered by instance in a Variable.

    :param hook: the connection.
    """

    def __init__(self, hook: MarketoHook) -> None:
        self._hook = hook
        self._name = _PREFIX + key_part(hook.marketo_conn_id)

    def exports_by_updated_at(self) -> bool:
        """Whether leads can be exported by ``updatedAt``."""
        client, now = self._hook.get_conn(), datetime.now(timezone.utc).replace(microsecond=0)
        known = variables.read_state(FeatureRecord, self._name, remedy=_TEST_AGAIN)
        if known and known.instance == client.instance and known.asked and known.asked > now - _REMEMBERED:
            return known.updated_at_exports
        found = has_updated_at_exports(client, now)
        self._write(FeatureRecord(client.instance, found, now))
        return found

    def forget(self) -> None:
        """Forget the answer, so that the next question tests again."""
        self._write(FeatureRecord(self._hook.get_conn().instance, updated_at_exports=False, asked=None))

    def _write(self, record: FeatureRecord) -> None:
        variables.write_state(self._name, record, "What a Marketo subscription can do")
