"""The command line's view of a running orchestrator."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from urllib.parse import quote, urlsplit

from ops_orchestrator.errors import CannotReachError, RefusedError

if TYPE_CHECKING:
    import httpx2
    from pydantic import SecretStr

_TIMEOUT_S: Final = 30.0
# The service sends a heartbeat every 15 seconds.
_LONGEST_SILENCE_S: Final = 60.0
_LARGEST_EVENT_BYTES: Final = 64 * 1024 * 1024
_LARGEST_PAGE: Final = 500
_NOT_WAITING: Final = {"Prefer": "respond-async"}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class RunIds(NamedTuple):
    """Ids of runs, newest first; `are_all` says that the service has no other run."""

    newest: list[str]
    are_all: bool


class ServiceClient:
    """Asks the orchestrator at one address. Raises CannotReachError, RefusedError."""

    def __init__(self, http: "httpx2.AsyncClient") -> None:
        self._http = http

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, key: "SecretStr | None") -> AsyncIterator[Self]:
        """A client for the orchestrator at `url`, closed at the end; it sends `key` with each request."""
        # The HTTP client takes a third of a second to load, which no other command, and no completion, should wait for.
        import httpx2  # noqa: PLC0415  # see above

        # A proxy is for the world outside; it would look for this machine's own service on itself.
        outside = urlsplit(url).hostname not in _LOOPBACK

        def with_key(request: "httpx2.Request") -> "httpx2.Request":
            if key is not None:
                request.headers["Authorization"] = f"Bearer {key.get_secret_value()}"
            return request

        # As `auth`, and not among the headers: what .netrc has for the host would take their place.
        async with httpx2.AsyncClient(base_url=url, timeout=_TIMEOUT_S, trust_env=outside, auth=with_key) as http:
            yield cls(http)

    async def start(self, scenario: bytes, key: str | None = None) -> dict[str, Any]:
        """Start a run, or find the one that was started with this idempotency key; returns the answer as it is at once."""
        headers = _NOT_WAITING | ({"Idempotency-Key": key} if key is not None else {})
        return await self._ask("run_id", "POST", "/plan_and_execute", scenario, headers)

    async def cancel(self, run_id: str) -> dict[str, Any]:
        """Cancel a run; returns the answer about it once it is over."""
        return await self._ask("run_id", "POST", f"/runs/{run_id}/cancel")

    async def resume(self, run_id: str) -> dict[str, Any]:
        """Go on with a run; returns the answer as far as it is known at once."""
        return await self._ask("run_id", "POST", f"/runs/{run_id}/resume", headers=_NOT_WAITING)

    async def reproduce(self, run_id: str, how: bytes) -> dict[str, Any]:
        """Start a run that reproduces another one; `how` is the body of the request. Returns the answer as it is at once."""
        return await self._ask("run_id", "POST", f"/runs/{run_id}/reproduce", how, _NOT_WAITING)

    async def run(self, run_id: str) -> dict[str, Any]:
        """A run's record."""
        return await self._ask("run_id", "GET", f"/runs/{run_id}")

    async def results(self, run_id: str) -> dict[str, Any]:
        """A run's results."""
        return await self._ask("run_id", "GET", f"/runs/{run_id}/results")

    async def run_ids(self, most: int) -> RunIds:
        """The ids of the newest runs, at most `most` of them."""
        newest: list[str] = []
        following = ""
        while True:
            limit = min(most - len(newest), _LARGEST_PAGE)
            page = await self._ask("runs", "GET", f"/runs?limit={limit}{following}")
            newest += [str(run["run_id"]) for run in page["runs"]]
            cursor = page.get("next_cursor")
            if not cursor or not page["runs"] or len(newest) >= most:
                return RunIds(newest, are_all=not cursor and bool(page.get("complete", True)))
            following = f"&cursor={quote(cursor)}"

    async def events(self, run_id: str, after: int = 0) -> AsyncGenerator[tuple[int, bytes]]:
        """The lines of a run's log that are numbered above `after`, each with its number, as long as the service sends them.

        It ends with the run, but also when the service stops, or does not execute the run itself.
        """
        import httpx2  # noqa: PLC0415  # as above

        headers = {"Last-Event-ID": str(after)} if after else {}
        timeout = httpx2.Timeout(_TIMEOUT_S, read=_LONGEST_SILENCE_S)
        stream = self._http.sse(f"/runs/{run_id}/events", headers=headers, timeout=timeout, max_event_size=_LARGEST_EVENT_BYTES)
        with self._reaching():
            async with stream as source:
                if source.response.is_error:
                    await source.response.aread()
                    _check(source.response)
                if source.response.status_code == 204:
                    return
                async for event in source:
                    if event.data:
                        if not event.id.isdecimal():
                            raise _not_an_orchestrator(source.response)
                        # A carriage return, which only a log from elsewhere has, was sent as the end of a line.
                        yield int(event.id), event.data.replace("\n", "\r").encode()

    async def start_sweep(self, body: bytes) -> dict[str, Any]:
        """Start a sweep; returns it as it is at once."""
        return await self._ask("sweep_id", "POST", "/sweeps", body)

    async def sweep(self, sweep_id: str) -> dict[str, Any]:
        """How far a sweep is."""
        return await self._ask("sweep_id", "GET", f"/sweeps/{sweep_id}")

    async def cancel_sweep(self, sweep_id: str) -> dict[str, Any]:
        """Cancel a sweep; returns it once it is over."""
        return await self._ask("sweep_id", "POST", f"/sweeps/{sweep_id}/cancel")

    async def resume_sweep(self, sweep_id: str) -> dict[str, Any]:
        """Go on with a sweep; returns it as it is at once."""
        return await self._ask("sweep_id", "POST", f"/sweeps/{sweep_id}/resume")

    async def sweep_ids(self) -> list[str]:
        """The ids of the newest sweeps, up to 500 of them."""
        page = await self._ask("sweeps", "GET", f"/sweeps?limit={_LARGEST_PAGE}")
        return [str(sweep["sweep_id"]) for sweep in page["sweeps"]]

    async def failed_points(self, sweep_id: str, most: int) -> list[dict[str, Any]]:
        """The first points of a sweep whose runs did not complete."""
        page = await self._ask("points", "GET", f"/sweeps/{sweep_id}/points?status=failed&limit={most}")
        return list(page["points"])

    async def modules(self) -> list[dict[str, Any]]:
        """The registered modules and their state."""
        return list((await self._ask("modules", "GET", "/modules"))["modules"])

    async def reload_modules(self) -> dict[str, Any]:
        """Have the service read modules.yaml again; returns what that changed."""
        return await self._ask("unchanged", "POST", "/modules/reload")

    async def _ask(
        self, expected: str, method: str, path: str, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """One exchange; the answer is an orchestrator's when it has the field `expected`."""
        response = await self._exchange(method, path, content, headers)
        body = _json_object(response)
        if expected not in body:
            raise _not_an_orchestrator(response)
        return body

    async def _exchange(
        self, method: str, path: str, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> "httpx2.Response":
        typed = {"Content-Type": "application/json"} if content is not None else {}
        with self._reaching():
            response = await self._http.request(method, path, content=content, headers=typed | (headers or {}))
        _check(response)
        return response

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        import httpx2  # noqa: PLC0415  # as above

        try:
            yield
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise CannotReachError(
                f"cannot reach the orchestrator at {self._http.base_url}: {reason}; start one with `ops serve` or set OPS_URL"
            ) from error


def _not_an_orchestrator(response: "httpx2.Response") -> CannotReachError:
    return CannotReachError(
        f"{response.request.url} answers {response.status_code}, but not as an orchestrator does; set OPS_URL"
    )


def _check(response: "httpx2.Response") -> None:
    """Raise RefusedError for a problem document."""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        problem = _json_object(response)
        if "title" in problem and "detail" in problem:
            slug = str(problem.get("type", "")).rpartition(":")[2]
            raise RefusedError(response.status_code, _sentence(problem), slug=slug, detail=str(problem["detail"]))


def _json_object(response: "httpx2.Response") -> dict[str, Any]:
    """The object in a response; an empty one when there is none."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _sentence(problem: dict[str, Any]) -> str:
    where = "".join(f"\n  {error['pointer'] or '(body)'}: {error['detail']}" for error in problem.get("errors", []))
    return f"{problem['title']}. {problem['detail']}{where}"
