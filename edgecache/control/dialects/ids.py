"""A vendor's ids (zones, services, distributions, CP codes, companies), and which site each stands for."""

from __future__ import annotations

from collections.abc import Sequence

from edgecache.config import Vendor, VendorSettings


class Ids:
    """The ids of one vendor. While none is configured every id is taken and means all sites; once one is, there are no others."""

    def __init__(self, vendor: Vendor, rows: Sequence[VendorSettings]) -> None:
        self.vendor = vendor
        self.known = tuple(row for row in rows if row.vendor == vendor)
        self._by_id = {row.id: row for row in self.known}

    def get(self, id: str) -> VendorSettings | None:
        """What this id stands for; None when there is no such id."""
        if not self.known:
            return VendorSettings(vendor=self.vendor, id=id)
        return self._by_id.get(id)
