"""CloudFront's dialect on a stage, and what its XML says."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from dialectkit import Stage

from edgecache.caching.stored import StoredResponse
from edgecache.config import Vendor
from edgecache.control.dialects.call import Reply
from edgecache.control.dialects.cloudfront import CloudFront

PATH = "/2020-05-31/distribution/E1"
INVALIDATION = PATH + "/invalidation"
TENANT = "/2020-05-31/distribution-tenant/dt_1/invalidation"
NAMESPACE = "http://cloudfront.amazonaws.com/doc/2020-05-31/"


def stage(*stored: StoredResponse, ids: Sequence[Mapping[str, Any]] = (), credentials: Sequence[Mapping[str, Any]] = ()) -> Stage:
    return Stage(Vendor.CLOUDFRONT, CloudFront, *stored, ids=ids, credentials=credentials)


def batch(*paths: str, reference: str = "r1", quantity: int | None = None) -> str:
    items = "".join(f"<Path>{escape(path)}</Path>" for path in paths)
    return (
        f'<InvalidationBatch xmlns="{NAMESPACE}"><Paths><Quantity>{len(paths) if quantity is None else quantity}</Quantity>'
        f"{f'<Items>{items}</Items>' if paths else ''}</Paths><CallerReference>{reference}</CallerReference></InvalidationBatch>"
    )


def text(reply: Reply, *names: str) -> str | None:
    """The text of the element that these names lead to; None without one."""
    return ET.fromstring(reply.content).findtext("/".join(f"{{*}}{name}" for name in names))


def texts(reply: Reply, path: str) -> list[str | None]:
    return [one.text for one in ET.fromstring(reply.content).findall("/".join(f"{{*}}{name}" for name in path.split("/")))]


def code(reply: Reply) -> str | None:
    """The code of an error, which has its request id twice."""
    assert text(reply, "RequestId") == dict(reply.headers)["x-amzn-RequestId"]
    assert text(reply, "Error", "Type") == ("Receiver" if reply.status >= 500 else "Sender")
    assert text(reply, "Error", "Message")
    return text(reply, "Error", "Code")
