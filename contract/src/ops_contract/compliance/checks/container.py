"""The image: whether it listens on OPS_PORT, works in a hardened container, and stops on SIGTERM."""

from collections.abc import AsyncGenerator

from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, judged, met, untested
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.targets.errors import TargetError
from ops_contract.compliance.targets.image import other_port
from ops_contract.compliance.targets.image_under_test import DEFAULT_PORT, STOP_S, ImageUnderTest

_HARDENING = "as a non-root user, on a read-only root with only /tmp writable, without capabilities"


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Judge how the image started, start it on another port, and stop it, which has to come last."""
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
        return broken("OPS-CTR-001", expected, image.starts[0].outcome())
    port = other_port()
    other = await image.start(hardened=usual.hardened, port=port)
    expected = f"ready at 0.0.0.0:{port} {within} with OPS_PORT={port}"
    return judged("OPS-CTR-001", other.failure is None, expected, other.outcome())


async def _hardened(module: ModuleUnderTest, image: ImageUnderTest) -> Observation:
    if image.main.failure is not None:
        return untested("OPS-CTR-002", f"the image is not ready without hardening either: {image.main.failure}")
    if not image.main.hardened:
        first = next(start for start in image.starts if start.hardened)
        actual = f"ready only without these limits; with them, {first.outcome()}"
        return broken("OPS-CTR-002", f"ready {_HARDENING}", actual)
    seen = Seen(await module.execute(module.request()))
    if seen.is_done:
        return met("OPS-CTR-002", seen)
    return await _compared(module, image, seen)


async def _compared(module: ModuleUnderTest, image: ImageUnderTest, seen: Seen) -> Observation:
    """Find out whether a good request fails because of the hardening."""
    free = await image.start(hardened=False, port=image.main.port)
    if free.failure is None:
        other = ModuleUnderTest(Probe(free.url), module.inputs, module.health)
        answer = Seen(await other.execute(other.request()))
        if answer.is_done:
            actual = f"{seen.summary()}, and 200 without these limits{_log_of(image)}"
            return broken("OPS-CTR-002", f"200 to a valid request {_HARDENING}", actual, seen, answer)
    return untested("OPS-CTR-002", f"{seen.summary()} to a valid request, with and without hardening", seen)


async def _stop(image: ImageUnderTest) -> Observation:
    try:
        problem = await image.stop(image.main)
    except TargetError as error:
        return untested("OPS-CTR-003", f"{error}{_log_of(image)}")
    actual = "" if problem is None else f"{problem}{_log_of(image)}"
    return judged("OPS-CTR-003", problem is None, f"stopped within {STOP_S:g} s of SIGTERM", actual)


def _log_of(image: ImageUnderTest) -> str:
    lines = image.last_lines()
    return f"; its log ends with{lines}" if lines else ""
