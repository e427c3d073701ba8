"""The IMS token of a journal in a file of this host: a task that runs each minute needs no token each minute."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken

from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.journal.token import HeldToken
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = printable_logger(__name__)

_NOT_SHARED = "Processes of this host cannot share the journal's token, so each requests its own: %s"


class TokenFile:
    """
    A store of one token. Its file is encrypted with the client secret, so that reading it takes that secret.

    A file that cannot be read or written costs only a request for another token.

    :param folder: the folder of this host, for this user.
    :param parts: what the token depends on: IMS, client id, scopes.
    :param client_secret: client secret of the credential.
    """

    def __init__(self, folder: Path, parts: tuple[str, ...], client_secret: Secret) -> None:
        digest = hashlib.sha256("\n".join([*parts, client_secret.reveal()]).encode()).hexdigest()
        self._path = folder / f"ims-{digest[:24]}"
        key = hashlib.scrypt(client_secret.reveal().encode(), salt=digest.encode(), n=2**12, r=8, p=1, dklen=32)
        self._cipher = Fernet(base64.urlsafe_b64encode(key))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of the file. If the folder takes no locks, each process renews its own token."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            log.warning(_NOT_SHARED, error)
            yield
            return
        try:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def load(self) -> HeldToken | None:
        """Return the stored token; None if it is missing or cannot be read."""
        try:
            facts = json.loads(self._cipher.decrypt(self._path.read_bytes()))
            return HeldToken(Secret(facts.pop("token")), parse_date(facts["renew_at"]))
        except (OSError, InvalidToken, ValueError, KeyError, TypeError, AttributeError):
            return None

    def save(self, token: HeldToken) -> None:
        """Store a token."""
        sealed = self._cipher.encrypt(
            json.dumps({"token": token.value.reveal(), "renew_at": token.renew_at.isoformat()}).encode()
        )
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            descriptor = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(sealed)
            partial.replace(self._path)
        except OSError as error:
            log.warning(_NOT_SHARED, error)
