"""Where an event may be sent: to public addresses, and to those an operator allowed.

A name is resolved once, every address it has is checked, and the connection goes to one of these
and to no other: a name that means something else a moment later (DNS rebinding) changes nothing.
"""

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from data.errors import DeliveryError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
"""From host and port to addresses, as text."""

FORBIDDEN: tuple[Network, ...] = (
    # Public by their number, and answered by the cloud that the service runs in: Azure's agent.
    ip_network("168.63.129.16/32"),
    # Translate to IPv4, where the number that counts may be private: NAT64 (RFC 6052, RFC 8215),
    # 6to4 (RFC 3056), Teredo (RFC 4380).
    ip_network("64:ff9b::/96"),
    ip_network("64:ff9b:1::/48"),
    ip_network("2002::/16"),
    ip_network("2001::/32"),
)


class ForbiddenAddressError(DeliveryError):
    """The name leads to an address that may not be reached: allow its network, or mend the URL."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system knows them; OSError if it knows none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could be meant, and nobody nearer."""
    inner = getattr(address, "ipv4_mapped", None)
    if inner is not None:
        return is_public(inner)
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in FORBIDDEN)
    )


def find_address(
    host: str, port: int, allowed: Sequence[Network] = (), resolve: Resolve = resolve
) -> str:
    """The one address to connect to.

    Parameters
    ----------
    allowed : networks that may be reached although they are not public

    Raises
    ------
    ForbiddenAddressError
        If any address of the host may not be reached.
    OSError
        If the host is not known.
    """
    found = [ip_address(text.partition("%")[0]) for text in resolve(host, port)]
    if not found:
        raise OSError("the host has no address")
    for address in found:
        inner = getattr(address, "ipv4_mapped", None) or address
        if not is_public(address) and not any(inner in network for network in allowed):
            raise ForbiddenAddressError(f"{host} leads to {address}, which is not allowed")
    return str(found[0])
