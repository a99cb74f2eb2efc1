from ipaddress import ip_address, ip_network

import pytest

from serving.webhook_addresses import ForbiddenAddressError, find_address, is_public, resolve


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.100.100.200", "168.63.129.16", "224.0.0.1", "255.255.255.255",
        "240.0.0.1", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fc00::1",
        "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_what_is_near_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(ForbiddenAddressError):
        find_address("name", 443, (), lambda *_: [address])


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"])
def test_the_rest_is(address: str) -> None:
    assert is_public(ip_address(address))
    assert find_address("name", 443, (), lambda *_: [address]) == address


def test_one_address_that_may_not_be_reached_is_enough_to_refuse() -> None:
    with pytest.raises(ForbiddenAddressError, match=r"name leads to 10\.0\.0\.1"):
        find_address("name", 443, (), lambda *_: ["8.8.8.8", "10.0.0.1"])


def test_a_network_may_be_allowed() -> None:
    allowed = [ip_network("10.1.0.0/16")]
    assert find_address("name", 443, allowed, lambda *_: ["10.1.2.3"]) == "10.1.2.3"
    assert find_address("name", 443, allowed, lambda *_: ["::ffff:10.1.2.3"])
    with pytest.raises(ForbiddenAddressError):
        find_address("name", 443, allowed, lambda *_: ["10.2.2.3"])


def test_a_zone_is_no_way_around() -> None:
    with pytest.raises(ForbiddenAddressError):
        find_address("name", 443, (), lambda *_: ["fe80::1%eth0"])


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost"])
def test_other_spellings_of_this_machine_are_refused_as_the_system_reads_them(host: str) -> None:
    with pytest.raises((ForbiddenAddressError, OSError)):
        find_address(host, 443, (), resolve)


def test_a_host_without_addresses_is_unknown() -> None:
    with pytest.raises(OSError, match="no address"):
        find_address("name", 443, (), lambda *_: [])
