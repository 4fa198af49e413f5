"""The example scenarios, for whoever has the service and not the repository: copies of those in its folder `examples`."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

_NAMES: Final = ("baseline", "vat-raised", "vat-lowered", "other-country", "all-modules")

EXAMPLES: Final[Mapping[str, dict[str, Any]]] = {
    name: json.loads(files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8")) for name in _NAMES
}
"""The scenarios by name."""
