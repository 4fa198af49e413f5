"""Which evidence one step has and the other does not."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import Field

from ops_contract import Evidence
from ops_orchestrator.runs.comparison.places import Limits, Places, Shape, places_of
from ops_orchestrator.runs.provenance import lasting_evidence


class EvidenceItem(Shape):
    """A piece of evidence that only one of the runs has."""

    id: str
    kind: str
    title: str


class ChangedEvidence(Shape):
    """A piece of evidence that both runs have, and in what it differs."""

    id: str
    places: Places


class EvidenceDiff(Shape):
    """The evidence that B gained and dropped against A, and what changed; `more` counts what is not listed."""

    gained: tuple[EvidenceItem, ...] = ()
    dropped: tuple[EvidenceItem, ...] = ()
    changed: tuple[ChangedEvidence, ...] = ()
    reordered: Annotated[bool, Field(description="nothing but the order of the items differs")] = False
    more: int = 0


NO_EVIDENCE_DIFF: Final = EvidenceDiff()


def evidence_diff(first: Sequence[Evidence], second: Sequence[Evidence], limits: Limits) -> EvidenceDiff:
    """In what the evidence of two steps differs; NO_EVIDENCE_DIFF in nothing. When it was observed does not count."""
    ours, theirs = ({item.id: lasting_evidence(item) for item in items} for items in (first, second))
    gained = [_item(item, limits) for item in second if item.id not in ours]
    dropped = [_item(item, limits) for item in first if item.id not in theirs]
    both = ((key, places_of(ours[key], theirs[key], limits=limits)) for key in ours if key in theirs)
    changed = [ChangedEvidence(id=_cut(key, limits), places=places) for key, places in both if places.count]
    if not (gained or dropped or changed):
        return EvidenceDiff(reordered=True) if list(ours) != list(theirs) else NO_EVIDENCE_DIFF
    kinds: dict[str, list[Any]] = {"gained": gained, "dropped": dropped, "changed": changed}
    listed: dict[str, Any] = {name: tuple(items[: limits.places]) for name, items in kinds.items() if items}
    more = sum(map(len, kinds.values())) - sum(map(len, listed.values()))
    return EvidenceDiff(**listed, **({"more": more} if more else {}))


def _item(item: Evidence, limits: Limits) -> EvidenceItem:
    return EvidenceItem(**{name: _cut(getattr(item, name), limits) for name in EvidenceItem.model_fields})


def _cut(text: str, limits: Limits) -> str:
    return text if len(text) <= limits.characters else f"{text[: limits.characters]}..."
