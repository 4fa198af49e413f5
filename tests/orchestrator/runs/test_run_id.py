from ops_orchestrator.runs.run_id import RUN_ID, new_run_id


def test_run_id_has_the_form_of_the_seed() -> None:
    assert RUN_ID.fullmatch("run_2026-01-09T12-34-56Z_ab12cd")
    assert RUN_ID.fullmatch(new_run_id())
