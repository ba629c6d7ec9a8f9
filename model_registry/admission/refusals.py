"""How broken limits are told: which, by how much, and what to do."""

from __future__ import annotations

from model_registry.errors import ModelUnreadable, Refused

_SMALLER = "Host a smaller variant, lower the largest extents in the manifest's [axes], or raise"

# What the runtimes say when memory is refused them, or when a size is past anything that memory could be.
_OF_MEMORY = (
    "bad_alloc", "allocat", "MemoryError", "out of memory", "SafeInt", "exceeds the supported maximum",
    "failed to reshape",  # XNNPACK, for either.
)  # fmt: skip
_OF_OPERATORS = ("is not a registered", "Could not find an implementation", "No Op registered", "unresolved custom op")


def speaks_of_memory(words: str) -> bool:
    """Tell whether an error is about memory that was not given."""
    return any(word in words for word in _OF_MEMORY)


def too_much_memory(doing: str, limit_bytes: int, *, taken_bytes: int) -> Refused:
    """Say that a model took more memory than it may, or asked for more on top of what it had."""
    limit, taken = f"{limit_bytes / 1e6:,.0f} MB", f"{taken_bytes / 1e6:,.0f} MB"
    what = f"took {taken}" if taken_bytes > limit_bytes else f"asked for more on top of {taken}, at once,"
    return Refused(
        "memory", f"{doing} {what} and the limit is {limit}.", hint=f"{_SMALLER} models.memory_budget_bytes."
    )


def too_slow(doing: str, limit_s: float) -> Refused:
    """Say that a model had not ended in time."""
    return Refused("time", f"{doing} had not ended after {limit_s:g} s.", hint=f"{_SMALLER} {_TIMEOUT}")


def too_much_computing(doing: str, limit_s: float) -> Refused:
    """Say that a model took more processor time than it may."""
    message = f"{doing} took more than {limit_s:g} s of processor time."
    return Refused("cpu", message, hint=f"{_SMALLER} {_TIMEOUT}")


def crashed(doing: str, how: str) -> Refused:
    """Say that a model ended the process that tried it."""
    return Refused(
        "crash", f"{doing} ended its trial process with {how}.", hint="Export the model again, or host another one."
    )


def not_tried(why: str) -> Refused:
    """Say that it was this machine that prevented the trial."""
    return Refused("trial", why, hint="Free memory, disk space and processor time, and start meshd again.")


def unreadable(error: ModelUnreadable) -> Refused:
    """Say why a runtime could not load a model."""
    known = any(word in f"{error.message} {error.__cause__}" for word in _OF_OPERATORS)
    return Refused("operators" if known else "format", f"{error.message.rstrip('.')}.", hint=error.hint)


_TIMEOUT = "models.admission_timeout_s; half of it is the limit of processor time."
