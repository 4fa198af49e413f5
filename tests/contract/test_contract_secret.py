"""Which names are those of secrets."""

import pytest

from ops_contract import is_secret


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "authorisation", "Proxy-Authorization", "X-Auth-Token", "oauth", "authenticated_by"),
        *("token", "access_token", "tokens", "X-CSRF-Token", "tokenCount_token", "new_token"),
        *("client_secret", "password", "passwd", "passphrase", "pwd", "DB_PWD", "jwt", "credentials"),
        *("Cookie", "Set-Cookie", "session-id", "X-Amz-Signature", "sig", "x-sig", "url_sig"),
        *("key", "KEY", "api_key", "apikey", "X-API-Key", "access_key", "account-key", "private-key", "sharedKey"),
        *("Ocp-Apim-Subscription-Key", "x-functions-key", "signing_key", "ENCRYPTION_KEY", "master-key"),
    ],
)
def test_is_secret_knows_the_name_of_a_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("Accept", "Content-Type", "User-Agent", "traceparent", "iso", "country", "last", "pass", ""),
        *("author", "Authors", "author_name", "authored_by", "authority", "tax_authority_id"),
        *("max_tokens", "maxTokens", "max_new_tokens", "total-tokens", "token_count", "tokenLimit", "tokenizer"),
        *("min_tokens", "num_tokens", "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens"),
        *(
            "keyword",
            "keys",
            "Idempotency-Key",
            "Sec-WebSocket-Key",
            "monkey",
            "primary_key",
            "key_figures",
            "signal",
            "sigma",
            "multisig",
            "design",
        ),
        *("secretary", "Secretariat"),
    ],
)
def test_is_secret_leaves_other_names_alone(name: str) -> None:
    assert not is_secret(name)
