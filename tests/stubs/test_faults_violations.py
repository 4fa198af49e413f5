"""What every row of the violations says of itself; that each breaks its requirement and no other is the kit's proof."""

import re
from pathlib import Path

from ops_stubs.faults import VARIANTS, VIOLATIONS

OF_PROCESS = {name for name, violation in VIOLATIONS.items() if violation.of_process}


def test_violations_are_the_requirements_of_the_specification(repository: Path) -> None:
    specification = (repository / "contract/SPEC.md").read_text()
    assert set(re.findall(r"</a>(OPS-[A-Z]+-\d+) \|", specification)) == set(VIOLATIONS)
    assert {"OPS-CTR-001", "OPS-CTR-002", "OPS-CTR-003"} == OF_PROCESS


def test_variants_are_of_requirements_and_say_what_is_broken() -> None:
    assert {name.partition(":")[0] for name in VARIANTS} <= set(VIOLATIONS)
    assert len({variant.broken for variant in VARIANTS.values()}) == len(VARIANTS)


def test_violations_say_in_a_sentence_what_is_broken_and_how_it_is_seen() -> None:
    sentences = [text for violation in VIOLATIONS.values() for text in (violation.broken, violation.seen)]
    assert len(set(sentences)) == len(sentences)
    assert all(len(text) > 10 and not text.endswith(".") for text in sentences)
