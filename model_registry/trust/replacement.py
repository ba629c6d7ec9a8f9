"""Which manifest may take the place of an installed one of the same name."""

from model_registry.errors import ReplacementRefused
from model_registry.manifest import Manifest

_HINT = "If that is meant, remove the installed one first: meshd models remove {name}"


def check_replacement(installed: Manifest, new: Manifest) -> None:
    """Let a model be replaced by its own publisher's version of the same or a later number, and by nothing else.

    A name is what programs ask for: whoever else may speak under it could take over what the household relies on. An
    older version that is validly signed is the usual way to bring back a flaw. The same number is let through, for a
    manifest whose figures were measured anew.

    Raises:
        ReplacementRefused: another publisher's, nobody's in place of a publisher's or the other way round, or older.

    """
    hint = _HINT.format(name=new.name)
    if publisher_of(new) != publisher_of(installed):
        problem = f"{_whose(new).capitalize()} would replace {_whose(installed)} under the name '{new.name}'."
        raise ReplacementRefused(problem, hint=hint)
    if version_of(new) < version_of(installed):
        problem = f"Version {new.version} of '{new.name}' is older than the installed {installed.version}."
        raise ReplacementRefused(problem, hint=hint)


def publisher_of(manifest: Manifest) -> str:
    """Return the key that signed a manifest; empty when nobody has."""
    return manifest.signature.publisher if manifest.signature else ""


def version_of(manifest: Manifest) -> tuple[int, ...]:
    """Return a version as numbers that compare by age."""
    return tuple(int(number) for number in manifest.version.split("."))


def _whose(manifest: Manifest) -> str:
    key = publisher_of(manifest)
    return f"a model of publisher {key[:16]}" if key else "an unsigned model"
