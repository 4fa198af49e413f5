"""Which contract versions can be handled."""

import pytest

from ops_contract import CONTRACT_VERSION, Health, is_supported, validate


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.99", CONTRACT_VERSION])
def test_same_major_is_supported(version: str) -> None:
    """OPS-VER-002."""
    assert is_supported(version)


@pytest.mark.parametrize("version", ["0.9", "2.0", "10.0", "11.1", "01.0", "", ".", "x", " 1.0", "-1.0", "\uff11.0"])
def test_another_major_is_not_supported(version: str) -> None:
    """OPS-VER-001."""
    assert not is_supported(version)


def test_contract_version_is_one_that_a_module_can_declare(health: dict[str, object]) -> None:
    assert validate(Health, {**health, "contract_versions": [CONTRACT_VERSION]}, "health").contract_versions == ("1.0",)
