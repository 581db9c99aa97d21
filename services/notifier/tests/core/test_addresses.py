"""A notification goes to the open internet, or to what is named."""

from ipaddress import ip_address, ip_network

import pytest

from filemill_notifier.core.addresses import may_reach


class TestAnAddress:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
            "192.88.99.1", "224.0.0.1", "255.255.255.255", "::1", "::", "::7f00:1", "::ffff:127.0.0.1",
            "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "fc00::1", "fe80::1",
            "fec0::1", "ff02::1", "2001:db8::1", "2001::1",
        ],
    )  # fmt: skip
    def test_on_the_inside_is_refused(self, address: str) -> None:
        assert not may_reach(ip_address(address), [])

    @pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1"])
    def test_of_the_open_internet_may_be_reached(self, address: str) -> None:
        assert may_reach(ip_address(address), [])

    @pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3"])
    def test_that_is_named_may_be_reached(self, address: str) -> None:
        assert may_reach(ip_address(address), [ip_network("10.0.0.0/8")])
        assert not may_reach(ip_address("192.168.0.1"), [ip_network("10.0.0.0/8")])
