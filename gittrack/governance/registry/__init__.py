"""The model registry: annotated tags on the ledger commits that added the runs, in the grammar of GTO.

Nothing is kept beside the tags, so that stock ``gto show`` and ``git tag`` say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gittrack.errors import NotFoundError
from gittrack.git.repository import Repository
from gittrack.governance.registry.claims import Claim, claims_of
from gittrack.governance.registry.names import Reference, parse_reference
from gittrack.governance.registry.state import Model, Stage, Version, models_of
from gittrack.governance.registry.tags import Tag, read_tags
from gittrack.reading.index import Index

__all__ = ["Claim", "Model", "Reference", "Registry", "Stage", "Tag", "Version", "parse_reference"]


@dataclass(frozen=True, slots=True)
class Registry:
    """The models of a repository, and what each of their registrations is worth."""

    models: Mapping[str, Model]
    claims: Mapping[str, Claim]
    """By ref of the tag that registers a version."""

    @classmethod
    def read(cls, repository: Repository, index: Index, model: str | None = None) -> Registry:
        """All models, or the one called `model` if it is there. Two git processes."""
        with repository.objects() as objects:
            tags = read_tags(repository, objects)
            models = models_of(tags)
            if model in models:
                models = {model: models[model]}
            registered = [v.tag for m in models.values() for v in m.versions]
            return cls(models, claims_of(index, objects, registered))

    def model(self, name: str) -> Model:
        """NotFoundError, with the names there are, unless there is such a model."""
        if name not in self.models:
            known = f"there are {', '.join(list(self.models)[:20])}" if self.models else "there are none yet"
            raise NotFoundError(f"no model {name!r}: {known}; gittrack register adds one")
        return self.models[name]

    def version(self, reference: Reference) -> Version:
        """The version that `reference` means now; NotFoundError where it means none."""
        model = self.model(reference.model)
        if reference.stage is not None:
            return _in_stage(model, reference.stage)
        version = model.newest if reference.version is None else model.find(reference.version)
        if version is None:
            known = ", ".join(v.version for v in model.versions[:10]) or "none"
            wanted = reference.version or "version in use"
            raise NotFoundError(f"model {model.name} has no {wanted}: registered are {known}")
        if not version.active:
            raise NotFoundError(f"{model.name}@{version.version} was deregistered")
        return version

    def claim(self, version: Version) -> Claim:
        """What the registration says; NotFoundError where it is none of a run."""
        claim = self.claims[version.tag.ref]
        if claim.fault:
            raise NotFoundError(f"{version.tag.ref} is not a run: {claim.fault}")
        return claim


def _in_stage(model: Model, name: str) -> Version:
    stage = model.stages.get(name)
    if stage is None:
        known = ", ".join(model.stages) or "none"
        raise NotFoundError(f"no version of {model.name} is in stage {name}: stages in use are {known}")
    if stage.tag.fault:
        raise NotFoundError(f"stage {name} of {model.name}: {stage.tag.fault}")
    if stage.version is None:
        raise NotFoundError(f"{stage.tag.ref} puts a commit into stage {name} that is no version")
    return stage.version
