"""The command `ops`.

Exit codes: 0 done, 1 not completed or differs, 2 usage, 3 cannot reach the service, or it cannot take the run now, 4 our bug,
130 interrupted.
"""

from typing import NoReturn

from ops_contract.command_line import add_deferred, new_command, run
from ops_orchestrator.cli.ending import end_of

app = new_command("ops", "openpolicystack-orchestrator", "Run OpenPolicyStack scenarios and look at what they left.")
add_deferred(app, "up", "ops_orchestrator.cli.up:up", "Start the Compose stack of this folder.")
add_deferred(
    app, "validate", "ops_orchestrator.cli.validate:validate", "Check scenarios and modules.yaml without running anything."
)
add_deferred(app, "serve", "ops_orchestrator.cli.serve:serve", "Start the orchestrator.")
add_deferred(
    app,
    "doctor",
    "ops_orchestrator.cli.doctor.command:doctor",
    "Look whether an orchestrator can work here, and say what to do.",
)
add_deferred(app, "run", "ops_orchestrator.cli.scenario:run", "Run a scenario.")
add_deferred(app, "sweep", "ops_orchestrator.cli.sweep:sweep", "Run a scenario for many values and seeds.")
add_deferred(app, "plan", "ops_orchestrator.cli.scenario:show_plan", "Show the plan of a scenario.")
add_deferred(
    app, "modules", "ops_orchestrator.cli.modules:modules_app", "List the registered modules, or look at one, try one."
)
add_deferred(app, "runs", "ops_orchestrator.cli.runs:runs_app", "Look at runs, cancel or resume one.")
add_deferred(app, "db", "ops_orchestrator.cli.db:db_app", "Prepare the database that several processes share.")
add_deferred(app, "worker", "ops_orchestrator.cli.worker:worker", "Execute the runs that others accept.")
add_deferred(app, "backup", "ops_orchestrator.cli.backup:backup", "Copy the store, also while a service writes in it.")
add_deferred(
    app,
    "keys",
    "ops_orchestrator.cli.keys:keys_app",
    "Make, list and revoke API keys; make signing keys.",
)


def main() -> NoReturn:
    """Entry point: run the command and turn every error into a sentence and an exit code."""
    run(app, "ops", end_of)
