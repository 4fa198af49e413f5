"""One finding as plain text, for JUnit and pytest."""

from typing import Final

from ops_contract.compliance.redaction import TERMINAL_BYTES, harmless, harmless_lines, shortened, shown_body
from ops_contract.compliance.reports.curl import short_curl_of
from ops_contract.compliance.reports.summary import WORDS, remedy_of
from ops_contract.compliance.reports.view import answer_of, facts_of
from ops_contract.compliance.result import Exchange, Finding

_MOST_EXCHANGES: Final = 3
_MESSAGE_CHARACTERS: Final = 300


def message_of(finding: Finding) -> str:
    """The verdict and what happened, in one line."""
    message = f"{WORDS[finding.verdict]}: {finding.actual}" if finding.actual else WORDS[finding.verdict]
    return shortened(harmless(message), _MESSAGE_CHARACTERS)


def plain_text(finding: Finding) -> str:
    """Expectation, fact, reason and remedy, and the first exchanges with commands. Expects a redacted finding."""
    requirement = finding.requirement
    facts = (
        (requirement.level, requirement.statement),
        *facts_of(finding),
        ("why", requirement.why),
        ("remedy", remedy_of(finding)),
        ("spec", requirement.anchor),
    )
    lines = [f"{name}: {harmless_lines(text)}" for name, text in facts if text]
    exchanges = [_exchange(exchange) for exchange in finding.exchanges[:_MOST_EXCHANGES]]
    return "\n".join([*lines, *exchanges])


def _exchange(exchange: Exchange) -> str:
    body = shown_body(exchange.body, TERMINAL_BYTES).text
    lines = ["", short_curl_of(exchange), f"answered: {shortened(answer_of(exchange))}", *([body] if body else [])]
    return "\n".join(map(harmless_lines, lines))
