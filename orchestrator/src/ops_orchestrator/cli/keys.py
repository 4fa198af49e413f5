"""`ops keys`: the keys that let people and programs use the service, and those that runs are signed with."""

from ops_contract.command_line import add_deferred, new_group

keys_app = new_group("Make, list and revoke API keys; make signing keys.")
add_deferred(keys_app, "add", "ops_orchestrator.cli.api_keys:add", "Make an API key, and show it once.")
add_deferred(keys_app, "list", "ops_orchestrator.cli.api_keys:list_keys", "List the API keys, without their secrets.")
add_deferred(keys_app, "revoke", "ops_orchestrator.cli.api_keys:revoke", "Revoke an API key, at once.")
# It loads a library that the others do without.
add_deferred(keys_app, "make", "ops_orchestrator.cli.signing_keys:make", "Make a pair of keys that runs are signed with.")
