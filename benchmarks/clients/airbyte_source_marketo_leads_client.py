"""Let `airbyte-source-marketo` print all leads as it does for Airbyte; runs where it is installed."""

import json
import sys
import time
from pathlib import Path

from airbyte_cdk.entrypoint import launch
from source_marketo.source import MarketoExportBase, SourceMarketo

url, client_id, client_secret, start, end, folder, *fields = sys.argv[1:]
MarketoExportBase.poll_interval = 0.5
config = {
    "domain_url": url,
    "client_id": client_id,
    "client_secret": client_secret,
    "start_date": start,
    "end_date": end,
    "window_in_days": 30,
}
schema = {"type": "object", "properties": {name: {} for name in fields}}
stream = {"name": "leads", "json_schema": schema, "supported_sync_modes": ["full_refresh", "incremental"]}
catalog = {"streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}]}
paths = {}
for name, content in (("config", config), ("catalog", catalog)):
    paths[name] = Path(folder) / f"{name}.json"
    paths[name].write_text(json.dumps(content))
begun = time.perf_counter()
launch(SourceMarketo(), ["read", "--config", str(paths["config"]), "--catalog", str(paths["catalog"])])
sys.stdout.flush()
print(time.perf_counter() - begun, file=sys.stderr)
