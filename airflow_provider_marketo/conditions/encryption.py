"""
Encryption of conditions on their way to the triggerer.

Airflow stores a trigger's arguments in clear text, and a condition may hold an e-mail address. The key is derived from
the connection's client secret, which workers and triggerers have anyway.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken

from airflow_provider_marketo.client import stored
from airflow_provider_marketo.client.errors import MarketoAuthError
from airflow_provider_marketo.conditions.kinds import KINDS

if TYPE_CHECKING:
    from airflow_provider_marketo.client.secret import Secret
    from airflow_provider_marketo.conditions.condition import Condition


def encrypt(condition: Condition, secret: Secret) -> str:
    """
    Encrypt a condition.

    :param condition: a condition of any kind.
    :param secret: the connection's client secret.
    """
    return _cipher(secret).encrypt(json.dumps(condition.to_dict()).encode()).decode()


def decrypt(kind: str, text: str, secret: Secret) -> Condition:
    """
    Decrypt what :func:`encrypt` returned.

    :param kind: the kind of the condition.
    :param text: the encrypted condition.
    :param secret: the connection's client secret.
    :raises MarketoAuthError: the condition was encrypted with another secret.
    :raises MarketoStateError: a later release has stored the condition.
    """
    try:
        facts = json.loads(_cipher(secret).decrypt(text.encode()))
    except InvalidToken:
        raise MarketoAuthError(
            "this host cannot decrypt what the sensor waits for: its connection has another client secret",
            remedy="If workers and triggerers read the connection from different places, give both the same secret.",
        ) from None
    condition, _ = KINDS[kind]
    return stored.revive(condition, facts, place="the condition in the trigger", remedy="Clear the sensor's task.")


def _cipher(secret: Secret) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"marketo condition " + secret.reveal().encode()).digest()))
