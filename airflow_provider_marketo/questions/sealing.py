"""
Questions on their way to the triggerer. Airflow stores a trigger's arguments in clear text, and a question may hold an
e-mail address; so it is sealed with a key that whoever has the connection has, and nobody else.
"""

from __future__ import annotations

import base64
import hashlib
import json

from cryptography.fernet import Fernet, InvalidToken

from airflow_provider_marketo.client.errors import MarketoAuthError
from airflow_provider_marketo.questions.kinds import KINDS
from airflow_provider_marketo.questions.question import Question


def sealed(question: Question, secret: str) -> str:
    """
    :param question: any.
    :param secret: the connection's client secret.
    """
    return _box(secret).encrypt(json.dumps(question.to_dict()).encode()).decode()


def unsealed(kind: str, text: str, secret: str) -> Question:
    """
    What :func:`sealed` made.

    :raises MarketoAuthError: it was sealed with another secret.
    """
    try:
        facts = json.loads(_box(secret).decrypt(text.encode()))
    except InvalidToken:
        raise MarketoAuthError(
            "the question was sealed with another client secret than that of the connection",
            remedy="If workers and triggerers read the connection from different places, make them agree.",
        ) from None
    question, _ = KINDS[kind]
    found: Question = question.from_dict(facts)
    return found


def _box(secret: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"marketo question " + secret.encode()).digest()))
