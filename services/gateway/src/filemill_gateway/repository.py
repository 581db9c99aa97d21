"""The templates in MongoDB: a document for each version, which never changes."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from pymongo import DESCENDING

from filemill_common.store import ConflictError, Document, Store, translated
from filemill_common.store.indexes import TEMPLATES
from filemill_gateway.core.cursors import Cursor
from filemill_gateway.core.templates import Reference, Template, TemplateItem
from filemill_gateway.queries import Page

_UNLISTED: Final = {"definition": 0, "digest": 0, "uses": 0}


class Templates:
    """The templates of one tenant; the gateway alone writes them.

    Every method raises StoreUnavailableError if MongoDB cannot be reached.
    """

    def __init__(self, store: Store, *, tenant: str = "default") -> None:
        self._templates = store.collection(TEMPLATES)
        self._tenant = tenant

    async def put(self, wanted: Template) -> tuple[Template, bool]:
        """Keep a template as its next version, whatever number it brings; give it, and whether it is new.

        What its newest version says already stays that. Of several who put at once each gets a version of
        its own, if they put different things.
        """
        while True:
            newest = await self.get(Reference(wanted.name, None))
            if newest is not None and newest.digest == wanted.digest:
                return newest, False
            template = replace(wanted, version=newest.version + 1 if newest else 1)
            with suppress(ConflictError), translated():  # somebody else has taken the number
                await self._templates.insert_one(self._document(template))
                return template, True

    async def get(self, wanted: Reference) -> Template | None:
        """Give a version of a template, or its newest; None if there is none."""
        which: Document = {"tenant": self._tenant, "name": wanted.name}
        if wanted.version is not None:
            which["version"] = wanted.version
        with translated():
            document = await self._templates.find_one(which, sort=[("version", DESCENDING)])
        return None if document is None else _template(document)

    async def versions(self, name: str) -> tuple[int, ...]:
        """Give the versions of a template, the newest first."""
        with translated():
            found = self._templates.find({"tenant": self._tenant, "name": name}, {"version": 1})
            documents = await found.sort("version", DESCENDING).to_list(None)
        return tuple(document["version"] for document in documents)

    async def named(self, references: Iterable[str], *, room: int) -> list[Template] | None:
        """Give those of certain versions (``name@version``) that are there.

        Returns:
            None if their definitions have more than ``room`` bytes; no more of them is read then.
        """
        found: list[Template] = []
        with translated():
            ids = [self._id(reference) for reference in references]
            async for document in self._templates.find({"_id": {"$in": ids}}):
                found.append(_template(document))
                room -= len(found[-1].definition.encode())
                if room < 0:
                    return None
        return found

    async def newest(self) -> Mapping[str, int]:
        """Give the newest version of each template."""
        newest: list[Document] = [
            {"$match": {"tenant": self._tenant}},
            {"$group": {"_id": "$name", "version": {"$max": "$version"}}},
        ]
        with translated():
            found = await self._templates.aggregate(newest).to_list(None)
        return {document["_id"]: document["version"] for document in found}

    async def list(self, *, limit: int, cursor: Cursor | None = None) -> Page[TemplateItem]:
        """List templates by their newest versions, what was put last first."""
        newest_each: list[Document] = [
            {"$match": {"tenant": self._tenant}},
            {"$project": _UNLISTED},
            {"$sort": {"name": 1, "version": -1}},
            {"$group": {"_id": "$name", "newest": {"$first": "$$ROOT"}}},
            {"$replaceWith": "$newest"},
        ]
        after: list[Document] = []
        if cursor is not None:
            older = {"created_at": {"$lt": cursor.created_at}}
            same = {"created_at": cursor.created_at, "_id": {"$lt": cursor.id}}
            after = [{"$match": {"$or": [older, same]}}]
        page: list[Document] = [{"$sort": {"created_at": -1, "_id": -1}}, {"$limit": limit + 1}]
        with translated():
            found = await self._templates.aggregate([*newest_each, *after, *page]).to_list(None)
        shown = tuple(_item(document) for document in found[:limit])
        last = found[limit - 1] if len(found) > limit else None
        return Page(shown, Cursor(created_at=last["created_at"], id=last["_id"]) if last else None)

    def _id(self, reference: str) -> str:
        return f"{self._tenant}:{reference}"

    def _document(self, template: Template) -> Document:
        fields = {name: getattr(template, name) for name in Template.__dataclass_fields__}
        return {"_id": self._id(template.reference), "tenant": self._tenant, **fields}


def _template(document: Document) -> Template:
    fields: dict[str, Any] = {name: document[name] for name in Template.__dataclass_fields__}
    return Template(**fields | {"uses": tuple(document["uses"])})


def _item(document: Document) -> TemplateItem:
    return TemplateItem(**{name: document[name] for name in TemplateItem.model_fields})
