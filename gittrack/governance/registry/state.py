"""What the tags add up to: models, their versions, and which of them each stage holds. As ``gto show`` says.

A version belongs to a commit, and a stage holds a commit: the version there. Of several versions that
were put into a stage and not taken out, the one put there last is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gittrack.governance.registry.names import order
from gittrack.governance.registry.tags import Tag, chronological


@dataclass(frozen=True, slots=True)
class Version:
    """A version that was registered."""

    version: str
    tag: Tag
    """That registered it, last."""
    active: bool
    """Whether it was not deregistered since."""
    stages: tuple[str, ...] = ()
    """The stages that hold it now."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage holds."""

    name: str
    tag: Tag
    """That put it there."""
    version: Version | None
    """None where no version is registered at that commit."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model by its tags."""

    name: str
    versions: tuple[Version, ...]
    """The highest first."""
    stages: Mapping[str, Stage]
    tags: tuple[Tag, ...]
    """Those that count, oldest first."""
    strays: tuple[Tag, ...]
    """Those of its name that GTO leaves out."""
    deprecated: bool

    @property
    def newest(self) -> Version | None:
        """The highest version that was not deregistered."""
        return next((version for version in self.versions if version.active), None)

    def find(self, version: str) -> Version | None:
        """The version of that name."""
        return next((entry for entry in self.versions if entry.version == version), None)


def models_of(tags: Iterable[Tag]) -> dict[str, Model]:
    """The models that `tags` speak of, by name."""
    by_model: dict[str, list[Tag]] = {}
    for tag in sorted(tags, key=chronological):
        by_model.setdefault(tag.name.model, []).append(tag)
    return {name: _model(name, own) for name, own in sorted(by_model.items())}


def _model(name: str, every: Sequence[Tag]) -> Model:
    tags = [tag for tag in every if tag.counts]
    versions = _versions(tags)
    stages = _stages(tags, versions)
    held = {
        version: tuple(sorted(s.name for s in stages.values() if s.version and s.version.version == version))
        for version in versions
    }
    placed = {key: Version(v.version, v.tag, v.active, held[key]) for key, v in versions.items()}
    return Model(
        name=name,
        versions=tuple(sorted(placed.values(), key=lambda v: order(v.version), reverse=True)),
        stages={
            s.name: Stage(s.name, s.tag, placed[s.version.version] if s.version else None)
            for s in sorted(stages.values(), key=lambda stage: stage.name)
        },
        tags=tuple(tags),
        strays=tuple(tag for tag in every if not tag.counts),
        deprecated=bool(tags) and tags[-1].name.action == "deprecate",
    )


def _versions(tags: Sequence[Tag]) -> dict[str, Version]:
    versions: dict[str, Version] = {}
    for tag in tags:
        name = tag.name.version
        if tag.name.action == "register" and name is not None:
            versions[name] = Version(name, tag, True)
        elif tag.name.action == "deregister" and name in versions:
            versions[name] = Version(name, versions[name].tag, False)
    return versions


def _stages(tags: Sequence[Tag], versions: Mapping[str, Version]) -> dict[str, Stage]:
    """By stage the commit put there last, of those that were not taken out; a deregistered version is out."""
    at = {version.tag.commit: version for version in versions.values()}
    assigned: dict[tuple[str, str | None], Tag] = {}
    for tag in tags:
        if tag.name.stage is None:
            continue
        key = (tag.name.stage, tag.commit)
        assigned.pop(key, None)
        if tag.name.action == "assign":
            assigned[key] = tag
    stages: dict[str, Stage] = {}
    for (stage, commit), tag in assigned.items():  # in the order of assignment
        version = at.get(commit)
        if version is None or version.active:
            stages[stage] = Stage(stage, tag, version)
    return stages
