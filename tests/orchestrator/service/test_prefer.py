import pytest

from ops_orchestrator.service.routes.prefer import Preference, read_preference


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Preference()),
        (["respond-async"], Preference(0.0, "respond-async")),
        (["wait=10"], Preference(10.0, "wait=10")),
        (["respond-async, wait=10"], Preference(10.0, "wait=10")),
        (["handling=lenient", "Respond-Async"], Preference(0.0, "respond-async")),
        (["wait = 3"], Preference(3.0, "wait=3")),
        (['wait="5"'], Preference(5.0, "wait=5")),
        (["respond-async; foo=bar"], Preference(0.0, "respond-async")),
        (["wait=soon"], Preference()),
        (["wait=-1"], Preference()),
    ],
)
def test_prefer_header_is_read_as_rfc_7240_says(values: list[str], expected: Preference) -> None:
    assert read_preference(values) == expected
