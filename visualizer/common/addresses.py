"""Addresses on a network, as people write them."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from visualizer.common.errors import UserError

LOOPBACK = "127.0.0.1"


class Address(NamedTuple):
    """host: an IP address. port: 1..65535, or 0 for any that is free."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def v6(self) -> bool:
        """Whether it is one of IPv6."""
        return ipaddress.ip_address(self.host).version == 6

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.v6 else f"{self.host}:{self.port}"


def parse_address(text: str, option: str, port: int | None = None) -> Address:
    """PORT, ADDRESS or ADDRESS:PORT; without an address it is the loopback's. port: where none is written.

    option: by which it was said, for the message. Raises UserError.
    """
    host, colon, digits = text.rpartition(":")
    if not colon:
        host, digits = ("", text) if text.isdecimal() else (text, "")
    elif text.count(":") > 1 and not text.startswith("["):  # a bare address of IPv6
        host, digits = text, ""
    host = host.strip("[]") or LOOPBACK
    if host == "localhost":
        host = LOOPBACK
    try:
        number = int(digits) if digits or port is None else port
        if not 0 <= number <= 65535:
            raise ValueError
        return Address(str(ipaddress.ip_address(host)), number)
    except ValueError:
        raise UserError(
            f"{option} {text}: that is no address; write a port, like 9000, or an IP address with it, "
            f"like 192.168.1.20:9000."
        ) from None
