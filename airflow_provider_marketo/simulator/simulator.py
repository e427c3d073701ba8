"""The simulator for Python code: an instance behind a web server, and the ways to steer it."""

from __future__ import annotations

import json
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.clock import Clock, ScaledClock
from airflow_provider_marketo.simulator.faults import Fault
from airflow_provider_marketo.simulator.gateway import Gateway
from airflow_provider_marketo.simulator.instance import Instance
from airflow_provider_marketo.simulator.journal import CLIENT_ID, CLIENT_SECRET, IMS_ORG
from airflow_provider_marketo.simulator.server import Server
from airflow_provider_marketo.simulator.settings import Settings

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.journal import Journal
    from airflow_provider_marketo.simulator.report import Report


class Simulator:
    """
    A Marketo instance on this machine. It runs within a ``with`` block, or from :meth:`start` to :meth:`stop`.

    :param settings: size, limits and features of the instance; None for the defaults.
    :param clock: its time; None for the real time at the pace of ``settings.time_scale``.
    :param port: port to listen on; 0 takes a free one.
    :param host: address to listen on.
    """

    def __init__(
        self, settings: Settings | None = None, *, clock: Clock | None = None, port: int = 0, host: str = "127.0.0.1"
    ) -> None:
        self.settings = settings or Settings()
        self.clock = clock or ScaledClock(self.settings.time_scale)
        self._address = (port, host)
        self._open = ExitStack()
        self._instance: Instance | None = None
        self._server: Server | None = None

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> Simulator:
        """
        Start to listen, in a separate thread.

        :raises OSError: the port is in use.
        """
        folder = self.settings.spool
        if folder is None:
            folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="marketo-simulator-")))
        folder.mkdir(parents=True, exist_ok=True)
        self._instance = Instance(self.settings, self.clock, folder)
        self._open.callback(self._instance.exports.close)
        self._server = Server(Gateway(self._instance), *self._address)
        self._open.callback(self._server.server_close)
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="simulator", daemon=True)
        thread.start()
        self._open.callback(thread.join)
        self._open.callback(self._server.shutdown)
        return self

    def stop(self) -> None:
        """Stop listening; remove the export files unless ``settings.spool`` names their directory."""
        self._open.close()

    @property
    def instance(self) -> Instance:
        """The instance behind the web server: data, jobs, limits."""
        if self._instance is None:
            raise RuntimeError("The simulator is not running. Call start() or use it in a with statement.")
        return self._instance

    @property
    def _gateway(self) -> Gateway:
        assert self._server is not None
        return self._server.gateway

    @property
    def url(self) -> str:
        """The instance URL: what an admin copies as the REST endpoint, without ``/rest``."""
        if self._server is None:
            raise RuntimeError("The simulator is not running. Call start() or use it in a with statement.")
        return self._server.url

    @property
    def client_id(self) -> str:
        """The client id of the first API user."""
        return self.settings.users[0].client_id

    @property
    def client_secret(self) -> str:
        """The client secret of the first API user."""
        return self.settings.users[0].client_secret

    def connection(self, **extra: Any) -> str:
        """
        Return an Airflow connection to it as JSON: the value of an ``AIRFLOW_CONN_...`` variable.

        :param extra: additional extras; ``poll_interval`` follows the time scale unless it is given.
        """
        poll = max(0.2, self.settings.status_refresh / self.clock.scale)
        return json.dumps(
            {
                "conn_type": "marketo",
                "host": self.url,
                "login": self.client_id,
                "password": self.client_secret,
                "extra": {"poll_interval": poll, **extra},
            }
        )

    @property
    def journal(self) -> Journal:
        """The journal of Adobe I/O Events: what it holds, and ways to let it repeat, mix up or forget events."""
        return self.instance.journal

    @property
    def journal_url(self) -> str:
        """The journal's URL: what an admin copies from the event registration."""
        return self.url + self._gateway.adobe.path()

    def adobe_connection(self, **extra: Any) -> str:
        """
        Return an Airflow connection to the journal as JSON: the value of an ``AIRFLOW_CONN_...`` variable.

        :param extra: additional extras.
        """
        return json.dumps(
            {
                "conn_type": "adobe_events",
                "host": self.journal_url,
                "login": CLIENT_ID,
                "password": CLIENT_SECRET,
                "extra": {"ims_org": IMS_ORG, "munchkin_ids": self.settings.munchkin_id, **extra},
            }
        )

    def expire_adobe_tokens(self) -> None:
        """Forget every token of IMS: the journal answers 401."""
        with self.instance.lock:
            self._gateway.adobe.expire_tokens()

    def fail(self, operation: str, code: str | None = None, **how: Any) -> None:
        """
        Inject a fault.

        :param operation: name in the catalogue, such as ``leads.sync``; ``*`` matches anything.
        :param code: Marketo error code.
        :param how: see :class:`~.faults.Fault`: ``times``, ``skip``, ``status``, ``drop``, ``executed``, ``delay``,
            ``truncate``, ``spoil``, ``ignore_range``, ``endless``, ``drip``, ``expire``, ``job``.
        """
        fault = Fault(operation, code, **how)
        with self.instance.lock:
            self.instance.faults.add(fault)

    def clear_faults(self) -> None:
        """Remove all injected faults."""
        with self.instance.lock:
            self.instance.faults.clear()

    def expire_tokens(self) -> None:
        """Expire every token now: calls get 602, and identity issues new tokens."""
        with self.instance.lock:
            self.instance.tokens.expire()

    def revoke_tokens(self) -> None:
        """Forget every token: calls get 601, and the identity service returns the same tokens."""
        with self.instance.lock:
            self.instance.tokens.revoke()

    def spend(self, calls: int = 0, export_bytes: int = 0) -> None:
        """
        Let another integration use today's quotas.

        :param calls: API calls.
        :param export_bytes: bytes of export files.
        """
        with self.instance.lock:
            self.instance.spend(calls, export_bytes)

    def report(self) -> Report:
        """Return what the simulator has counted so far."""
        return self.instance.report()
