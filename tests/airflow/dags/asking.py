"""A DAG whose requests lose their answers, so that a person has to say whether they ran."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from airflow.sdk import DAG

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator

AUDIENCES = [[1011], [1012, 1013], [1014, 1015, 1016]]


def die(*_: Any, **__: Any) -> None:
    """Let this process end as it does when a host dies."""
    os.kill(os.getpid(), signal.SIGKILL)


class KilledOnce(MarketoTriggerCampaignOperator):
    """
    An operator whose first try is killed at a moment of the question.

    :param moment: ``asked``: Airflow has the question, and the task does not wait yet; ``answered``: the task has the
        answer, and has not recorded it; ``recorded``: it has recorded the answer, and has not continued.
    """

    def __init__(self, *, moment: str = "", **kwargs: Any) -> None:
        super().__init__(retries=1, retry_delay=timedelta(seconds=1), **kwargs)
        self.moment = moment

    def _dies_at(self, context: Any, moment: str) -> bool:
        return context["ti"].try_number == 1 and moment == self.moment

    def _ask(self, context: Any, error: Any) -> None:
        if not self._dies_at(context, "asked"):
            return super()._ask(context, error)
        with patch.object(airflow_compat, "wait_for_answer", die):
            return super()._ask(context, error)

    def _settle(self, context: Any, key: str, *, sent: bool) -> None:
        if self._dies_at(context, "answered"):
            die()
        super()._settle(context, key, sent=sent)
        if self._dies_at(context, "recorded"):
            die()


with DAG("asking", schedule=None, default_args={"pool": "marketo"}):
    for number, task_id in enumerate(("sent", "not_sent", "by_command", "again", "failing", "without_triggerer")):
        MarketoTriggerCampaignOperator(
            task_id=task_id,
            campaign_id=2001,
            lead_ids=[1001 + number, 1101 + number],
            on_unknown="fail" if task_id == "failing" else "ask",
        )
    MarketoTriggerCampaignOperator(
        task_id="twice", campaign_id=2001, lead_ids=list(range(1001, 1301)), max_audience=300, retries=0
    )
    for number, moment in enumerate(("asked", "answered", "recorded")):
        KilledOnce(task_id=f"killed_when_{moment}", moment=moment, campaign_id=2001, lead_ids=[1021 + number])
    MarketoTriggerCampaignOperator.partial(task_id="mapped", campaign_id=2001).expand(lead_ids=AUDIENCES)
