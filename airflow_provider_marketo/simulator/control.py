"""
Calls below ``/simulator/``, by which other processes steer the simulator over HTTP. They need no token.

==========================  ===========================================================================================
``GET  /simulator/report``  the report, as JSON
``POST /simulator/fault``   inject a fault: the members of :class:`~.faults.Fault` as a JSON object
``POST /simulator/clear``   remove all faults
``POST /simulator/tokens``  ``{"how": "expire"}`` expires every token (602), ``{"how": "revoke"}`` forgets them (601)
``POST /simulator/spend``   ``{"calls": 100, "export_bytes": 0}``: another integration uses today's quotas
``POST /simulator/journal`` members of :class:`~.journal.Manner`: duplicates, disorder, other instances and so on;
                            ``{"expire_tokens": true}`` forgets the tokens of IMS, ``{"register_again": true}`` makes
                            another registration, whose journal is empty and has another address
==========================  ===========================================================================================
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.faults import Fault
from airflow_provider_marketo.simulator.reply import Bare, Bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_marketo.simulator.call import Call
    from airflow_provider_marketo.simulator.gateway import Gateway

PREFIX = "/simulator/"


def control(gateway: Gateway, call: Call) -> Bare | Bytes:
    """
    Answer a call below ``/simulator/``.

    :param gateway: gateway of the instance.
    :param call: the call.
    """
    instance = gateway.instance
    action = call.path.removeprefix(PREFIX)
    if "origin" in call.headers:
        # A page of another site, open in a browser on this machine, must not steer the simulator.
        return Bare({"error": "Requests from web pages are refused"}, 403)
    if action == "report" and call.method == "GET":
        return Bytes(instance.report().to_json().encode(), "application/json")
    if action not in _ACTIONS or call.method != "POST":
        known = ", ".join((f"GET {PREFIX}report", *(f"POST {PREFIX}{name}" for name in _ACTIONS)))
        return Bare({"error": f"{call.method} {call.path} is unknown. Use one of {known}."}, 404)
    try:
        facts = json.loads(call.body or b"{}")
        with instance.lock:
            _ACTIONS[action](gateway, facts)
    except (ValueError, TypeError, KeyError) as error:
        return Bare({"error": str(error)}, 400)
    return Bare({"done": True})


def _fault(gateway: Gateway, facts: Mapping[str, Any]) -> None:
    gateway.instance.faults.add(Fault.from_json(facts))


def _clear(gateway: Gateway, facts: Mapping[str, Any]) -> None:
    gateway.instance.faults.clear()


def _tokens(gateway: Gateway, facts: Mapping[str, Any]) -> None:
    {"expire": gateway.instance.tokens.expire, "revoke": gateway.instance.tokens.revoke}[facts["how"]]()


def _spend(gateway: Gateway, facts: Mapping[str, Any]) -> None:
    gateway.instance.spend(int(facts.get("calls", 0)), int(facts.get("export_bytes", 0)))


def _journal(gateway: Gateway, facts: Mapping[str, Any]) -> None:
    manner, journal = dict(facts), gateway.instance.journal
    if manner.pop("expire_tokens", False):
        gateway.adobe.expire_tokens()
    if manner.pop("register_again", False):
        journal.register_again()
    journal.behave(**manner)


_ACTIONS: Mapping[str, Callable[[Gateway, Mapping[str, Any]], None]] = {
    "fault": _fault,
    "clear": _clear,
    "tokens": _tokens,
    "spend": _spend,
    "journal": _journal,
}
