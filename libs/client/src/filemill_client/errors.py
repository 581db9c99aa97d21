"""What can go wrong between this client and a gateway."""

from typing import Any, Final, cast

import httpx

from filemill_client.shapes import Json, Problem

_MOST_TEXT: Final = 200
"""Characters shown of an answer that is no problem document."""


class ClientError(Exception):
    """Something that was asked for did not happen.

    Attributes:
        code: Short and stable; programs decide by it.
    """

    code = "client_error"

    def document(self) -> Json:
        """Give it as a problem document (RFC 9457)."""
        return {
            "type": f"urn:filemill:problem:{self.code}",
            "title": type(self).__name__.removesuffix("Error"),
            "detail": str(self),
            "code": self.code,
            "problems": [],
        }


class InvalidArgumentError(ClientError):
    """What was asked for cannot be asked for; nothing was sent."""

    code = "invalid_argument"


class UnreachableError(ClientError):
    """The gateway does not answer, or says that it cannot now, however often it is tried."""

    code = "unreachable"


class DamagedFileError(ClientError):
    """A file is not what it should be once it has been transferred."""

    code = "damaged_file"


class RefusedError(ClientError):
    """The gateway answered, and the answer is no.

    Attributes:
        status: The HTTP status.
        problems: Each thing that is wrong with the request.
    """

    def __init__(self, status: int, document: Json) -> None:
        """Keep the problem document as it came."""
        super().__init__(str(document.get("detail") or document.get("title") or f"HTTP status {status}"))
        self.status = status
        self.code = str(document.get("code") or f"http_{status}")
        self.problems = cast("list[Problem]", document.get("problems") or [])
        self._document = document

    def document(self) -> Json:
        """Give the problem document as it came."""
        return self._document


class NotFoundError(RefusedError):
    """There is nothing with that id or path."""


def refusal(response: httpx.Response) -> RefusedError:
    """Make an error of an answer whose body has been read.

    An answer that is no problem document comes from something between here and the gateway; it is
    shown as far as it goes.
    """
    status = response.status_code
    found = _json(response)
    if not isinstance(found, dict) or "code" not in found:
        text = " ".join(response.text.split())[:_MOST_TEXT]
        said = f": {text}" if text else ""
        detail = f"{response.request.url} answered {status} {response.reason_phrase}{said}"
        found = {
            "type": "about:blank",
            "title": response.reason_phrase,
            "status": status,
            "detail": detail,
            "code": f"http_{status}",
            "problems": [],
        }
    return (NotFoundError if status == 404 else RefusedError)(status, found)


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
