"""Samples of an e-mail: each address gets at most one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_marketo.at_most_once.task import OnceCall, OnceTask
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.hooks.marketo import MarketoHook

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


class SampleResult(TypedDict):
    """What a task that sends samples returns; ``email`` is the e-mail's name."""

    email_id: int
    email: str | None
    samples_sent: int
    samples_sent_earlier: int


def send_samples(context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any]) -> SampleResult:
    """
    Send a sample of an e-mail to each address.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    """
    addresses = list(dict.fromkeys(arguments["email_addresses"]))
    _refuse_addresses(addresses)
    task, email_id = OnceTask(context, hook, arguments), arguments["email_id"]
    found = task.client.call("emails.get_by_id", id=email_id).records
    if not found:
        raise MarketoNotFoundError(
            f"e-mail {email_id} does not exist, or the API user cannot see it",
            parameter="email_id",
            remedy="Take the id from the e-mail's address in Marketo, such as 3001 from #EM3001A1.",
        )
    task.link(found)
    options = {"textOnly": arguments["text_only"]}
    if arguments["lead_id"] is not None:
        options["leadId"] = arguments["lead_id"]
    calls = []
    for number, address in enumerate(addresses, 1):
        parameters = {"id": email_id, "emailAddress": address, **options}
        what = f"sample of e-mail {email_id} to recipient {number} of {len(addresses)}"
        calls.append(OnceCall(task.sending("emails.send_sample", parameters, what), parameters))
    sent, earlier = task.send_all(calls)
    return {
        "email_id": email_id,
        "email": found[0].get("name"),
        "samples_sent": 0 if task.dry_run else sent,
        "samples_sent_earlier": earlier,
    }


def _refuse_addresses(addresses: Sequence[str]) -> None:
    if not addresses:
        raise MarketoInvalidRequestError("email_addresses is empty", parameter="email_addresses")
    wrong = sum(not _ADDRESS.fullmatch(address) for address in addresses)
    if wrong:
        raise MarketoInvalidRequestError(
            f"{wrong} of {len(addresses)} entries of email_addresses "
            f"{'is not an e-mail address' if wrong == 1 else 'are not e-mail addresses'}",
            parameter="email_addresses",
        )
