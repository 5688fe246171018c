"""Asking a server of ours: JSON in, JSON out, its problem documents as errors that teach."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from shortlist.cli.errors import UsageError

_TIMEOUT_S = 30


def post(url: str, body: object) -> dict[str, Any]:
    """Send JSON and return the answer's.

    Raises:
        UsageError: when nobody answers, or the answer is a problem document.
    """
    return _ask(Request(url, json.dumps(body).encode(), {"content-type": "application/json"}))


def get(url: str) -> dict[str, Any]:
    """Return a page's JSON; raises as `post`."""
    return _ask(Request(url))


def _ask(request: Request) -> dict[str, Any]:
    if not request.full_url.startswith(("http://", "https://")):
        raise UsageError(
            request.full_url,
            expected="an http address",
            received="another",
            mend="As in http://127.0.0.1:8000.",
        )
    try:
        with _opener(request).open(request, timeout=_TIMEOUT_S) as answer:
            read: dict[str, Any] = json.load(answer)
            return read
    except HTTPError as error:
        with error:
            problem = _problem(error.read())
        raise UsageError(
            request.full_url,
            expected="status 200",
            received=f"{error.code}: {problem}",
            mend="See its /openapi.json.",
        ) from None
    except (URLError, TimeoutError, json.JSONDecodeError) as error:
        reason = getattr(error, "reason", error)
        raise UsageError(
            request.full_url,
            expected="a Shortlist server",
            received=str(reason),
            mend="Start one: shortlist serve.",
        ) from None


def _opener(request: Request) -> OpenerDirector:
    """A machine's proxy cannot know this machine's own addresses."""
    is_own = urlsplit(request.full_url).hostname in ("localhost", "127.0.0.1", "::1")
    return build_opener(ProxyHandler({})) if is_own else build_opener()


def _problem(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", errors="replace") or "an empty answer"
