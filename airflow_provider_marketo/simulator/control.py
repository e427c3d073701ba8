"""
Control over HTTP below ``/simulator/``, with which other processes steer the simulator without a token.

==========================  ===========================================================================================
``GET  /simulator/report``  the report, as JSON
``POST /simulator/fault``   inject a fault: the members of :class:`~.faults.Fault` as a JSON object
``POST /simulator/clear``   remove all faults
``POST /simulator/tokens``  ``{"how": "expire"}`` expires every token (602), ``{"how": "revoke"}`` forgets them (601)
``POST /simulator/spend``   ``{"calls": 100, "export_bytes": 0}``: another integration uses today's quotas
==========================  ===========================================================================================
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.faults import Fault
from airflow_provider_marketo.simulator.reply import Bare, Bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_marketo.simulator.gateway import Call
    from airflow_provider_marketo.simulator.instance import Instance

PREFIX = "/simulator/"


def control(instance: Instance, call: Call) -> Bare | Bytes:
    """Answer a call below ``/simulator/``."""
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
            _ACTIONS[action](instance, facts)
    except (ValueError, TypeError, KeyError) as error:
        return Bare({"error": str(error)}, 400)
    return Bare({"done": True})


def _fault(instance: Instance, facts: Mapping[str, Any]) -> None:
    instance.faults.add(Fault.from_json(facts))


def _clear(instance: Instance, facts: Mapping[str, Any]) -> None:
    instance.faults.clear()


def _tokens(instance: Instance, facts: Mapping[str, Any]) -> None:
    {"expire": instance.tokens.expire, "revoke": instance.tokens.revoke}[facts["how"]]()


def _spend(instance: Instance, facts: Mapping[str, Any]) -> None:
    instance.spend(int(facts.get("calls", 0)), int(facts.get("export_bytes", 0)))


_ACTIONS: Mapping[str, Callable[[Instance, Mapping[str, Any]], None]] = {
    "fault": _fault,
    "clear": _clear,
    "tokens": _tokens,
    "spend": _spend,
}
