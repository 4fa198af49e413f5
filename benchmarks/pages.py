"""What the pages cost the service: a page and a report in a store of many runs, and fifty browsers that watch one live run.

Figures are processor time of the service, which a busy machine changes less than time on the clock; targets are 50 ms a page,
150 ms a report, and 5 % of a processor for the watchers. `make bench` runs a short form, `make performance` writes the
result into docs/performance.md. Watchers do what `assets/ops.js` does: they follow the events, and on one fetch the page, at
most twice a second.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
from conditions import commit
from performance_page import pages_text, write_page
from process_tree import cpu_s
from programs import free_port, started
from results import Pages, read_results, write_results
from store_scale import make_folders

ROOT: Final = Path(__file__).parents[1]
HTML: Final = {"Accept": "text/html"}
WATCHERS: Final = 50
LIVE_STEPS: Final = 10
STEP_S: Final = 2
BETWEEN_FETCHES_S: Final = 0.5
_AGAIN_S: Final = 0.05


@contextmanager
def service(folder: Path, runs: Path) -> Iterator[tuple[int, str]]:
    """A service on the store `runs` with all stubs as its modules: its process and its address."""
    stubs, port = f"http://127.0.0.1:{free_port()}", free_port()
    addresses = {
        f"{name.upper().replace('-', '_')}_URL": f"{stubs}/{name}"
        for name in json.loads((ROOT / "examples/all-modules.json").read_bytes())["modules"]
    }
    variables = {"OPS_RUNS_DIR": str(runs), "OPS_MODULES_FILE": str(ROOT / "modules.yaml"), **addresses}
    stub_words = [sys.executable, "-m", "ops_stubs", "serve", "--port", stubs.rpartition(":")[2]]
    words = [sys.executable, "-m", "ops_orchestrator", "serve", "--port", str(port)]
    with ExitStack() as stack:
        stack.enter_context(started(stub_words, {}, folder / "stubs.log"))
        process = stack.enter_context(started(words, variables, folder / "service.log"))
        url = f"http://127.0.0.1:{port}"
        until_answered(f"{url}/health")
        yield process.pid, url


def until_answered(address: str) -> None:
    """Return when the service answers."""
    while True:
        try:
            httpx2.get(address)
        except httpx2.TransportError:
            time.sleep(_AGAIN_S)
        else:
            return


def cpu_ms(pid: int, address: str, rounds: int) -> float:
    """The processor time of one GET of a page, in ms."""
    with httpx2.Client(headers=HTML, timeout=None) as client:  # a busy machine may take its time
        client.get(address).raise_for_status()
        before = cpu_s(pid)
        for _ in range(rounds):
            client.get(address).raise_for_status()
        return 1000 * (cpu_s(pid) - before) / rounds


def scenario(name: str) -> dict[str, Any]:
    """An example of the repository."""
    asked: dict[str, Any] = json.loads((ROOT / f"examples/{name}.json").read_bytes())
    return asked


async def watch(client: httpx2.AsyncClient, address: str) -> None:
    """Follow a live run to its end."""
    changed, is_over = asyncio.Event(), False

    async def refresh() -> None:
        while not is_over:
            await changed.wait()
            await asyncio.sleep(BETWEEN_FETCHES_S / 2)
            changed.clear()
            await client.get(address, headers=HTML)
            await asyncio.sleep(BETWEEN_FETCHES_S / 2)

    refreshing = asyncio.create_task(refresh())
    async with client.stream("GET", f"{address}/events", headers={"Accept": "text/event-stream"}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data:"):
                changed.set()
                is_over = '"run.ended"' in line
            if is_over:
                break
    refreshing.cancel()
    await asyncio.gather(refreshing, return_exceptions=True)


async def live_cpu_share(pid: int, url: str, watchers: int) -> float:
    """How much of a processor the service takes during a live run that so many watch."""
    steps = [{"module": "data-layer", "id": f"step-{n}", "inputs": {"__stub_delay_s": STEP_S}} for n in range(LIVE_STEPS)]
    asked = {"scenario_id": "watched", "modules": steps, "inputs": scenario("all-modules")["inputs"]}
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=url, timeout=None, limits=limits) as client:  # see above
        before, began = cpu_s(pid), time.perf_counter()
        answer = await client.post("/plan_and_execute", json=asked, headers={"Prefer": "respond-async"})
        address = f"/runs/{answer.json()['run_id']}"
        # One follows its events in any case, without the page, so that the end is known.
        await asyncio.gather(client.get(f"{address}/events"), *(watch(client, address) for _ in range(watchers)))
        return (cpu_s(pid) - before) / (time.perf_counter() - began)


def measure(folder: Path, runs: Path, count: int, rounds: int) -> Pages:
    """Measure everything."""
    with service(folder, runs) as (pid, url):
        answer = httpx2.post(f"{url}/plan_and_execute", json=scenario("all-modules"), timeout=None)  # see above
        run = f"{url}/runs/{answer.json()['run_id']}"
        pages = {
            "runs": url,
            "runs, filtered": f"{url}/?status=failed",
            "run": run,
            "step": f"{run}/steps/strategy-agent",
            "new run": f"{url}/runs/new",
        }
        measured = {name: cpu_ms(pid, address, rounds) for name, address in pages.items()}
        report_ms = cpu_ms(pid, f"{run}/report.html", rounds)
        alone, watched = (asyncio.run(live_cpu_share(pid, url, watchers)) for watchers in (0, WATCHERS))
    return Pages(
        commit=commit(),
        runs=count,
        pages_ms=measured,
        report_ms=report_ms,
        watchers=WATCHERS,
        watchers_share=watched - alone,
    )


def main() -> None:
    """Make the folders where they are missing, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000, help="how many runs the store has")
    parser.add_argument("--rounds", type=int, default=50, help="how often each page is fetched")
    parser.add_argument("--short", action="store_true", help="2,000 runs, each page 20 times")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "ops-store-scale", help="where the runs are kept"
    )
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    arguments = parser.parse_args()
    count, rounds = (2_000, 20) if arguments.short else (arguments.runs, arguments.rounds)
    runs = arguments.folder / f"runs-{count}"
    make_folders(runs, count)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        measured = measure(Path(folder), runs, count, rounds)
    results = read_results().model_copy(update={"pages": measured})
    print(pages_text(results))
    if arguments.write:
        write_results(results)
        write_page(results)


if __name__ == "__main__":
    main()
