"""Count the activities of one type that Singer's `tap-marketo` writes, and its seconds; runs where it is installed."""

import contextlib
import io
import json
import sys
import time

import tap_marketo
from tap_marketo.client import Client

url, client_id, client_secret, stream_name, start, _ = sys.argv[1:]
Client.get_url = lambda self, path: f"{url}/{path}"
time.sleep = lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.05))
config = {
    "endpoint": "https://000-AAA-000.mktorest.com/rest",
    "client_id": client_id,
    "client_secret": client_secret,
    "start_date": start,
}


class Records(io.StringIO):
    """Counts records and keeps none."""

    count = first = last = 0

    def write(self, text):
        """Count the records in the client's output."""
        if text.startswith('{"type": "RECORD"'):
            self.count += 1
            self.last = time.perf_counter()
            self.first = self.first or self.last
        return len(text)


catalog = io.StringIO()
with contextlib.redirect_stdout(catalog):
    tap_marketo._main(config, None, {}, True)
catalog = json.loads(catalog.getvalue())
for stream in catalog["streams"]:
    if stream["tap_stream_id"] == stream_name:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
records = Records()
with contextlib.redirect_stdout(records):
    tap_marketo._main(config, catalog, {}, False)
print(json.dumps({"rows": records.count, "seconds": records.last - records.first}))
