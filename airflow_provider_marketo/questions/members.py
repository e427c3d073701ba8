"""Who is in a static list, and how many are in a program?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoNotFoundError
from airflow_provider_marketo.questions.question import Answer, Found, Question, batches, by_group

IDS_PER_CALL = 300


@dataclass(frozen=True)
class ListMembershipQuestion(Question):
    """
    Are leads in a static list, or no longer in it?

    :param list_id: the list.
    :param lead_ids: at least one.
    :param member: whether they are to be in it.
    """

    kind: ClassVar[str] = "list_membership"
    list_id: int
    lead_ids: tuple[int, ...]
    member: bool = True

    def __post_init__(self) -> None:
        if not self.lead_ids:
            raise MarketoInvalidRequestError("there is no lead to look for", parameter="lead_ids")

    @property
    def group(self) -> Hashable:
        return self.list_id

    def describe(self) -> str:
        count = len(self.lead_ids)
        return (
            f"{count} {'lead' if count == 1 else 'leads'} to {'join' if self.member else 'leave'} list {self.list_id}"
        )


class ListMembershipInquirer:
    """
    Asks ``static_list_membership.member_of_list``, 300 leads of a list in a call.

    :param client: the instance.
    """

    def __init__(self, client: MarketoClient) -> None:
        self._client = client

    def ask(self, questions: Collection[ListMembershipQuestion]) -> Mapping[ListMembershipQuestion, Answer]:
        return by_group(questions, self._ask)

    def _ask(self, questions: Sequence[ListMembershipQuestion]) -> Mapping[ListMembershipQuestion, Answer]:
        list_id = questions[0].list_id
        members: set[int] = set()
        for batch in batches((lead for question in questions for lead in question.lead_ids), IDS_PER_CALL):
            reply = self._client.call("static_list_membership.member_of_list", listId=list_id, id=batch)
            members |= {int(item["id"]) for item in reply.records if str(item.get("status")).lower() == "memberof"}
        return {
            question: {"list_id": list_id, "lead_ids": list(question.lead_ids)}
            for question in questions
            if all((lead in members) == question.member for lead in question.lead_ids)
        }


@dataclass(frozen=True)
class ProgramMembersQuestion(Question):
    """
    Does a program have so many members in some status?

    :param program_id: the program.
    :param statuses: names of statuses of its channel.
    :param count: members wanted, of all these statuses together.
    """

    kind: ClassVar[str] = "program_members"
    program_id: int
    statuses: tuple[str, ...]
    count: int = 1

    def __post_init__(self) -> None:
        if not self.statuses:
            raise MarketoInvalidRequestError(
                "a status is missing", parameter="statuses", remedy="Give names of the program's statuses."
            )
        if self.count < 1:
            raise MarketoInvalidRequestError(f"count={self.count} is less than one", parameter="count")

    @property
    def group(self) -> Hashable:
        return self.program_id

    def describe(self) -> str:
        return f"{self.count} members of program {self.program_id} in status {' or '.join(self.statuses)}"


class ProgramMembersInquirer:
    """
    Counts with ``program_members.get``, no further than is asked for; ``programs.get_by_id`` once for each program.

    :param client: the instance.
    """

    def __init__(self, client: MarketoClient) -> None:
        self._client = client
        self._known: set[int] = set()

    def ask(self, questions: Collection[ProgramMembersQuestion]) -> Mapping[ProgramMembersQuestion, Answer]:
        return by_group(questions, self._ask)

    def _ask(self, questions: Sequence[ProgramMembersQuestion]) -> Mapping[ProgramMembersQuestion, Answer]:
        program_id = questions[0].program_id
        self._check(program_id)
        counts: Counter[str] = Counter()
        found: dict[ProgramMembersQuestion, Found] = {}
        pages = self._client.pages(
            "program_members.get",
            programId=program_id,
            filterType="statusName",
            filterValues=list(dict.fromkeys(status for question in questions for status in question.statuses)),
            fields=["leadId", "statusName"],
            batchSize=300,
        )
        for page in pages:
            counts.update(str(member.get("statusName")).lower() for member in page.records)
            for question in questions:
                total = sum(counts[status.lower()] for status in question.statuses)
                if total >= question.count:
                    found[question] = {"program_id": program_id, "members": total}
            if len(found) == len(questions):
                break
        return found

    def _check(self, program_id: int) -> None:
        """An unknown program has no members, which looks as if it had none yet."""
        if program_id in self._known:
            return
        if not self._client.call("programs.get_by_id", id=program_id).records:
            raise MarketoNotFoundError(
                f"there is no program {program_id}",
                operation="programs.get_by_id",
                parameter="program_id",
                remedy="Take the id from the program's address in Marketo, such as PG1001.",
            )
        self._known.add(program_id)
