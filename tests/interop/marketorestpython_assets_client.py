"""Run `marketorestpython` on Marketo assets of every family: read, create, change, approve and delete them."""

import json
import sys
import tempfile
from types import GeneratorType

from marketorestpython.client import MarketoClient
from marketorestpython.helper.http_lib import HttpLib

url, client_id, client_secret = sys.argv[1:]
client = MarketoClient("000-AAA-000", client_id, client_secret, max_retry_time=5)
client.host = url
HttpLib.num_calls_per_second = 50
done, failed = [], {}


def do(method, **arguments):
    """Call a method and return its result; None if it raised."""
    try:
        found = client.execute(method=method, **arguments)
    except Exception as error:  # noqa: BLE001 - the client raises nothing more specific
        failed[method] = repr(error)[:200]
        return None
    done.append(method)
    return list(found) if isinstance(found, GeneratorType) else found


def first(found):
    return found[0]["id"] if found else 0


def text_file(content):
    with tempfile.NamedTemporaryFile("w", suffix=".html", delete=False) as file:
        file.write(content)
    return file.name


def folder(name):
    return {"folderId": first(do("get_folder_by_name", name=name)), "folderType": "Folder"}


HTML = text_file('<html><body><div class="mktEditable" id="main">Hi</div></body></html>')

# Folders and tokens
campaigns = folder("Campaigns")
made = first(do("create_folder", name="2026", parentId=campaigns["folderId"], parentType="Folder"))
do("get_folder_by_id", id=made, type="Folder")
do("get_folder_contents", id=campaigns["folderId"], type="Folder")
do("browse_folders", root=json.dumps({"id": campaigns["folderId"], "type": "Folder"}), maxDepth=2)
do("create_token", id=made, folderType="Folder", type="text", name="A", value="b")
do("get_tokens", id=made, folderType="Folder")
do("delete_tokens", id=made, folderType="Folder", name="A", type="text")

# Programs
program = first(do("get_program_by_name", name="Spring Webinar"))
do("get_program_by_id", id=program)
do("browse_programs")
do("get_channels")
do("get_channel_by_name", name="Webinar")
do("get_tags")
do("get_tag_by_name", name="Region")
new_program = first(do("create_program", **campaigns, name="New", type="Default", channel="Content"))
do("update_program", id=new_program, description="new", tags={"Region": "EMEA"})
do("get_program_by_tag_type", tagType="Region", tagValue="EMEA")
cloned = first(do("clone_program", id=program, name="Cloned", **campaigns))
do("delete_program", id=new_program)

# Campaigns
campaign = do("get_smart_campaign_by_name", name="Weekly Send")
do("get_smart_campaigns")
copied = first(do("clone_smart_campaign", id=campaign[0]["id"], name="Copy", **campaigns))
do("delete_smart_campaign", id=copied)
trigger = do("get_multiple_campaigns", name=["Send Invitation"], programName=["Spring Webinar"])
do("get_campaign_by_id", id=trigger[0]["id"])
do("deactivate_smart_campaign", id=trigger[0]["id"])
do("activate_smart_campaign", id=trigger[0]["id"])
do("request_campaign", id=trigger[0]["id"], leads=["1001"], tokens={"my.Headline": "Hi"})
do("schedule_campaign", id=campaign[0]["id"])

# Templates, e-mails
emails, templates = folder("Emails"), folder("Email Templates")
template = first(do("create_email_template", name="New", **templates, content=HTML))
do("update_email_template_content", id=template, content=HTML)
do("approve_email_template", id=template)
do("get_email_template_content", id=template)
do("get_email_templates")
sender = {"subject": "Hi", "fromName": "M", "fromEmail": "m@example.com", "replyEmail": "m@example.com"}
email = first(do("create_email", name="New", **emails, template=template, **sender))
do("get_email_by_name", name="New", **emails)
do("update_email", id=email, description="new")
do("get_email_content", id=email)
do("update_email_content", id=email, type="Text", subject="Hello")
do("approve_email", id=email)
do("unapprove_email", id=email)
do("send_sample_email", id=email, emailAddress="a@example.com")
do("get_emails")
do("clone_email", id=email, name="Copy", **emails)
do("delete_email", id=email)

# Snippets, forms, pages
snippets, forms = folder("Snippets"), folder("Landing Page Forms")
snippet = first(do("create_snippet", name="New", **snippets))
do("update_snippet_content", id=snippet, type="HTML", content="<p>Hi</p>")
do("approve_snippet", id=snippet)
do("get_snippet_content", id=snippet)
do("get_snippets")
form = first(do("create_form", name="New", **forms))
do("create_form_field", id=form, fieldId="Phone")
do("get_form_fields", id=form)
do("update_form_field", id=form, fieldId="Phone", label="Call me")
do("delete_form_field", id=form, fieldId="Phone")
do("approve_form", id=form)
do("get_thank_you_page_by_form_id", id=form)
do("get_forms")
pages, page_templates = folder("Landing Pages"), folder("Landing Page Templates")
page_template = first(do("create_landing_page_template", name="New", **page_templates, templateType="freeForm"))
do("update_landing_page_template_content", id=page_template, content=HTML)
do("approve_landing_page_template", id=page_template)
do("get_landing_page_templates")
page = first(do("create_landing_page", name="New", **pages, template=page_template))
do("get_landing_page_by_name", name="New")
do("update_landing_page", id=page, description="new")
do("approve_landing_page", id=page)
do("get_landing_pages")
do("get_landing_page_redirect_rules")
do("get_landing_page_domains")

# Lists, segmentations
static = first(do("create_list", name="New", **folder("Lead Database")))
do("browse_lists")
do("get_smart_lists")
smart = do("get_smart_list_by_name", name="All Leads")
do("clone_smart_list", id=smart[0]["id"], name="Copy", **folder("Lead Database"))
segmentation = first(do("get_segmentations"))
do("get_segments", id=segmentation)

print(json.dumps({"done": len(done), "failed": failed}))
