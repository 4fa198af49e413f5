"""What stands around the routes: each request passes these layers, and each may answer it in their place."""

from collections.abc import Iterator
from functools import partial

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from ops_orchestrator.service.access.gate import Gate
from ops_orchestrator.service.allowed_hosts import AllowedHosts, AllowedHostsOnly
from ops_orchestrator.service.among_siblings import AmongSiblings, ToldBySiblings
from ops_orchestrator.service.cross_origin import CrossOrigin
from ops_orchestrator.service.head import HeadAsGet
from ops_orchestrator.service.hot_route import Answer, HotRoute
from ops_orchestrator.service.metrics.scrape import PATH as METRICS_PATH
from ops_orchestrator.service.own_pages import OwnPagesOnly
from ops_orchestrator.service.pages.negotiation import PagesFirst
from ops_orchestrator.service.parts import Parts
from ops_orchestrator.service.read_only import ReadOnly
from ops_orchestrator.service.reloading import RELOAD
from ops_orchestrator.service.routes.plan_and_execute import PATH
from ops_orchestrator.settings import Settings, listed


def layers(parts: Parts, settings: Settings, start_run: Answer) -> Iterator[Middleware]:
    """The layers that these settings ask for, outermost first; `start_run` answers on the shortest way."""
    origins = listed(settings.cors_origins)
    if parts.worker is not None:
        # They trust each other by their socket, not by name or key.
        yield Middleware(ToldBySiblings, told={RELOAD: parts.reloading.take})
    yield Middleware(AllowedHostsOnly, hosts=AllowedHosts.of(settings))
    if origins:
        # A browser asks for leave without a key.
        yield Middleware(CrossOrigin, origins=origins)
    if parts.access is not None:
        yield Middleware(Gate, access=parts.access)
    if parts.worker is not None:
        # Below the gate, so that what siblings pass on is asked for its key again.
        yield Middleware(AmongSiblings, siblings=parts.siblings, of_workers=frozenset({METRICS_PATH}))
    yield Middleware(PagesFirst, site=partial(_pages, parts))
    yield Middleware(OwnPagesOnly, origins=origins)
    if settings.read_only:
        yield Middleware(ReadOnly, allowed=(RELOAD,))
    yield Middleware(HotRoute, path=PATH, answer=start_run)
    yield Middleware(HeadAsGet)


def _pages(parts: Parts, api: ASGIApp) -> ASGIApp:
    """The pages, which take a tenth of a second and 20 MiB to load."""
    from ops_orchestrator.service.pages.site import PageParts, site  # noqa: PLC0415  # see above

    read = PageParts(parts.store, parts.sweep_store, parts.viewer, parts.reloading.file, parts.access, parts.read_only)
    return site(read, api)
