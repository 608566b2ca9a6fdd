"""The OpenAPI 3.1 document, made from the table of routes and the types of the answers."""

from __future__ import annotations

import re
from typing import Any, Final

from fillbook.web import problems
from fillbook.web.call import TEXT_MAX, WAIT_MAX_S, Parameter
from fillbook.web.routes import BASE, ENDPOINTS, STREAM, Endpoint
from fillbook.web.schema import Schema, Schemas

#: The errors that any route of a book may answer, and when.
COMMON: Final = {
    400: "A parameter, a header or the body is invalid.",
    401: "There is no valid token.",
    403: "The token lacks a scope, or the service does not allow it.",
    404: "It is not there, or the token does not see it.",
    413: "The body is too large.",
    421: "The Host header names another service.",
    429: "There are too many requests.",
    503: "The record cannot be read or written now, or was not observed yet.",
}
_OTHER: Final = {409: "The plan was decided already, or is not proposed."}
_DONE: Final = {200: "The answer.", 202: "It is written, and the desk that ticks carries it out."}


def document(version: str) -> dict[str, Any]:
    """Return the document; *version* is that of fillbook."""
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        operations = paths.setdefault(f"{BASE}{endpoint.path}", {})
        operations[endpoint.method.lower()] = _operation(endpoint, schemas)
    paths[f"{BASE}{STREAM}"] = {"get": _stream()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fillbook",
            "version": version,
            "description": "The record of one account. Numbers are strings.",
        },
        "paths": paths,
        "components": {
            "schemas": {**schemas.definitions, "Problem": problems.SCHEMA},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _operation(endpoint: Endpoint, schemas: Schemas) -> Schema:
    returned = schemas.of(endpoint.returns)
    content: Schema = {"application/json": {"schema": _page(returned)}}
    if endpoint.is_list:
        content["text/csv"] = {"schema": {"type": "string"}}
    else:
        content = {"application/json": {"schema": returned}}
    operation: Schema = {
        "operationId": endpoint.name,
        "summary": (endpoint.serve.__doc__ or "").strip(),
        "parameters": [*_path(endpoint.path), *map(_query, endpoint.query)],
        "responses": {
            **{str(x): {"description": _DONE[x], "content": content} for x in endpoint.statuses},
            **_problems(endpoint.problems),
        },
    }
    if endpoint.method != "GET":
        operation["parameters"].append(_prefer())
    if endpoint.why:
        operation["requestBody"] = _reason()
    return operation


def _page(row: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": row},
            "next": {"type": ["string", "null"]},
        },
        "required": ["items", "next"],
        "additionalProperties": False,
    }


def _path(path: str) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": TEXT_MAX},
        }
        for name in re.findall(r"{(\w+)}", BASE + path)
    ]


def _query(parameter: Parameter) -> Schema:
    return {
        "name": parameter.name,
        "in": "query",
        "schema": parameter.schema,
        "description": parameter.about,
    }


def _prefer() -> Schema:
    return {
        "name": "Prefer",
        "in": "header",
        "schema": {"type": "string", "pattern": "^wait=[0-9]{1,2}$"},
        "description": f"`wait=5` waits for the end, {WAIT_MAX_S} seconds at most.",
    }


def _reason() -> Schema:
    why = {"type": "string", "minLength": 1, "maxLength": TEXT_MAX, "pattern": r"^[ -~]+$"}
    schema = {"type": "object", "properties": {"why": why}, "additionalProperties": False}
    return {"required": False, "content": {"application/json": {"schema": schema}}}


def _problems(others: tuple[int, ...]) -> Schema:
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    found = {**COMMON, **{x: _OTHER[x] for x in others if x in _OTHER}}
    return {str(x): {"description": why, "content": content} for x, why in sorted(found.items())}


def _stream() -> Schema:
    last = {
        "name": "Last-Event-ID",
        "in": "header",
        "schema": {"type": "string", "maxLength": TEXT_MAX, "pattern": r"^[ -~]*$"},
        "description": "The id of the last event received; the stream goes on after it.",
    }
    return {
        "operationId": "stream",
        "summary": "Events as they happen (server-sent events); `reset`: read everything again.",
        "parameters": [*_path(STREAM), last],
        "responses": {
            "200": {
                "description": "The stream.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            **_problems(()),
        },
    }
