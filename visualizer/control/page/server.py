"""The page's server: three files, the stills and a web socket; nothing else is there to be asked for.

On the loopback whoever uses this machine may open it; on any other address only who knows the token, which
is part of every path and of the QR code. A request must name this server by its number, and come from its own
page if a page sent it: so no other site's can, and no name that somebody points here. Nothing that a phone
does, or no longer does, holds up another one, let alone the show.
"""

from __future__ import annotations

import asyncio
import hmac
import io
import ipaddress
import json
import logging
import secrets
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from visualizer.common.addresses import Address
from visualizer.common.errors import UserError
from visualizer.common.extras import wanted
from visualizer.control.desk import Desk
from visualizer.control.kinds import Unfit
from visualizer.control.page import telling
from visualizer.control.service import Service
from visualizer.control.table import BY_NAME

if TYPE_CHECKING:
    from aiohttp import web

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger("visualizer")
FILES = {
    "": ("page.html", "text/html"),
    "page.js": ("page.js", "text/javascript"),
    "page.css": ("page.css", "text/css"),
}
VERBS = ("set", "share", "step")
PHONES = 32
MESSAGE_BYTES = 1024
# Of one phone's orders and of one machine's requests: so many a second in the long run, and at once.
ORDERS, REQUESTS = (120.0, 240.0), (40.0, 200.0)
MACHINES = 256
TELL_S, FACTS_S, STUCK_S, POLL_S = 0.05, 0.2, 5.0, 0.1
STILL_SIDE = 160
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Allowance:
    """So many a second in the long run, and so many at once."""

    def __init__(self, rate: float, burst: float):
        self._rate, self._burst = rate, burst
        self._left, self._since = burst, time.monotonic()

    def spend(self) -> bool:
        """Whether one more may be."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._since) * self._rate)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Page(Service):
    """Serves the page.

    url: where. code: that as a QR code, rows of ones and zeros. phones: how many are there. refused: orders
    and requests that were not obeyed.
    """

    def __init__(self, desk: Desk, address: Address, fixed: bool = True):
        """fixed: whether the port must be just that one, and not any if it is taken.

        Raises UserError if it can't be had.
        """
        super().__init__("page")
        wanted("aiohttp", "aiohttp", "--remote")
        self._desk, self._way = desk, desk.way("page", aloud=True)
        self._listening = _listen(address, fixed)
        self.address = Address(address.host, self._listening.getsockname()[1])
        self._token = "" if address.loopback else secrets.token_urlsafe(16)
        self.url = f"http://{_reachable(self.address)}/{self._token}{'/' if self._token else ''}"
        self.code: list[bytearray] = wanted("segno", "segno", "--remote").make(self.url, error="m").matrix
        self.phones = self.refused = 0
        here = Path(__file__).parent
        self._files = {name: ((here / file).read_bytes(), kind) for name, (file, kind) in FILES.items()}
        self._requests: OrderedDict[str, Allowance] = OrderedDict()
        self._stills: dict[int, tuple[object, bytes]] = {}

    def serve(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        from aiohttp import web

        if self._listening.fileno() < 0:  # it failed, and is to be there again
            self._listening = _listen(self.address, fixed=True)

        @web.middleware
        async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._admit(request, handler)

        app = web.Application(middlewares=[admit], client_max_size=1)
        app.router.add_get("/{token:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.SockSite(runner, self._listening).start()
            while not self._stopped.is_set():
                await asyncio.sleep(POLL_S)
                self.spent = time.thread_time()
        finally:
            await runner.cleanup()

    # --- who may ask for what ---------------------------------------------------------------------

    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        from aiohttp import web

        if not self._within_limits(request.remote or ""):
            self.refused += 1
            raise web.HTTPTooManyRequests(headers=HEADERS)
        if not self._asked_for_by_number(request.host) or not _same_origin(request):
            self.refused += 1
            raise web.HTTPForbidden(headers=HEADERS)
        try:
            return await handler(request)
        except web.HTTPException as error:
            self.refused += 1
            error.headers.update(HEADERS)
            raise

    def _within_limits(self, machine: str) -> bool:
        allowance = self._requests.pop(machine, None) or Allowance(*REQUESTS)
        self._requests[machine] = allowance
        if len(self._requests) > MACHINES:
            self._requests.popitem(last=False)
        return allowance.spend()

    def _asked_for_by_number(self, host: str) -> bool:
        try:
            name, port = urlsplit(f"//{host}").hostname or "", urlsplit(f"//{host}").port
            return port == self.address.port and (name == "localhost" or bool(ipaddress.ip_address(name)))
        except ValueError:
            return False

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        token, slash, name = request.match_info["token"].rpartition("/")
        if not hmac.compare_digest(token.encode(), self._token.encode()) or bool(slash) != bool(self._token):
            raise web.HTTPNotFound
        if name in self._files:
            body, kind = self._files[name]
            return web.Response(body=body, content_type=kind, charset="utf-8", headers=HEADERS)
        if name == "live":
            return await self._converse(request)
        if name.startswith("still-") and name[6:].isdecimal() and len(name) < 12:
            return self._still(int(name[6:]))
        raise web.HTTPNotFound

    def _still(self, place: int) -> web.Response:
        from aiohttp import web
        from PIL import Image

        stills = self._desk.stills
        still = stills[place] if place < len(stills) else None
        if still is None:
            raise web.HTTPNotFound
        known = self._stills.get(place)
        if known is None or known[0] is not still:
            picture = Image.fromarray(still)
            picture.thumbnail((STILL_SIDE, STILL_SIDE))
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=80)
            known = self._stills[place] = still, file.getvalue()
        return web.Response(body=known[1], content_type="image/jpeg", headers=HEADERS)

    # --- a phone ----------------------------------------------------------------------------------

    async def _converse(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        if self.phones >= PHONES:
            raise web.HTTPServiceUnavailable
        phone = web.WebSocketResponse(heartbeat=10, max_msg_size=MESSAGE_BYTES, compress=False)
        await phone.prepare(request)
        self.phones += 1
        telling_it = asyncio.create_task(self._tell(request, phone))
        allowance = Allowance(*ORDERS)
        try:
            async for message in phone:
                if message.type is not web.WSMsgType.TEXT or not allowance.spend():
                    self.refused += 1
                    continue
                try:
                    self._obey(json.loads(message.data))
                except (Unfit, ValueError, TypeError, KeyError, RecursionError) as error:
                    log.debug("page: %s", error)
                    self.refused += 1
        finally:
            self.phones -= 1
            telling_it.cancel()
        return phone

    def _obey(self, order: dict[str, Any]) -> None:
        """Raises Unfit, and what comes of an order that is none."""
        name, verb = order["control"], order["verb"]
        if not isinstance(name, str) or verb not in VERBS or name not in BY_NAME or not BY_NAME[name].remote:
            raise Unfit(f"the page has no {name!r}")
        self._way.order(name, order.get("amount"), verb)

    async def _tell(self, request: web.Request, phone: web.WebSocketResponse) -> None:
        """Keep one phone in step; one that no longer listens is left alone."""
        desk, since = self._desk, 0.0
        told: dict[str, Any] = {}
        pictures: dict[str, Any] = telling.stills(desk)
        presets = desk.options.get("preset", ())
        telling.changes(desk, told)
        news = telling.everything(desk)
        try:
            while not phone.closed:
                if news:
                    await asyncio.wait_for(phone.send_str(json.dumps(news)), STUCK_S)
                await asyncio.sleep(TELL_S)
                news = telling.changes(desk, told)
                if presets != desk.options.get("preset", ()):
                    presets, news = desk.options["preset"], telling.everything(desk)
                if time.monotonic() - since >= FACTS_S:
                    since = time.monotonic()
                    news |= telling.facts(desk)
                    if telling.stills(desk) != pictures:
                        pictures = telling.stills(desk)
                        news |= pictures
        except (TimeoutError, ConnectionError, RuntimeError):
            if request.transport is not None:
                request.transport.abort()


def _same_origin(request: web.Request) -> bool:
    """Whether no page sent it, or this server's own did."""
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    return origin in (None, f"http://{request.host}") and site in ("none", "same-origin")


def _listen(address: Address, fixed: bool) -> socket.socket:
    family = socket.AF_INET6 if address.v6 else socket.AF_INET
    for port in (address.port,) if fixed else (address.port, 0):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((address.host, port))
            listening.listen(64)
        except OSError as error:
            listening.close()
            reason = error.strerror
        else:
            return listening
    raise UserError(f"--remote {address}: can't listen there ({reason}); choose another address or port.")


def _reachable(address: Address) -> Address:
    """An address that others can go to: where it listens on all, that which leads to other machines."""
    if not ipaddress.ip_address(address.host).is_unspecified:
        return address
    family, far = (socket.AF_INET6, "2001:db8::1") if address.v6 else (socket.AF_INET, "192.0.2.1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((far, 9))  # sends nothing, only chooses a way
            return Address(probe.getsockname()[0], address.port)
        except OSError:
            return Address("::1" if address.v6 else "127.0.0.1", address.port)
