"""CloudFront's calls, and CloudWatch's: what is asked becomes a purge or an answer, in XML as AWS has it."""

from __future__ import annotations

import datetime
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from edgecache.config import Vendor, sites_of
from edgecache.control.dialects.call import Asked, Purge, Purged, Refusal, Reply
from edgecache.control.dialects.cloudfront import metrics
from edgecache.control.dialects.cloudfront.batch import items_of, read_batch
from edgecache.control.dialects.cloudfront.codes import CloudFrontRefusal, Code, in_its_words
from edgecache.control.dialects.cloudfront.distributions import Distribution, Distributions, distribution, summary
from edgecache.control.dialects.cloudfront.invalidations import Invalidation, Invalidations, Scope
from edgecache.control.dialects.cloudfront.sigv4 import check_signature
from edgecache.control.dialects.cloudfront.xml import CLOUDFRONT, Node, node, quantified, write_xml
from edgecache.control.dialects.dialect import DialectParts
from edgecache.control.dialects.operation import Operation
from edgecache.record import MINUTES

BASE = "/2020-05-31"
PAGE = 100  # how many a list has, unless fewer are asked for

DISTRIBUTION, TENANT = "distribution", "distribution-tenant"


@dataclass(frozen=True, slots=True)
class Place:
    """What an id in a path stands for."""

    scope: Scope
    site: str
    tag_field: str


class CloudFront:
    """The dialect of CloudFront."""

    vendor = Vendor.CLOUDFRONT
    prefixes: Sequence[str] = (BASE + "/",)

    def __init__(self, parts: DialectParts) -> None:
        self._parts = parts
        self._distributions = Distributions(parts.settings, parts.ids, parts.clock.now())
        self._invalidations = Invalidations(parts.pending)
        one, tenant = f"{BASE}/{DISTRIBUTION}/{{id}}", f"{BASE}/{TENANT}/{{id}}"
        self.operations: Sequence[Operation] = (
            Operation(
                "CreateInvalidation", ("POST",), one + "/invalidation", self._create, "Invalidate paths and tags, hard.", purges=True
            ),
            Operation(
                "GetInvalidation", ("GET",), one + "/invalidation/{invalidation}", self._get, "An earlier invalidation, and its status."
            ),
            Operation(
                "ListInvalidations", ("GET",), one + "/invalidation", self._list, "Earlier invalidations, newest first, page by page."
            ),
            Operation(
                "CreateInvalidationForDistributionTenant",
                ("POST",),
                tenant + "/invalidation",
                self._create,
                "The same for a distribution tenant.",
                purges=True,
            ),
            Operation(
                "GetInvalidationForDistributionTenant",
                ("GET",),
                tenant + "/invalidation/{invalidation}",
                self._get,
                "The same for a distribution tenant.",
            ),
            Operation(
                "ListInvalidationsForDistributionTenant",
                ("GET",),
                tenant + "/invalidation",
                self._list,
                "The same for a distribution tenant.",
            ),
            Operation(
                "ListDistributions",
                ("GET",),
                f"{BASE}/{DISTRIBUTION}",
                self._list_distributions,
                "The distributions in the settings, page by page.",
            ),
            Operation("GetDistribution", ("GET",), one, self._get_distribution, "A distribution with its configuration."),
            Operation(
                "GetDistributionConfig",
                ("GET",),
                one + "/config",
                self._get_config,
                "Its configuration, and the ETag that an update needs.",
            ),
            Operation("UpdateDistribution", ("PUT",), one + "/config", self._update, "Give it another configuration."),
            Operation("GetMetricStatistics", ("POST",), "/", self._metrics, "CloudWatch: what the edge counted, minute by minute."),
        )

    def authenticate(self, asked: Asked) -> None:
        """Is it signed by a configured key? Raises Refusal."""
        service = "monitoring" if asked.path == "/" else "cloudfront"
        check_signature(asked, self._parts.credentials, service, self._parts.clock.real_ns() / 1e9)

    def refused(self, refusal: Refusal, asked: Asked) -> Reply:
        """The refusal in AWS's words."""
        request_id = str(uuid.uuid4())
        if isinstance(refusal, metrics.WatchRefusal):
            why = refusal.code
            reply = metrics.error(asked, request_id, why.status, why.code, why.type, refusal.sentence)
        else:
            code, message = in_its_words(refusal)
            if refusal.sentence != message:
                asked.warnings.append(refusal.sentence)
            if asked.path == "/":
                reply = metrics.error(asked, request_id, code.status, code.token, code.token, message)
            else:
                document = metrics.error_document(code.type, code.token, message, request_id)
                reply = Reply(code.status, write_xml(document, CLOUDFRONT), "text/xml")
        reply.headers.append(("x-amzn-RequestId", request_id))
        if refusal.retry_after_s is not None:
            reply.headers.append(("Retry-After", str(math.ceil(refusal.retry_after_s))))
        if refusal.allowed:
            reply.headers.append(("Allow", ", ".join(refusal.allowed)))
        return reply

    def forget(self) -> None:
        """The edge was reset."""
        self._distributions.clear()
        self._invalidations.clear()

    # invalidations

    def _create(self, asked: Asked) -> Reply | Purge:
        place = self._place(asked)
        batch = read_batch(asked.content)
        items = items_of(batch, place.tag_field, asked.warnings)
        one = self._invalidations.begin(place.scope, batch, asked.now)
        if one.acknowledged:
            asked.warnings.append("the CallerReference was used before, for the same paths: nothing was invalidated again")
            return self._created(asked, one)
        one.calls += 1  # with the same reference as a call that is not acknowledged yet it is done twice, rather than perhaps not at all

        def done(purged: Purged) -> Reply:
            reply = self._created(asked, one, "InProgress")
            self._invalidations.done(one, purged.position, purged.delayed)
            return reply

        return Purge(items, done, site=place.site, failed=lambda: self._invalidations.failed(one))

    def _get(self, asked: Asked) -> Reply:
        return _xml(self._shown(self._invalidation(asked)), headers=_position(self._invalidation(asked)))

    def _list(self, asked: Asked) -> Reply:
        place = self._place(asked)
        found = self._invalidations.newest_first(place.scope)
        marker, most = _paging(asked)
        start = _after(marker, [one.id for one in found])
        page = found[start : start + most]
        items = [
            node("InvalidationSummary", [node("Id", one.id), node("CreateTime", _time(one.created)), node("Status", self._status(one))])
            for one in page
        ]
        return _xml(_listed("InvalidationList", marker, most, items, page[-1].id if start + most < len(found) else ""))

    def _created(self, asked: Asked, one: Invalidation, status: str = "") -> Reply:
        # Where the client asked, not the vendor's own host: it is this one that knows it.
        host = asked.headers.get("Host", "").encode("ascii", "replace").decode()
        location = f"{asked.scheme}://{host}{asked.path}/{one.id}"
        return _xml(self._shown(one, status), 201, [("Location", location), *_position(one)])

    def _invalidation(self, asked: Asked) -> Invalidation:
        place = self._place(asked)
        found = self._invalidations.get(place.scope, asked.parameters["invalidation"])
        if found is None:
            raise CloudFrontRefusal(Code.NO_SUCH_INVALIDATION)
        return found

    def _status(self, one: Invalidation) -> str:
        return "InProgress" if self._invalidations.is_in_progress(one) else "Completed"

    def _shown(self, one: Invalidation, status: str = "") -> Node:
        paths = quantified("Paths", [node("Path", path) for path in one.batch.paths])
        batch = node("InvalidationBatch", [paths, node("CallerReference", one.batch.reference)])
        head = [node("Id", one.id), node("Status", status or self._status(one)), node("CreateTime", _time(one.created))]
        return node("Invalidation", [*head, batch])

    # distributions

    def _list_distributions(self, asked: Asked) -> Reply:
        found = self._distributions.all()
        if not found:
            asked.warnings.append(
                "no [[vendor]] of cloudfront is in the settings: every id is taken, and means all sites; none can be listed"
            )
        marker, most = _paging(asked)
        start = _after(marker, [one.id for one in found])
        page = found[start : start + most]
        items = [summary(one, _time(one.modified)) for one in page]
        return _xml(_listed("DistributionList", marker, most, items, page[-1].id if start + most < len(found) else ""))

    def _get_distribution(self, asked: Asked) -> Reply:
        return self._distribution(self._found(asked))

    def _get_config(self, asked: Asked) -> Reply:
        one = self._found(asked)
        return _xml(one.config, headers=[("ETag", one.etag)])

    def _update(self, asked: Asked) -> Reply:
        current = self._found(asked)
        if_match = asked.headers.get("If-Match", "").strip()
        return self._distribution(self._distributions.update(current, if_match, asked.content, asked.now, asked.warnings))

    def _distribution(self, one: Distribution) -> Reply:
        in_progress = sum(1 for _ in self._invalidations.in_progress((DISTRIBUTION, one.id)))
        return _xml(distribution(one, in_progress, _time(one.modified)), headers=[("ETag", one.etag)])

    def _found(self, asked: Asked) -> Distribution:
        one = self._distributions.get(asked.parameters["id"])
        if one is None:
            raise CloudFrontRefusal(Code.NO_SUCH_DISTRIBUTION)
        return one

    def _place(self, asked: Asked) -> Place:
        """What the id in the path stands for. Raises CloudFrontRefusal."""
        id = asked.parameters["id"]
        if not asked.path.startswith(f"{BASE}/{TENANT}/"):
            one = self._found(asked)
            return Place((DISTRIBUTION, id), one.site, one.tag_field)
        row = self._parts.ids.get(id)
        if row is None:
            raise CloudFrontRefusal(Code.ENTITY_NOT_FOUND)
        return Place((TENANT, id), row.site, "")

    # figures

    def _metrics(self, asked: Asked) -> Reply:
        question = metrics.read_question(asked)
        warn = asked.warnings.append
        metric = metrics.METRICS.get(question.metric)
        id = question.dimensions.get("DistributionId")
        row = self._parts.ids.get(id) if id else None
        points: Sequence[metrics.Point] = ()
        if question.namespace != metrics.NAMESPACE or metric is None:
            warn(f"edgecache has figures in the namespace {metrics.NAMESPACE} only: {', '.join(metrics.METRICS)}")
        elif row is None:
            warn("there is no such distribution" if id else "the dimension DistributionId is missing, and without it there are no figures")
        else:
            if question.dimensions.get("Region") != "Global":
                warn("CloudFront's figures have the dimension Region=Global too; CloudWatch finds nothing without it")
            if row.site and len(sites_of(self._parts.settings)) > 1:
                warn("these are the figures of all sites: they are not counted apart")
            if question.start < asked.now - 60 * MINUTES:
                warn(f"figures are kept for {MINUTES} minutes in which there were requests, from the start of the edge on")
            points = metrics.points_of(question, metric, list(self._parts.records.minutes(question.start, question.end)))
        request_id = str(uuid.uuid4())
        reply = metrics.answer(asked, request_id, question.metric, metric.unit if metric else "None", points)
        reply.headers.append(("x-amzn-RequestId", request_id))
        return reply


def _xml(root: Node, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    return Reply(status, write_xml(root, CLOUDFRONT), "text/xml", [("x-amzn-RequestId", str(uuid.uuid4())), *headers])


def _position(one: Invalidation) -> list[tuple[str, str]]:
    """Where it is in the log, for answers that the desk does not know to be about an invalidation."""
    return [("Edgecache-Position", str(one.position))] if one.acknowledged and one.position is not None else []


def _time(seconds: float) -> str:
    at = datetime.datetime.fromtimestamp(int(seconds * 1000) / 1000, datetime.UTC)
    return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


# -- Lists ----------------------------------------------------------------------------------------------------------------------------


def _paging(asked: Asked) -> tuple[str, int]:
    """Marker and MaxItems of the query. Raises CloudFrontRefusal."""
    query: Mapping[str, str] = dict(parse_qsl(asked.query, keep_blank_values=True))
    most = query.get("MaxItems") or str(PAGE)
    if not re.fullmatch("[0-9]{1,9}", most, re.ASCII) or int(most) < 1:
        said = f"MaxItems is {most[:40]!r}; it is a number from 1 on"
        raise CloudFrontRefusal(Code.INVALID_ARGUMENT, said, message=said)
    return query.get("Marker", ""), min(int(most), PAGE)


def _after(marker: str, ids: Sequence[str]) -> int:
    """Where the page begins that follows this id. Raises CloudFrontRefusal."""
    if not marker:
        return 0
    if marker not in ids:
        said = f"Marker is {marker[:40]!r}; it is the NextMarker of the page before"
        raise CloudFrontRefusal(Code.INVALID_ARGUMENT, said, message=said)
    return ids.index(marker) + 1


def _listed(name: str, marker: str, most: int, items: Sequence[Node], next_marker: str) -> Node:
    head = [node("Marker", marker)]
    if next_marker:
        head.append(node("NextMarker", next_marker))
    return quantified(name, items, *head, node("MaxItems", most), node("IsTruncated", bool(next_marker)))
