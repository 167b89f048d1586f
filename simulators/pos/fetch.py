"""Asking the gateway for the manifest, and for the keys with which it signs."""

import contextlib
from urllib.parse import quote

from ..wire import NoAnswer, WireClient
from .manifest import BadManifest, ManifestStore

_PATH = "/pos/v1/manifest"


async def refresh_manifest(client: WireClient, store: ManifestStore) -> None:
    """Brings the manifest up to date as far as the gateway lets it; `store.problem` says what was wrong with it.

    The keys are asked for once, where none was given at installation; a manifest signed with any other is refused.
    """
    with contextlib.suppress(NoAnswer, BadManifest):
        if not store.keys:
            answer = await client.request("GET", f"{_PATH}/keys")
            listed = (answer.body or {}).get("keys")
            if answer.status != 200 or not isinstance(listed, list):
                store.problem = "no-manifest" if answer.status < 500 else store.problem
                return
            store.pin({str(key["keyId"]): str(key["publicKey"]) for key in listed if isinstance(key, dict)})
        since = store.since
        try:
            await _take(client, store, since)
        except BadManifest as exc:
            if since is None or str(exc) != "manifest-does-not-follow":
                raise
            await _take(client, store, None)


async def _take(client: WireClient, store: ManifestStore, since: str | None) -> None:
    answer = await client.request("GET", _PATH if since is None else f"{_PATH}?since={quote(since, safe='')}")
    if answer.status == 200 and answer.body is not None:
        store.take(answer.body)
    elif answer.status < 500:
        store.problem = answer.code or "no-manifest"
