"""
Questions on their way to the triggerer. Airflow stores a trigger's arguments in clear text, and a condition may hold an
e-mail address; so it is sealed with a key that whoever has the connection has, and nobody else.
"""

from __future__ import annotations

import base64
import hashlib
import json

from cryptography.fernet import Fernet, InvalidToken

from airflow_provider_marketo.client.errors import MarketoAuthError
from airflow_provider_marketo.conditions.condition import Condition
from airflow_provider_marketo.conditions.kinds import KINDS


def sealed(condition: Condition, secret: str) -> str:
    """
    :param condition: any.
    :param secret: the connection's client secret.
    """
    return _box(secret).encrypt(json.dumps(condition.to_dict()).encode()).decode()


def unsealed(kind: str, text: str, secret: str) -> Condition:
    """
    What :func:`sealed` made.

    :raises MarketoAuthError: it was sealed with another secret.
    """
    try:
        facts = json.loads(_box(secret).decrypt(text.encode()))
    except InvalidToken:
        raise MarketoAuthError(
            "the condition was sealed with another client secret than that of the connection",
            remedy="If workers and triggerers read the connection from different places, make them agree.",
        ) from None
    condition, _ = KINDS[kind]
    found: Condition = condition.from_dict(facts)
    return found


def _box(secret: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"marketo condition " + secret.encode()).digest()))
