"""Who is in a list or a program: adding, removing, mirroring, statuses and fields."""

from __future__ import annotations

from contextlib import suppress

import pytest

from airflow_provider_marketo.operators.members import MarketoListMembersOperator, MarketoProgramMembersOperator
from airflow_provider_marketo.simulator import ApiUser
from tests.operators.importing import DeadError, DyingStore, counts, fails, governed, run_import, table
from tests.support import StateStore

__all__ = ["governed"]

LIST, WEBINAR = 1001, 1001


def members(instance, list_id: int = LIST) -> list[int]:
    return list(instance.instance.store.lists.members(list_id))


def status(instance, lead_id: int) -> str | None:
    member = instance.instance.store.programs.member(WEBINAR, lead_id)
    return member["statusName"] if member else None


def test_leads_are_added_three_hundred_at_a_time(marketo, tmp_path):
    instance = marketo()
    result = run_import(MarketoListMembersOperator, tmp_path, list_id=LIST, lead_ids=range(1001, 1401))
    assert counts(result) == {"accepted": 400}
    assert set(range(1001, 1401)) <= set(members(instance))
    assert instance.report().calls["static_list_membership.add_to_list"] == 2
    assert instance.report().violations == {}


def test_a_lead_that_does_not_exist_is_rejected(marketo, tmp_path):
    marketo()
    _, account = fails(MarketoListMembersOperator, tmp_path, list_id=LIST, lead_ids=[1001, 99])
    assert counts(account) == {"accepted": 1, "rejected": 1}
    (reject,) = table(account["rejects"])
    assert (reject["leadId"], reject["_marketo_code"]) == (99, "1004")


def test_a_lead_id_that_marketo_refuses_comes_back_as_it_was_given(marketo, tmp_path):
    marketo()
    (tmp_path / "in.csv").write_text("leadId\n0099\n")
    _, account = fails(MarketoListMembersOperator, tmp_path, list_id=LIST, source=str(tmp_path / "in.csv"))
    assert [row["leadId"] for row in table(account["rejects"])] == ["0099"]


def test_a_lead_that_was_not_in_the_list_is_removed_all_the_same(marketo, tmp_path):
    instance = marketo()
    inside, outside = members(instance)[0], members(instance, 1002)[0]
    result = run_import(MarketoListMembersOperator, tmp_path, list_id=LIST, mode="remove", lead_ids=[inside, outside])
    assert counts(result) == {"accepted": 2}
    assert inside not in members(instance)


def test_a_mirrored_list_holds_exactly_the_input(marketo, tmp_path):
    instance = marketo()
    before = members(instance)
    wanted = [*before[3:], *members(instance, 1002)[:2]]
    result = run_import(MarketoListMembersOperator, tmp_path, list_id=LIST, mode="mirror", lead_ids=wanted)
    assert members(instance) == sorted(wanted)
    assert counts(result) == {"accepted": len(wanted)}
    assert (result["members_before"], result["removed"], result["calls"]) == (len(before), 3, 1)


def test_a_mirror_that_is_right_already_costs_no_write(marketo, tmp_path):
    instance = marketo()
    run_import(MarketoListMembersOperator, tmp_path, list_id=LIST, mode="mirror", lead_ids=members(instance))
    written = [name for name in instance.report().calls if name.endswith(("add_to_list", "remove_from_list"))]
    assert written == []


@pytest.mark.parametrize("max_removals", [0, 0.1, 9])
@pytest.mark.parametrize("kept", [0, 90], ids=["empty input", "ten of a hundred missing"])
def test_a_mirror_changes_nothing_if_it_would_remove_too_many(marketo, tmp_path, max_removals, kept):
    instance = marketo()
    before = members(instance)
    how = {"list_id": LIST, "mode": "mirror", "max_removals": max_removals}
    outside = members(instance, 1002)[0]
    if (kept, max_removals) == (90, 0.1):  # exactly as many as are allowed
        assert run_import(MarketoListMembersOperator, tmp_path, lead_ids=before[:kept], **how)["removed"] == 10
        return
    text, _ = fails(
        MarketoListMembersOperator, tmp_path, lead_ids=[*before[:kept], *([outside] if kept else [])], **how
    )
    assert f"{100 - kept} of the 100 members of list 1001 would be removed" in text
    assert "This try changed nothing" in text
    assert members(instance) == before


def test_a_cleared_mirror_keeps_its_input_and_a_new_run_reads_it_again(marketo, tmp_path):
    before, source, store = members(marketo()), tmp_path / "in.csv", StateStore()
    how = {"list_id": LIST, "mode": "mirror", "source": str(source)}
    source.write_text(f"leadId\n{before[0]}\n")
    refusal, _ = fails(MarketoListMembersOperator, tmp_path, store, **how)
    assert (
        f"start a new DAG run with the whole input: a cleared task keeps the rows that it has staged in {tmp_path}"
        in (refusal)
    )
    source.write_text("\n".join(map(str, ["leadId", *before[1:]])))
    assert fails(MarketoListMembersOperator, tmp_path, store, **how)[0] == refusal
    assert run_import(MarketoListMembersOperator, tmp_path / "another run", **how)["removed"] == 1


def test_a_list_that_does_not_exist_is_found_before_anything_is_sent(marketo, tmp_path):
    instance = marketo()
    text, _ = fails(MarketoListMembersOperator, tmp_path, list_id=77, lead_ids=[1001])
    assert "there is no static list 77" in text
    assert "static_list_membership.add_to_list" not in instance.report().calls


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"list_id": "x"}, "list_id is a str that is not an id"),
        ({"mode": "sync"}, "mode='sync' is not one of"),
        ({"mode": "mirror", "max_removals": -1}, "max_removals=-1 is below 0"),
    ],
)
def test_what_is_wrong_is_refused_before_a_call(marketo, tmp_path, arguments, message):
    instance = marketo()
    text, _ = fails(MarketoListMembersOperator, tmp_path, **{"list_id": LIST, "lead_ids": [1], **arguments})
    assert message in text
    assert not instance.report().calls


def test_ids_may_come_from_a_file_under_another_name(marketo, tmp_path):
    instance = marketo()
    source = tmp_path / "vips.csv"
    source.write_text("marketo_id,name\n1002,Ada\n1003,Bo\n")
    result = run_import(
        MarketoListMembersOperator, tmp_path, list_id=LIST, source=str(source), columns={"marketo_id": "leadId"}
    )
    assert counts(result) == {"accepted": 2}
    assert {1002, 1003} <= set(members(instance))


def test_a_status_is_set_and_never_taken_back(marketo, tmp_path):
    instance = marketo()
    leads = range(1001, 1101)
    attended = [lead_id for lead_id in leads if status(instance, lead_id) == "Attended"]
    result = run_import(
        MarketoProgramMembersOperator, tmp_path, program_id=WEBINAR, program_member_status="Registered", lead_ids=leads
    )
    assert counts(result) == {"accepted": 100}
    assert attended
    assert all(status(instance, lead_id) == "Attended" for lead_id in attended)
    assert {status(instance, lead_id) for lead_id in leads} == {"Registered", "No Show", "Attended"}
    assert instance.report().skipped["1037"] > 0


def test_each_member_gets_the_status_of_its_own_row_and_a_status_costs_one_call(marketo, tmp_path):
    instance = marketo()
    leads = [lead_id for lead_id in range(1001, 1101) if status(instance, lead_id) in (None, "Invited")][:6]
    wanted = dict(zip(leads, ["Registered", "Attended", "No Show"] * 2, strict=True))
    source = tmp_path / "in.csv"
    source.write_text("leadId,statusName\n" + "".join(f"{lead_id},{name}\n" for lead_id, name in wanted.items()))
    result = run_import(MarketoProgramMembersOperator, tmp_path, program_id=WEBINAR, source=str(source))
    assert counts(result) == {"accepted": 6}
    assert {lead_id: status(instance, lead_id) for lead_id in leads} == wanted
    assert instance.report().calls["program_members.sync_status"] == 3


def test_every_row_may_have_a_status_and_fields_of_its_own(marketo, tmp_path):
    instance = marketo()
    source = tmp_path / "in.jsonl"
    source.write_text(
        '{"leadId": 1002, "statusName": "Attended", "seatNumber": 7}\n'
        '{"leadId": 1003, "statusName": "Registered", "registrationCode": "R1"}\n'
        '{"leadId": 1004, "seatNumber": 8}\n'
        '{"leadId": 77, "statusName": "Attended", "seatNumber": 9}\n'
    )
    _, account = fails(MarketoProgramMembersOperator, tmp_path, program_id=WEBINAR, source=str(source))
    assert counts(account) == {"accepted": 2, "rejected": 2}
    programs = instance.instance.store.programs
    assert programs.member(WEBINAR, 1002)["seatNumber"] == 7
    assert programs.member(WEBINAR, 1003)["registrationCode"] == "R1"
    codes = {row["leadId"]: row["_marketo_code"] for row in table(account["rejects"])}
    assert codes == {1004: "1013", 77: "1004"}  # 1004 is not a member of the program, 77 is not a lead


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"program_id": 77}, "there is no program 77"),
        (
            {"program_member_status": "Atended"},
            "did you mean 'Attended'?). Its statuses are Invited, Registered, No Show, Attended",
        ),
    ],
)
def test_program_and_status_are_checked_before_anything_is_sent(marketo, tmp_path, arguments, message):
    instance = marketo()
    given = {"program_id": WEBINAR, "program_member_status": "Attended", "lead_ids": [1001]} | arguments
    text, _ = fails(MarketoProgramMembersOperator, tmp_path, **given)
    assert message in text
    assert "program_members.sync_status" not in instance.report().calls


def test_a_status_of_another_channel_rejects_its_rows_alone(marketo, tmp_path):
    instance = marketo()
    source = tmp_path / "in.csv"
    source.write_text("leadId,statusName\n1002,Attended\n1003,Engaged\n")
    _, account = fails(MarketoProgramMembersOperator, tmp_path, program_id=WEBINAR, source=str(source))
    assert counts(account) == {"accepted": 1, "rejected": 1}
    assert status(instance, 1002) == "Attended"


def test_an_api_user_who_may_not_see_programs_can_still_set_statuses(marketo, tmp_path):
    user = ApiUser("id", "secret", "user@example.org", frozenset({"Read-Only Assets", "Read-Write Assets"}))
    instance = marketo(users=(user,))
    result = run_import(
        MarketoProgramMembersOperator, tmp_path, program_id=WEBINAR, program_member_status="Attended", lead_ids=[1002]
    )
    assert counts(result) == {"accepted": 1}
    assert status(instance, 1002) == "Attended"


def test_ids_that_were_changed_before_anything_was_sent_are_those_that_are_sent(marketo, tmp_path, governed):
    instance = marketo()
    store = StateStore()
    instance.fail("static_list_membership.add_to_list", "1003")
    outside = members(instance, 1002)[:2]
    fails(MarketoListMembersOperator, tmp_path, store, list_id=LIST, lead_ids=outside[:1])
    result = run_import(MarketoListMembersOperator, tmp_path, store, list_id=LIST, lead_ids=outside[1:])
    assert counts(result) == {"accepted": 1}
    assert [lead_id in members(instance) for lead_id in outside] == [False, True]


@pytest.mark.parametrize("at", range(1, 6))
@pytest.mark.parametrize("written", [True, False], ids=["after the write", "before the write"])
def test_a_mirror_that_was_killed_is_made_equal_by_the_next_try(marketo, tmp_path, governed, at, written):
    instance = marketo()
    before = members(instance)
    wanted = [*before[3:], *members(instance, 1002)[:2]]
    store = DyingStore(at, written=written)
    how = {"list_id": LIST, "mode": "mirror", "lead_ids": wanted}
    with suppress(DeadError):
        run_import(MarketoListMembersOperator, tmp_path, store, **how)
    result = run_import(MarketoListMembersOperator, tmp_path, store.survivor(), **how)
    assert members(instance) == sorted(wanted)
    assert counts(result) == {"accepted": len(wanted)}


def test_leads_are_found_by_a_field_and_one_in_two_rows_counts_once(marketo, tmp_path):
    instance = marketo()
    store = instance.instance.store.leads
    outside = members(instance, 1002)[:2]
    emails = [store.get(lead_id)["email"] for lead_id in outside]
    source = tmp_path / "leads.csv"
    source.write_text("\n".join(["email", *emails, emails[0].upper(), "nobody@example.com"]))
    arguments = {"source": str(source), "lookup_field": "email", "max_reject_ratio": 0.5}
    result = run_import(MarketoListMembersOperator, tmp_path, list_id=LIST, **arguments)
    assert counts(result) == {"accepted": 2, "rejected": 1, "superseded": 1}
    assert set(outside) <= set(members(instance))
    (line,) = table(result["rejects"])
    assert (line["email"], line["_marketo_code"]) == ("nobody@example.com", "1004")


def test_members_with_a_status_are_found_by_a_field_that_columns_names(marketo, tmp_path):
    instance = marketo()
    email = instance.instance.store.leads.get(1002)["email"]
    source = tmp_path / "attendance.csv"
    source.write_text(f"mail,state,note\n{email},Attended,x\n")
    columns = {"mail": "email", "state": "statusName"}
    arguments = {"source": str(source), "lookup_field": "email", "columns": columns}
    result = run_import(MarketoProgramMembersOperator, tmp_path, program_id=WEBINAR, **arguments)
    assert counts(result) == {"accepted": 1}
    assert status(instance, 1002) == "Attended"


@pytest.mark.parametrize("way", [list, lambda records: lambda: records])
@pytest.mark.parametrize(
    ("kind", "to"),
    [
        (MarketoListMembersOperator, {"list_id": LIST}),
        (MarketoProgramMembersOperator, {"program_id": WEBINAR, "program_member_status": "Attended"}),
    ],
)
def test_records_name_leads_as_rows_of_a_file_do(marketo, tmp_path, kind, to, way):
    instance = marketo()
    lead_id = members(instance, 1002)[0]
    email = instance.instance.store.leads.get(lead_id)["email"]
    arguments = {"records": way([{"mail": email}]), "lookup_field": "email", "columns": {"mail": "email"}}
    result = run_import(kind, tmp_path, **to, **arguments)
    assert counts(result) == {"accepted": 1}
    assert lead_id in members(instance) or status(instance, lead_id) == "Attended"


def test_ids_are_not_looked_up_by_another_field(marketo, tmp_path):
    marketo()
    text, _ = fails(MarketoListMembersOperator, tmp_path, list_id=LIST, lead_ids=[1001], lookup_field="email")
    assert "lookup_field cannot be used with lead_ids, only with rows" in text


def test_an_input_without_ids_says_how_leads_are_looked_up(marketo, tmp_path):
    instance = marketo()
    source = tmp_path / "leads.csv"
    source.write_text("email\na@example.com\n")
    text, _ = fails(MarketoListMembersOperator, tmp_path, list_id=LIST, source=str(source))
    assert "lookup_field='email'" in text
    assert "static_list_membership.add_to_list" not in instance.report().calls
