"""The image: does it listen where it is told to, live in a hardened container, and stop when it is asked to?"""

from collections.abc import AsyncGenerator

from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, judged, met, untested
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.targets.errors import TargetError
from ops_contract.compliance.targets.image import other_port
from ops_contract.compliance.targets.image_under_test import DEFAULT_PORT, STOP_S, ImageUnderTest

_HARDENING = "as a non-root user, on a read-only root with only /tmp writable, without capabilities"


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Look at how the image was started, start it on another port, and stop it, which has to come last."""
    if module.container is None:
        return
    yield await _port(module.container)
    yield await _hardened(module, module.container)
    yield await _stop(module.container)


async def _port(image: ImageUnderTest) -> Observation:
    within = f"within {image.settings.ready_s:g} s"
    usual = next((start for start in image.starts if start.port is None and start.failure is None), None)
    if usual is None:
        expected = f"ready at 0.0.0.0:{DEFAULT_PORT} {within} when OPS_PORT is not set"
        return broken("OPS-CTR-001", expected, image.starts[0].told())
    port = other_port()
    other = await image.start(hardened=usual.hardened, port=port)
    return judged("OPS-CTR-001", other.failure is None, f"ready at 0.0.0.0:{port} {within} with OPS_PORT={port}", other.told())


async def _hardened(module: ModuleUnderTest, image: ImageUnderTest) -> Observation:
    if image.main.failure is not None:
        return untested("OPS-CTR-002", f"it does not get ready without hardening either: {image.main.failure}")
    if not image.main.hardened:
        first = next(start for start in image.starts if start.hardened)
        said = f"ready without these limits only; with them, {first.told()}"
        return broken("OPS-CTR-002", f"ready {_HARDENING}", said)
    seen = Seen(await module.execute(module.request()))
    if seen.is_done:
        return met("OPS-CTR-002", seen)
    return await _compared(module, image, seen)


async def _compared(module: ModuleUnderTest, image: ImageUnderTest, seen: Seen) -> Observation:
    """Is it the hardening that makes a good request fail?"""
    free = await image.start(hardened=False, port=image.main.port)
    if free.failure is None:
        other = ModuleUnderTest(Probe(free.url), module.inputs, module.told)
        answer = Seen(await other.execute(other.request()))
        if answer.is_done:
            said = f"{seen.told()}, and 200 without these limits{_log_of(image)}"
            return broken("OPS-CTR-002", f"200 to a valid request {_HARDENING}", said, seen, answer)
    return untested("OPS-CTR-002", f"{seen.told()} to a valid request, and no 200 without hardening either", seen)


async def _stop(image: ImageUnderTest) -> Observation:
    try:
        problem = await image.stop(image.main)
    except TargetError as error:
        return untested("OPS-CTR-003", f"{error}{_log_of(image)}")
    said = "" if problem is None else f"{problem}{_log_of(image)}"
    return judged("OPS-CTR-003", problem is None, f"stopped within {STOP_S:g} s of SIGTERM", said)


def _log_of(image: ImageUnderTest) -> str:
    lines = image.last_lines()
    return f"; its log ends with{lines}" if lines else ""
