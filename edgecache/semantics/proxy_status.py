"""What can go wrong on the way to an answer, as one closed list: the proxy error types of RFC 9209 2.3.

Each failure anywhere in the edge is mapped to one of these once, at the border where it happened. The member says which status the client
gets when nothing better can be served, and a sentence for people.
"""

from __future__ import annotations

import enum


class ProxyError(enum.Enum):
    """One way in which a request could not be answered from the origin or the store (RFC 9209 2.3)."""

    DNS_ERROR = ("dns_error", 502, "the origin's name could not be resolved")
    CONNECTION_REFUSED = ("connection_refused", 502, "nothing listens at the origin's address")
    CONNECTION_TIMEOUT = ("connection_timeout", 504, "the origin did not take the connection in time")
    CONNECTION_TERMINATED = ("connection_terminated", 502, "the origin closed the connection before it had answered")
    CONNECTION_LIMIT_REACHED = ("connection_limit_reached", 503, "every connection to the origin is in use")
    DESTINATION_UNAVAILABLE = ("destination_unavailable", 503, "the edge is shutting down")
    DESTINATION_IP_UNROUTABLE = ("destination_ip_unroutable", 502, "there is no route to the origin's address")
    CONNECTION_READ_TIMEOUT = ("connection_read_timeout", 504, "the origin fell silent inside its answer")
    CONNECTION_WRITE_TIMEOUT = ("connection_write_timeout", 504, "the origin stopped reading the request")
    TLS_PROTOCOL_ERROR = ("tls_protocol_error", 502, "TLS with the origin failed")
    TLS_CERTIFICATE_ERROR = ("tls_certificate_error", 502, "the origin's certificate is not trusted")
    HTTP_REQUEST_ERROR = ("http_request_error", 400, "the request is not acceptable")
    HTTP_REQUEST_DENIED = ("http_request_denied", 403, "the request is not allowed here")
    HTTP_RESPONSE_INCOMPLETE = ("http_response_incomplete", 502, "the origin's answer ended before it was complete")
    HTTP_RESPONSE_HEADER_SECTION_SIZE = ("http_response_header_section_size", 502, "the fields of the origin's answer are too large")
    HTTP_RESPONSE_TRANSFER_CODING = ("http_response_transfer_coding", 502, "the origin's answer is not framed correctly")
    HTTP_RESPONSE_TIMEOUT = ("http_response_timeout", 504, "the origin did not answer in time")
    HTTP_UPGRADE_FAILED = ("http_upgrade_failed", 502, "the origin switched protocols although nobody had asked it to")
    HTTP_PROTOCOL_ERROR = ("http_protocol_error", 502, "what the origin sent is not HTTP")
    PROXY_INTERNAL_ERROR = ("proxy_internal_error", 500, "a defect in edgecache; the terminal has the details")
    PROXY_LOOP_DETECTED = ("proxy_loop_detected", 508, "this request has been here before: the origin leads back to the edge")
    PROXY_INTERNAL_RESPONSE = ("proxy_internal_response", 504, "the edge answered by itself")

    def __init__(self, token: str, status: int, sentence: str) -> None:
        self.token = token
        self.status = status
        self.sentence = sentence
