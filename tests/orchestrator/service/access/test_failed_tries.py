"""Who counts as one caller when keys are guessed."""

from pathlib import Path

import pytest
from api_keys import bearer, make_key
from local_service import HTTP, service
from scripted_module import modules_yaml

from ops_orchestrator.service.access.failed_tries import MOST_AT_ONCE, ONE_MORE_AFTER_S, FailedTries


def used_up(tries: FailedTries, address: str) -> None:
    while tries.take(address) == 0:
        pass


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", "2001:db8:0:2::1"),
        ("", "", "192.0.2.1"),
    ],
)
def test_one_caller_is_an_address_or_a_network_of_ipv6(address: str, same: str, other: str) -> None:
    tries = FailedTries()
    used_up(tries, address)
    assert 0 < tries.take(same) <= ONE_MORE_AFTER_S
    assert tries.take(other) == 0


def test_address_has_one_more_try_every_three_seconds_and_never_more_than_at_first() -> None:
    times = [0.0]
    tries = FailedTries(lambda: times[-1])
    used_up(tries, "192.0.2.1")
    times.append(ONE_MORE_AFTER_S)
    assert (tries.take("192.0.2.1"), tries.take("192.0.2.1")) == (0.0, ONE_MORE_AFTER_S)
    times.append(1000 * ONE_MORE_AFTER_S)
    assert [tries.take("192.0.2.1") for _ in range(MOST_AT_ONCE + 1)] == [0.0] * MOST_AT_ONCE + [ONE_MORE_AFTER_S]


def test_refusals_of_an_address_are_logged_every_ten_seconds_with_their_number(capsys: pytest.CaptureFixture[str]) -> None:
    times = [0.0]
    tries = FailedTries(lambda: times[-1])
    for at in (0.0, 1.0, 9.9, 10.0):
        times.append(at)
        tries.log("192.0.2.1", None, "its key is not valid")
    logged = "".join(capsys.readouterr())
    assert (logged.count("access.refused"), logged.count("3 tries since the last such line")) == (2, 1)


def test_try_that_did_not_fail_is_given_back() -> None:
    tries = FailedTries()
    for _ in range(2 * MOST_AT_ONCE):
        assert tries.take("192.0.2.1") == 0
        tries.give_back("192.0.2.1")


def test_many_addresses_are_forgotten_and_not_kept_for_ever() -> None:
    tries = FailedTries()
    used_up(tries, "192.0.2.1")
    for number in range(5000):
        tries.take(f"10.0.{number // 256}.{number % 256}")
    assert tries.take("192.0.2.1") == 0


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_caller_cannot_say_that_he_is_somebody_else(tmp_path: Path, workers: str) -> None:
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]))
    make_key(tmp_path / "keys.json", "anna")
    variables = {"OPS_API_KEYS_FILE": "keys.json", "OPS_WORKERS": workers}
    with service(tmp_path, "ops", "serve", "--port", "0", **variables) as (_, url):
        said = [{"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"} for number in range(80)]
        statuses = {HTTP.get(f"{url}/runs", headers=bearer("guess") | each).status_code for each in said}
    assert 429 in statuses
