"""One archive for retention: ledger and code as a git bundle, data and models by digest, and how to read it.

`make_bundle` writes one, `verify_bundle` says whether it is what it was, and whether the ledger in it
holds. The same ledger and bytes give the same archive, whoever makes it.
"""

from __future__ import annotations

from gittrack.publishing.bundle.check import verify_bundle
from gittrack.publishing.bundle.contents import BundleRequest
from gittrack.publishing.bundle.make import Made, make_bundle

__all__ = ["BundleRequest", "Made", "make_bundle", "verify_bundle"]
