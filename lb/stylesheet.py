"""The pages' one style sheet, kept inside each page; its hash is what the pages' security policy admits."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #2563eb; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1.5rem; }
header { border-bottom: 1px solid var(--line); margin-bottom: 1.5rem; padding-bottom: .75rem; }
header a { color: inherit; text-decoration: none; }
h1 { font-size: 1.35rem; margin: .25rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p.where { color: #888; margin: 0; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
thead th { background: var(--soft); white-space: nowrap; }
tbody th { font-weight: 500; white-space: nowrap; width: 14rem; }
td { overflow-wrap: anywhere; }
time { font-variant-numeric: tabular-nums; white-space: nowrap; }
code, pre { font: 12.5px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); margin: 0; max-height: 24rem; overflow: auto; padding: .75rem; white-space: pre-wrap; }
.state { background: var(--soft); border-radius: 1rem; display: inline-block; font-weight: 600; padding: .1rem .8rem;
  white-space: nowrap; }
.good { background: #16a34a33; }
.bad { background: #dc262633; }
.busy { background: #2563eb33; }
.nodes td:first-child { color: #888; text-align: right; white-space: nowrap; width: 1%; }
.scroll { overflow-x: auto; }
.scroll table { min-width: 66rem; }
.scroll td:nth-child(-n+4) { white-space: nowrap; }
.scroll td:nth-child(5) { min-width: 16rem; }
footer { color: #888; font-size: .85rem; margin-top: 2.5rem; }
"""

_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: nothing but this style; no script, no form, no frame."""
