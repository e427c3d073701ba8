"""Airflow masks the values of My Tokens on its page of rendered templates, since the argument has the word token."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator

redact = pytest.importorskip("airflow.sdk._shared.secrets_masker", reason="elsewhere before Airflow 3.2").redact


def test_values_of_tokens_are_masked_and_their_names_are_shown():
    task = MarketoTriggerCampaignOperator(
        task_id="a_task", campaign_id=1, lead_ids=[1001], tokens={"{{my.Headline}}": "Hello Ada"}
    )
    assert "tokens" in task.template_fields
    assert redact(task.tokens, "tokens") == {"{{my.Headline}}": "***"}
    assert redact(task.lead_ids, "lead_ids") == [1001]
