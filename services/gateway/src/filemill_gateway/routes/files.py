"""Files over HTTP: they come and go in pieces, never whole in memory."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.types import Message

from filemill_common.events import StoredFile, TaskView
from filemill_common.ids import new_id
from filemill_common.storage import normalise, uri
from filemill_gateway.core.invalid import InvalidRequestError, problem
from filemill_gateway.core.paths import user_path
from filemill_gateway.core.ranges import (
    NotModified,
    Part,
    Unsatisfiable,
    disposition,
    etag,
    repr_digest,
    wanted,
)
from filemill_gateway.dependencies import TENANT, Dependencies, Needs
from filemill_gateway.metadata import metadata_of
from filemill_gateway.openapi import FILE_ANSWERS, FILE_BODY, FORM_BODY
from filemill_gateway.problems import ProblemError
from filemill_gateway.requests import bounded, idempotency_key, media_type_of, refuse_declared

router = APIRouter(prefix="/v1/files", tags=["files"])

_CHUNK: Final = 1 << 20
_FORM_OVERHEAD: Final = 1 << 16
"""Bytes that a form may have beside its file."""


class Uploaded(BaseModel):
    """A file that was stored.

    Attributes:
        uri: Means the same as the path.
        digest: ``sha256:`` and 64 hexadecimal digits.
        content_type: As sniffed from its first bytes, never as claimed.
    """

    path: str
    uri: str
    size: int
    digest: str
    content_type: str


class Metadata(BaseModel, extra="allow"):
    """What is known about a file; media have ``duration`` (s), ``width``, ``height``, ``streams`` too."""

    path: str
    digest: str
    size: int
    content_type: str
    family: str | None = None


@router.put("/{path:path}", status_code=201, openapi_extra=FILE_BODY)
async def upload_file(path: str, request: Request, response: Response, needs: Needs) -> Uploaded:
    """Store the body as a file; what had the path before is replaced for all who ask from now on."""
    relative = user_path(path)
    refuse_declared(request, needs.limits.upload)
    return await _store(relative, bounded(request.stream(), needs.limits.upload), response, needs)


@router.post("", status_code=201, openapi_extra=FORM_BODY)
async def upload_form(request: Request, response: Response, needs: Needs) -> Uploaded:
    """Store the file of a form under the form's `path`.

    The same upload again gives the same file, with or without an `Idempotency-Key`.
    """
    idempotency_key(request)
    if media_type_of(request) != "multipart/form-data":
        raise ProblemError("unsupported_media_type", "send multipart/form-data, or PUT the bare file")
    limit = needs.limits.upload + _FORM_OVERHEAD
    refuse_declared(request, limit)
    counted = Request(request.scope, _counted(request, limit))
    async with counted.form(max_files=1, max_fields=8, max_part_size=8192) as form:
        path = form.get("path")
        files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
        if not isinstance(path, str) or not files:
            missing = "file" if isinstance(path, str) else "path"
            raise InvalidRequestError([problem("missing_field", f"the form has no {missing!r}", missing)])
        return await _store(user_path(path), _pieces(files[0]), response, needs)


@router.get("/{path:path}/metadata", response_model=Metadata, responses={202: {"model": TaskView}})
async def show_metadata(path: str, needs: Needs) -> Response:
    """Show what is known about a file; if that takes long, 202 with the task that finds it out."""
    relative = normalise(path)
    found = await metadata_of(await _file(relative, needs), relative, needs)
    if isinstance(found, TaskView):
        headers = {"Location": f"/v1/tasks/{found.id}", "Retry-After": "2"}
        return JSONResponse(found.model_dump(mode="json"), status_code=202, headers=headers)
    return JSONResponse(found)


@router.head("/{path:path}", include_in_schema=False)
@router.get("/{path:path}", response_class=StreamingResponse, responses=FILE_ANSWERS)
async def download_file(
    path: str,
    request: Request,
    needs: Needs,
    *,
    byte_range: Annotated[str | None, Header(alias="Range")] = None,
    if_range: Annotated[str | None, Header()] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Send a file, or one range of it."""
    relative = normalise(path)
    file = await _file(relative, needs)
    choice = wanted(file, byte_range=byte_range, if_range=if_range, if_none_match=if_none_match)
    headers = {
        "ETag": etag(file),
        "Repr-Digest": repr_digest(file),
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",
        "Content-Disposition": disposition(relative),
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    start, end, status = 0, file.size, 200
    match choice:
        case NotModified():
            return Response(status_code=304, headers=headers)
        case Unsatisfiable():
            unit = {"Content-Range": f"bytes */{file.size}"}
            message = f"the file has {file.size} bytes, and none of them is in {(byte_range or '')[:80]!r}"
            raise ProblemError("range_not_satisfiable", message, headers=unit)
        case Part():
            start, end, status = choice.start, choice.end, 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
        case _:
            pass
    headers |= {"Content-Length": str(end - start), "Content-Type": file.content_type}
    needs.storage.local_path(file.object)  # what is missing is said before the answer begins
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(needs.storage.read(file.object, start, end), status_code=status, headers=headers)


async def _file(path: str, needs: Dependencies) -> StoredFile:
    found = await needs.aliases.get(TENANT, path)
    if found is None:
        raise ProblemError("not_found", f"there is no file {path[:200]!r}")
    return found


async def _store(
    path: str, chunks: AsyncIterator[bytes], response: Response, needs: Dependencies
) -> Uploaded:
    name = f"objects/uploads/{new_id()}"
    written = await needs.storage.write(name, chunks, limit=needs.limits.upload)
    file = await needs.aliases.put(TENANT, path, written, at=needs.now())
    response.headers["Location"] = f"/v1/files/{quote(path)}"
    response.headers["ETag"] = etag(file)
    return Uploaded(
        path=path, uri=uri(path), size=file.size, digest=file.digest, content_type=file.content_type
    )


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK):
        yield chunk


def _counted(request: Request, limit: int) -> Any:
    """Give the request's ``receive``, which ends with an error after ``limit`` bytes of body."""
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise ProblemError(
                "too_large", f"the body has more than {limit} bytes", headers={"Connection": "close"}
            )
        return message

    return receive
