"""Problems as RFC 9457 has them: one table from stable codes to statuses and titles, and one shape."""

import http
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from filemill_common.errors import FilemillError
from filemill_common.language import Problem
from filemill_gateway.core.invalid import InvalidRequestError

MEDIA_TYPE: Final = "application/problem+json"
_RETRY_AFTER: Final = 2
"""Seconds after which a client may find again what was away, or room."""

_log = structlog.get_logger(__name__)

STATUSES: Final[Mapping[str, int]] = {
    "bad_request": 400,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "unknown_signal": 404,
    "already_final": 409,
    "command_not_applicable": 409,
    "file_changed": 409,
    "idempotency_conflict": 409,
    "not_redrivable": 409,
    "not_retryable_status": 409,
    "step_of_workflow": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "range_not_satisfiable": 416,
    "file_unreadable": 422,
    "invalid_path": 422,
    "overloaded": 429,
    "internal": 500,
    "broker_unavailable": 503,
    "parking_lot_busy": 503,
    "store_unavailable": 503,
    "storage_full": 507,
}
"""Code to status; what is wrong with a request has many codes more, and is 422."""

_TITLES: Final[Mapping[str, str]] = {
    "already_final": "It has ended already",
    "command_not_applicable": "The command does not apply as the workflow stands",
    "broker_unavailable": "The message broker is away",
    "idempotency_conflict": "The Idempotency-Key stands for another request",
    "invalid_definition": "The workflow definition has problems",
    "invalid_input": "The input does not fit the workflow",
    "overloaded": "There is too much to do",
    "not_redrivable": "The message has nowhere to go",
    "not_retryable_status": "Only what failed or was cancelled can be retried",
    "parking_lot_busy": "Others look at the parking lot",
    "step_of_workflow": "It goes with a workflow that it is a step of",
    "store_unavailable": "The database is away",
    "unknown_signal": "The workflow does not wait for such a signal",
    "unknown_template": "There is no such template",
}


class ProblemDetails(BaseModel):
    """Why a request was not carried out.

    Attributes:
        type: A URI that stands for the code.
        code: Short and stable; programs decide by it.
        detail: A sentence for people.
        problems: Each thing that is wrong with the request, and where.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    problems: tuple[Problem, ...] = Field(default=())


class ProblemError(FilemillError):
    """A request ends here, with a problem.

    Attributes:
        headers: More headers of the answer.
    """

    def __init__(self, code: str, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        """Say which problem it is."""
        super().__init__(detail)
        self.code = code
        self.headers = headers or {}


def response(
    code: str,
    detail: str,
    *,
    status: int | None = None,
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Write a problem as a response."""
    status = status or STATUSES.get(code, 422)
    body = ProblemDetails(
        type=f"urn:filemill:problem:{code}",
        title=_TITLES.get(code) or http.HTTPStatus(status).phrase,
        status=status,
        detail=detail.encode(errors="backslashreplace").decode(),
        code=code,
        problems=tuple(problems),
    )
    wait = {"Retry-After": str(_RETRY_AFTER)} if status in {429, 503} else {}
    return Response(
        body.model_dump_json(exclude_none=True),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **wait, **(headers or {})},
    )


def install(app: FastAPI) -> None:
    """Let every error of ``app`` be a problem."""
    app.add_exception_handler(FilemillError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid_parameters)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(ClientDisconnect, _nobody_listens)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(_: Request, error: Exception) -> Response:
    match error:
        case InvalidRequestError():
            return response(error.code, str(error), problems=error.problems, status=422)
        case ProblemError():
            return response(error.code, str(error), headers=error.headers)
        case FilemillError() if error.code in STATUSES or error.retryable:
            if error.retryable:
                _log.warning("request refused", code=error.code, error=str(error))
            return response(error.code, str(error), status=STATUSES.get(error.code, 503))
        case _:
            _log.error("request failed", exc_info=error)
            return response("internal", "Something is wrong on our side; it was logged.")


async def _invalid_parameters(_: Request, error: Exception) -> Response:
    """Tell of wrong parameters; bodies are read by ourselves and never come here."""
    details: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else ()
    found = [Problem(pointer="", code="invalid_parameter", message=_of_parameter(each)) for each in details]
    first = found[0].message if found else "a parameter is wrong"
    return response("invalid_parameter", first, problems=found)


def _of_parameter(detail: Mapping[str, Any]) -> str:
    kind, *name = map(str, detail["loc"])
    return f"{kind} parameter {'.'.join(name)!r}: {detail['msg']}"


_HTTP_CODES: Final = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


async def _of_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == 405:
        headers = {"Allow": _allowed(request)}
    detail = {
        404: f"There is nothing at {request.url.path[:200]!r}; see /docs.",
        405: f"{request.method} does not work here; {headers.get('Allow')} does.",
    }.get(status, str(getattr(error, "detail", "")))
    return response(_HTTP_CODES.get(status, "bad_request"), detail, status=status, headers=headers)


def _allowed(request: Request) -> str:
    """Name the methods of a path; the router itself names only those of the first route that fits."""
    path = getattr(request.scope.get("route"), "path_format", "")
    operations = request.app.openapi()["paths"].get(path, {"get": {}})
    return ", ".join(sorted(method.upper() for method in operations))


async def _nobody_listens(_: Request, __: Exception) -> Response:
    """End a request whose client went away in the middle of its body; what came of it is dropped."""
    return Response(status_code=400)


async def _unexpected(_: Request, __: Exception) -> Response:
    return response("internal", "Something is wrong on our side; it was logged.")
