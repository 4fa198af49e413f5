"""Whoever has the cookie of somebody's session, or a page that somebody opens who has one: what they can do with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from api_keys import let_expire, make_key, revoke
from local_service import HTTP
from reliability.raw_caller import Victim, statuses
from reliability.service_home import ServiceHome, module_server

pytestmark = pytest.mark.slow

SCENARIO: Final = b'{"scenario_id": "demo", "modules": ["inline"]}'
FORM: Final = b"application/x-www-form-urlencoded"
JSON: Final = b"application/json"
SAME_ORIGIN: Final = b"Sec-Fetch-Site: same-origin\r\n"


@dataclass(frozen=True)
class Keyed:
    """A service that asks for keys, and the file that has them."""

    victim: Victim
    keys: Path
    runs: Path

    @property
    def host(self) -> bytes:
        """The name by which it is called."""
        return b"127.0.0.1:%d" % self.victim.port

    def get(self, path: str, session: bytes, host: bytes = b"") -> bytes:
        """What is answered to a session, as JSON."""
        lines = b"GET %b HTTP/1.1\r\nHost: %b\r\n%bConnection: close\r\n\r\n"
        return self.victim.ask(lines % (path.encode(), host or self.host, self.cookie(session)))

    def post(self, path: str, session: bytes, body: bytes = b"", kind: bytes = FORM, says: bytes = SAME_ORIGIN) -> bytes:
        """What is answered to something that a page sends with a session; `says` are the headers that say which page."""
        lines = b"POST %b HTTP/1.1\r\nHost: %b\r\n%b%bContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
        head = (path.encode(), self.host, self.cookie(session), says, kind, len(body))
        return self.victim.ask(lines % (*head, body))

    def cookie(self, session: bytes) -> bytes:
        """The header that brings a session, of whatever service it is, as this one's."""
        return b"Cookie: ops-session-%d=%b\r\n" % (self.victim.port, session) if session else b""

    def log_in(self, name: str) -> bytes:
        """The session of somebody new."""
        answer = self.post("/login", b"", b"key=%b" % make_key(self.keys, name).encode())
        session = answer.partition(b"ops-session-%d=" % self.victim.port)[2].partition(b";")[0]
        assert statuses(self.get("/runs", session)) == [200]
        return session


@contextmanager
def keyed(folder: Path, modules: str) -> Iterator[Keyed]:
    home = ServiceHome(folder, modules)
    keys = folder / "keys.json"
    token = make_key(keys, "operator")
    with home.serving(OPS_API_KEYS_FILE=str(keys)) as (process, url):
        assert url is not None
        scenario = {"scenario_id": "demo", "modules": ["inline"]}
        answer = HTTP.post(f"{url}/plan_and_execute", json=scenario, headers={"Authorization": f"Bearer {token}"})
        run = f"/runs/{answer.json()['run_id']}"
        yield Keyed(Victim(process.pid, int(url.rpartition(":")[2]), run), keys, home.runs)


@pytest.fixture(scope="module")
def modules() -> Iterator[str]:
    with module_server() as address:
        yield address


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, modules: str) -> Iterator[Keyed]:
    with keyed(tmp_path_factory.mktemp("keyed"), modules) as started:
        # What is loaded for the first session is no cost of the others.
        started.log_in("first")
        yield started


def replayed(service: Keyed, session: bytes, assault: str) -> None:
    """Read and start runs with a session that is over."""
    with service.victim.assaulted(assault, "401"):
        answers = [
            service.get("/runs", session),
            service.get(f"{service.victim.run}/archive", session),
            service.post("/plan_and_execute", session, SCENARIO, JSON),
        ]
    assert [statuses(answer) for answer in answers] == [[401]] * 3


def test_cookie_that_is_sent_again_after_the_logout_is_worth_nothing(service: Keyed) -> None:
    session = service.log_in("anna")
    assert statuses(service.post("/logout", session)) == [303]
    replayed(service, session, "a cookie that is sent again after the logout")


@pytest.mark.parametrize(("end", "what"), [(revoke, "was revoked"), (let_expire, "has expired")])
def test_cookie_of_a_key_that_counts_no_longer_is_worth_nothing(
    service: Keyed, end: Callable[[Path, str], None], what: str
) -> None:
    name = what.replace(" ", "-")
    session = service.log_in(name)
    end(service.keys, name)
    replayed(service, session, f"a cookie that is sent again after its key {what}")


def test_cookie_of_another_service_is_worth_nothing(service: Keyed, tmp_path: Path, modules: str) -> None:
    with keyed(tmp_path / "other", modules) as other:
        session = other.log_in("anna")
        replayed(service, session, "the cookie of a session with another service, which has other keys")
        assert statuses(other.get("/runs", session)) == [200]


FOREIGN: Final = (
    b"Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n",
    b"Sec-Fetch-Site: same-site\r\n",
    b"Origin: null\r\n",
    b"Origin: http://evil.example\r\n",
    b"",
)
"""What a page of another site, a frame without an origin, or an old browser says of itself."""


def test_page_of_another_site_does_nothing_with_a_session(service: Keyed) -> None:
    session = service.log_in("maria")
    token = make_key(service.keys, "mallory").encode()
    run = service.victim.run
    forms = [
        ("/login", b"key=%b" % token, FORM),
        ("/logout", b"", FORM),
        ("/runs", b"example=baseline", FORM),
        (f"{run}/reproduce", b"", FORM),
        ("/plan_and_execute", SCENARIO, JSON),
        ("/plan_and_execute", SCENARIO, b"text/plain"),
        ("/modules/reload", b"", FORM),
    ]
    before = sorted(service.runs.iterdir())
    assault = f"a page of another site that uses a session, {len(forms) * len(FOREIGN)} ways"
    with service.victim.assaulted(assault, "403, and nothing is done"):
        answers = {
            (path, kind, says): service.post(path, session, body, kind, says) for path, body, kind in forms for says in FOREIGN
        }
    assert {form: answer for form, answer in answers.items() if statuses(answer) != [403]} == {}
    assert sorted(service.runs.iterdir()) == before
    assert statuses(service.get("/runs", session)) == [200]


REBOUND: Final = (
    b"evil.example",
    b"evil.example:%d",
    b"127.0.0.1.evil.example",
    b"127.0.0.1.evil.example:%d",
    b"localhost.evil.example",
    b"evil-localhost",
    b"evil.example.",
    b"localhost@evil.example",
    b"127.0.0.1:%d@evil.example",
    b"localhost,evil.example",
    b"evil.example#localhost",
    b"xn--lcalhost-8wc",
)
"""Names that lead to the service because somebody who owns them says so."""


def test_page_that_is_rebound_to_the_service_reads_nothing_with_a_session(service: Keyed) -> None:
    session = service.log_in("petra")
    names = [name % service.victim.port if b"%d" in name else name for name in REBOUND]
    with service.victim.assaulted(f"a rebound page that brings a session, under {len(names)} names", "400 or 421"):
        answers = {name: service.get("/runs", session, name) for name in names}
    assert {name: answer for name, answer in answers.items() if statuses(answer) not in ([400], [421])} == {}
    assert not any(service.victim.run.encode() in answer for answer in answers.values())
