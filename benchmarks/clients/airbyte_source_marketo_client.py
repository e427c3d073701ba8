"""Count the activities of one type that `airbyte-source-marketo` reads, and its seconds; runs where it is installed."""

import json
import sys
import time

from source_marketo.source import MarketoExportBase, SourceMarketo

url, client_id, client_secret, stream_name, start, end = sys.argv[1:]
MarketoExportBase.poll_interval = 0.05
config = {
    "domain_url": url,
    "client_id": client_id,
    "client_secret": client_secret,
    "start_date": start,
    "end_date": end,
    "window_in_days": 30,
}
(stream,) = (stream for stream in SourceMarketo().streams(config) if stream.name == stream_name)
rows, first, last = 0, None, 0.0
for part in stream.stream_slices(sync_mode="full_refresh"):
    for _ in stream.read_records("full_refresh", stream_slice=part):
        rows += 1
        last = time.perf_counter()
        first = first or last
print(json.dumps({"rows": rows, "seconds": last - (first or last)}))
