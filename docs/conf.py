"""Configuration of the site: ``python3 dev.py docs`` builds it, without a network."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from airflow_provider_marketo import __version__  # noqa: E402 - the path comes first

project = "airflow-provider-marketo"
author = "The airflow-provider-marketo maintainers"
copyright = "the airflow-provider-marketo maintainers"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "tools.documentation"]
if os.environ.get("DOCS_ONLINE"):  # links into the documentation of Python and Airflow
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "airflow": ("https://airflow.apache.org/docs/apache-airflow/stable", None),
    }

exclude_patterns = ["_static"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

toc_object_entries = False
python_maximum_signature_line_length = 80
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False

html_theme = "furo"
html_title = f"airflow-provider-marketo {release}"
html_static_path = ["_static"]
html_js_files = ["filter.js"]
html_css_files = ["site.css"]
html_show_sourcelink = False
