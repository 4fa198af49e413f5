"""Hostile text in every field of a stored run that a reader lets pass, and in every address and form, on every page of runs."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from browsed_pages import FORM, HTML, QUICK, page, run
from forged_run import seal
from hostile_texts import HOSTILE_TEXTS
from html_page import Page
from pydantic import ValidationError
from scripted_module import EVIDENCE, ScriptedModule, StartService, artifact, error_envelope, success

from ops_orchestrator.runs.record import Results, RunRecord

MODELS: dict[str, type[RunRecord | Results]] = {"run.json": RunRecord, "results.json": Results}
# They say which run it is, and what the pages make of it.
FIXED = {"run_id", "status", "path", "media_type", "results", "logs", "modules", "artifacts", "manifest"}
HARMLESS = ("harmless", "a\tb", '"harmless"', "7", "x" * 61)
"""Texts after which pages and their errors look as differently as they can."""

LEADING_AWAY = ("javascript:", "vbscript:", "data:", "//", "http")
HARMFUL = {"img", "iframe", "object", "embed", "base", "style", "video"}
KEYED = ("inputs", "labels", "kpis", "units", "other", "versions", "steps", "results")
Path_ = tuple[str | int, ...]


def strings(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Where the texts of a document are."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in entries:
        if isinstance(child, str) and key not in FIXED:
            yield (*at, key)
        yield from strings(child, (*at, key))


def changed(value: Any, places: set[Path_], text: str, at: Path_ = ()) -> Any:
    """The document with `text` before the texts at `places`, and before the names in objects that may have any."""
    if isinstance(value, dict):
        is_keyed = bool(at) and at[-1] in KEYED
        entries = (
            (f"{text} {key}" if is_keyed else key, changed(child, places, text, (*at, key))) for key, child in value.items()
        )
        return dict(entries)
    if isinstance(value, list):
        return [changed(child, places, text, (*at, number)) for number, child in enumerate(value)]
    return f"{text} {value}" if at in places else value


def free_places(name: str, document: Mapping[str, Any], text: str) -> set[Path_]:
    """The places at which a reader of the document takes `text`."""
    found = set()
    for place in strings(document):
        try:
            MODELS[name].model_validate(changed_at(document, place, text))
        except ValidationError:
            continue
        found.add(place)
    return found


def changed_at(document: Mapping[str, Any], place: Path_, text: str) -> Any:
    copy = json.loads(json.dumps(document))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = f"{text} {inner[place[-1]]}"
    return copy


async def made(service: httpx2.AsyncClient, **scenario: Any) -> str:
    labels = {"team": "fiscal", "study": "7"}
    options = {"labels": labels, "seed": 7}
    return await run(service, modules=["alpha", "beta"], inputs={"country": "DR"}, run_options=options, **scenario)


def modules() -> tuple[ScriptedModule, ScriptedModule]:
    """One that answers with all that an answer may have, and one that fails."""
    outputs = {
        "kpis": {"growth": 0.02, "level": "high"},
        "units": {"growth": "share"},
        "labels": {"growth": "Growth"},
        "recommendation": "Do it.",
        "other": {"text": "words"},
    }
    evidence = [*EVIDENCE, {"id": "e", "kind": "data", "title": "T", "uri": "upstream:x", "supports": ["/other/text"]}]
    files = [artifact("a.txt"), artifact("brief.md", b"# Brief", "text/markdown")]
    good = success(outputs=outputs, evidence=evidence, artifacts=files, warnings=["a warning"])
    return ScriptedModule(answers=[good]), ScriptedModule("beta", answers=[httpx2.Response(422, json=error_envelope("beta"))])


@pytest.mark.slow
async def test_hostile_text_in_every_field_of_a_record_stays_text(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(*modules(), options=QUICK) as service:
        run_id, other = await made(service), await made(service)
        folder = tmp_path / "runs" / run_id
        whole = {name: json.loads((folder / name).read_bytes()) for name in MODELS}
        # As of a service that asks for keys, and by people whose keys have such names.
        whole["run.json"] |= {"started_by": "anna", "resumed_by": "bob", "cancelled_by": "carl"}
        step = "alpha"

        async def pages(text: str, places: Mapping[str, set[Path_]]) -> list[Page]:
            for name, document in whole.items():
                (folder / name).write_text(json.dumps(changed(document, places[name], text)))
            seal(folder)
            addresses = [
                "/",
                f"/runs/{run_id}",
                f"/runs/{run_id}/report.html",
                *(f"/runs/{run_id}/steps/{quote(f'{text} {each}', safe='')}" for each in (step, "beta")),
                f"/runs/new?run={run_id}",
                f"/compare?run={run_id}&run={other}",
            ]
            answers = [await service.get(address, headers=HTML) for address in addresses]
            # A slash in the name of a step is not one that an address can have.
            assert {answer.status_code for answer in answers} <= ({200, 404} if "/" in text or "\\" in text else {200})
            return [Page(answer.text) for answer in answers]

        known: dict[tuple[int, str], list[Page]] = {}
        for text in HOSTILE_TEXTS:
            places = {name: free_places(name, document, text) for name, document in whole.items()}
            assert (len(places["run.json"]) > 30, len(places["results.json"]) > 15) == (True, True)
            # As long, so that it is cut where the other is.
            like = (len(text), repr(sorted((name, sorted(map(repr, found))) for name, found in places.items())))
            known[like] = known.get(like) or await pages("x" * len(text), places)
            for hostile, plain in zip(await pages(text, places), known[like], strict=True):
                is_there = "has no step" not in hostile.text and "Not Found" not in hostile.text
                assert hostile.elements == plain.elements or not is_there
                assert not [each for each in hostile.addresses if each.lower().startswith(LEADING_AWAY)]


async def test_hostile_text_in_the_lines_of_a_log_stays_text(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(*modules(), options=QUICK) as service:
        run_id = await made(service)
        log = tmp_path / "runs" / run_id / "logs.jsonl"
        lines = [json.loads(line) for line in log.read_bytes().splitlines()]

        async def shown(text: str) -> Page:
            said = [{**line, "message": text, "level": text} if line.get("step") == "beta" else line for line in lines]
            log.write_text("".join(json.dumps(line) + "\n" for line in said))
            seal(log.parent)
            return await page(service, f"/runs/{run_id}/steps/beta")

        plain = (await shown("harmless")).elements
        for text in HOSTILE_TEXTS:
            assert (await shown(text)).elements == plain


async def test_hostile_text_in_a_header_that_an_adapter_made_stays_text(start_service: StartService) -> None:
    registered = """
        modules:
          beta:
            url: http://beta.test
            adapter: { actions: { score: { method: GET, path: /score, headers: { X-Note: inputs.note } } } }
    """
    beta = ScriptedModule("beta", files={"/score": httpx2.Response(200, json={"score": 1})})
    async with start_service(beta, registered=registered) as service:

        async def shown(note: str) -> Page:
            return await page(service, f"/runs/{await run(service, modules=['beta'], inputs={'note': note})}/steps/beta")

        plain = await shown("harmless")
        assert "X-Note: harmless" in plain.text
        for text in HOSTILE_TEXTS:
            # A header has no control characters, and no spaces at its ends.
            hostile = await shown("".join(filter(str.isprintable, text.encode("ascii", "replace").decode())).strip())
            assert hostile.elements == plain.elements


@pytest.mark.parametrize(
    ("method", "address", "content"),
    [
        ("GET", "/?scenario_id={}&label=a%3D{}", ""),
        ("GET", "/?status={}", ""),
        ("GET", "/?module={}&since={}", ""),
        ("GET", "/?{}=x", ""),
        ("GET", "/?cursor={}", ""),
        ("GET", "/nothing/{}", ""),
        ("GET", "/runs/{}", ""),
        ("GET", "/runs/new?example={}", ""),
        ("GET", "/runs/new?run={}", ""),
        ("GET", "/compare?run={}", ""),
        ("GET", "/modules/{}", ""),
        ("GET", "/sweeps/{}", ""),
        ("POST", "/runs", "scenario={}"),
        ("POST", "/runs", "example={}&seed={}"),
        ("POST", "/runs", "example=baseline&seed={}"),
        ("POST", "/runs", "run={}"),
        ("POST", "/runs/{}/cancel", ""),
        ("POST", "/sweeps", "sweep={}"),
    ],
)
async def test_hostile_text_in_an_address_or_a_form_stays_text(
    start_service: StartService, method: str, address: str, content: str
) -> None:
    async with start_service(ScriptedModule()) as service:
        await run(service)

        async def asked(text: str) -> Page:
            place = quote(text, safe="")
            answer = await service.request(
                method,
                address.replace("{}", place),
                headers=FORM if method == "POST" else HTML,
                content=content.replace("{}", place),
            )
            assert answer.headers["content-type"].startswith("text/html")
            return Page(answer.text)

        plain = {element for text in HARMLESS for element in (await asked(text)).elements}
        for text in HOSTILE_TEXTS:
            hostile = await asked(text)
            # An address with a slash is another one.
            assert set(hostile.elements) <= plain or ("/" in text and "Status 404" in hostile.text)
            assert {name for name, *_ in hostile.elements}.isdisjoint(HARMFUL)
            assert [names for name, *names in hostile.elements if name == "script"] == [["defer", "src"]]
