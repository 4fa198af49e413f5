"""A service whose patience with its callers is short: `python bounded_service.py SECONDS` beside a modules.yaml."""

import sys

from ops_orchestrator.service.callers import CallerLimits
from ops_orchestrator.service.server import serve_orchestrator
from ops_orchestrator.settings import read_settings

patience_s = float(sys.argv[1])
serve_orchestrator(
    read_settings(port=0),
    CallerLimits(head_s=patience_s, body_s=patience_s, unread_s=patience_s, linger_s=patience_s, look_every_s=patience_s / 8),
)
