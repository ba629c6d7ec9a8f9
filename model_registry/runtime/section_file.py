"""A section's file: taken out of its variant's artifact and held against what the manifest says of it. Runs nothing."""

from __future__ import annotations

import hashlib

from model_registry.errors import ModelUnreadable
from model_registry.runtime.stage_file import StageFile, take_stage
from model_registry.section import Section


def taken_out(content: bytes, section: Section) -> StageFile:
    """Take a section out of its variant's artifact; a single stage is held against its hash in the manifest.

    Raises:
        ModelUnreadable: it cannot be taken out, is another one, or takes and gives something else than what crosses.
    """
    stage = take_stage(content, section.first_node, section.last_node)
    if section.sha256 not in {None, hashlib.sha256(stage.content).hexdigest()}:
        raise _no_stages(section, "their bytes are not those that the manifest was made for")
    if flaw := _flaw_of_ends(section, stage):
        raise _no_stages(section, flaw)
    return stage


def _flaw_of_ends(section: Section, stage: StageFile) -> str:
    """Return in what a graph's ends are not what crosses before and behind it, by the graph's own names."""
    if not stage.inputs or not stage.outputs:
        return f"they {'give' if stage.inputs else 'take'} nothing"
    takes = {section.taken_as[tensor.name]: tensor.dtype for tensor in section.takes}
    gives = {section.given_as[tensor.name]: tensor.dtype for tensor in section.gives}
    if strangers := stage.inputs - takes.keys():
        return f"they take '{min(strangers)}', which does not cross before them"
    if lost := gives.keys() - stage.outputs - takes.keys():
        return f"they do not give '{min(lost)}', which crosses behind them"
    if changed := [name for name in gives.keys() - stage.outputs if gives[name] != takes[name]]:
        return f"they hand '{min(changed)}' through, which is of another type behind them than before"
    return ""


def _no_stages(section: Section, why: str) -> ModelUnreadable:
    problem = f"Stages {section.first} to {section.last} cannot be run: {why}."
    return ModelUnreadable(problem, hint="Split the model again: `meshd models split`.")
