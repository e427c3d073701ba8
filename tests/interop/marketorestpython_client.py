"""Run `marketorestpython`: leads, lists, activities, changes, deletions and a bulk export."""

import json
import sys
import time

from marketorestpython.client import MarketoClient
from marketorestpython.helper.http_lib import HttpLib

url, client_id, client_secret = sys.argv[1:]
client = MarketoClient("000-AAA-000", client_id, client_secret, max_retry_time=5)
client.host = url
HttpLib.num_calls_per_second = 50
since, email = "2026-01-01T00:00:00Z", "from.another.client@example.org"

created = client.execute(method="create_update_leads", leads=[{"email": email, "title": "Boss"}], lookupField="email")
lead_id = created[0]["id"]
found = client.execute(
    method="get_multiple_leads_by_filter_type", filterType="email", filterValues=[email], fields=["title"]
)
on_list = client.execute(method="get_multiple_leads_by_list_id", listId="1001", fields=["email"], batchSize=50)
client.execute(method="add_leads_to_list", listId=1001, id=[lead_id])
member = client.execute(method="member_of_list", listId=1001, id=[lead_id])
activities = client.execute(method="get_lead_activities", activityTypeIds=["1", "12"], sinceDatetime=since)
changes = client.execute(method="get_lead_changes", fields=["title", "leadStatus"], sinceDatetime=since)
gone = client.execute(method="get_deleted_leads", sinceDatetime=since)
custom = client.execute(
    method="get_custom_objects", input=[{"vin": "SIM00000000000003"}], name="car_c", filterType="vin"
)
usage = client.execute(method="get_daily_usage")

january = {"createdAt": {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-31T23:59:59Z"}}
job = client.execute(method="create_activities_export_job", fields=["marketoGUID", "attributes"], filters=january)
client.execute(method="enqueue_activities_export_job", job_id=job[0]["exportId"])
while client.execute(method="get_activities_export_job_status", job_id=job[0]["exportId"])[0]["status"] != "Completed":
    time.sleep(0.5)
file = client.execute(method="get_activities_export_job_file", job_id=job[0]["exportId"])

print(
    json.dumps(
        {
            "created": created[0]["status"],
            "title": found[0]["title"],
            "on_list": len(on_list),
            "member": member[0]["status"],
            "activities": len(activities),
            "changes": len(changes),
            "gone": len(gone),
            "custom": custom[0]["vin"],
            "used": usage[0]["total"] > 10,
            "rows": file.count(b"\n") - 1,
        }
    )
)
