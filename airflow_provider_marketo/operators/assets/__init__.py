"""Operators for Marketo assets: get, make, approve, clone, fill in and list them."""

from airflow_provider_marketo.operators.assets.asset import MarketoAssetOperator
from airflow_provider_marketo.operators.assets.clone_program import MarketoCloneProgramOperator
from airflow_provider_marketo.operators.assets.program_tokens import MarketoProgramTokensOperator

__all__ = [
    "MarketoAssetOperator",
    "MarketoCloneProgramOperator",
    "MarketoProgramTokensOperator",
]
