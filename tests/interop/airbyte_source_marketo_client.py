"""Run `airbyte-source-marketo`: check the connection, export leads and one activity type in bulk."""

import json
import logging
import sys

from source_marketo.source import MarketoExportBase, SourceMarketo

url, client_id, client_secret = sys.argv[1:]
MarketoExportBase.poll_interval = 0.5
config = {
    "domain_url": url,
    "client_id": client_id,
    "client_secret": client_secret,
    "start_date": "2026-01-01T00:00:00Z",
    "end_date": "2026-03-12T00:00:00Z",
    "window_in_days": 30,
}
source = SourceMarketo()
ready, problem = source.check_connection(logging.getLogger("airbyte"), config)
streams = {stream.name: stream for stream in source.streams(config)}
counts = {}
for name in ("leads", "activities_visit_webpage"):
    stream = streams[name]
    counts[name] = sum(
        1
        for part in stream.stream_slices(sync_mode="full_refresh")
        for _ in stream.read_records("full_refresh", stream_slice=part)
    )
print(json.dumps({"ready": ready, "problem": str(problem), "records": counts}))
