"""Redirects: which answers are one, and which request follows from it."""

from load.client.encoding import Encoder, Prepared
from load.client.errors import RedirectRefused
from load.client.headers import Headers

STATUSES = frozenset({301, 302, 303, 307, 308})


def next_request(encoder: Encoder, request: Prepared, status: int, head: bytes) -> Prepared | None:
    """The request that a redirect asks for; None if it names no place, and is an answer like any other.

    As browsers do: 303 is followed by a GET, and so is 301 or 302 after a POST; others keep method and body.

    Raises:
        RedirectRefused: it leads to where no request of this user may go.
    """
    location = Headers(head).get("location", "")
    if not location:
        return None
    to_get = (status == 303 and request.method != "HEAD") or (status in {301, 302} and request.method == "POST")
    url = location.encode("latin-1").decode("utf-8", "replace").partition("#")[0]
    try:
        return encoder.redirected(request, "GET" if to_get else request.method, url, keep_body=not to_get)
    except ValueError as error:
        raise RedirectRefused(f"redirect that cannot be followed: {error}") from error
