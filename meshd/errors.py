"""Every error that meshd raises or sends, in one hierarchy.

Each leaf has a stable ``code`` (this is what travels on the wire and in logs, never the class name), says whether
trying again can help (``retryable``), and its docstring names who deals with it. A message tells what happened and
why; ``hint`` tells what to do next.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from typing_extensions import override


class MeshError(Exception):
    """Root of all errors of meshd."""

    code: ClassVar[str] = "mesh_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @override
    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class RequestError(MeshError):
    """One request could not be answered; the daemon and all other requests go on."""

    code = "request_error"


class InvalidInput(RequestError):
    """Tensor names, shapes, dtypes or values do not fit the model. The caller mends the request."""

    code = "invalid_input"


class UnknownModel(RequestError):
    """No node of the mesh has announced this model. The caller mends the name or installs the model."""

    code = "unknown_model"


class RefusedByPrivacy(RequestError):
    """The request's privacy forbids every way to run it. The caller decides; nothing retries."""

    code = "refused_by_privacy"


class NoCandidate(RequestError):
    """Every candidate is masked right now. The caller may try again when the mesh has changed."""

    code = "no_candidate"
    retryable = True


class Overloaded(RequestError):
    """A bounded queue is full and the request was shed. The caller backs off and tries again."""

    code = "overloaded"
    retryable = True


class DeadlineExceeded(RequestError):
    """The deadline passed before any acceptable answer existed. The caller decides."""

    code = "deadline_exceeded"


class Cancelled(RequestError):
    """The caller withdrew the request."""

    code = "cancelled"


class ExecutionFailed(RequestError):
    """The model itself failed on this input. The scheduler tries one other node, then tells the caller."""

    code = "execution_failed"
    retryable = True


class InternalError(RequestError):
    """A defect of meshd stopped this request, and no other. The log has the traceback; whoever reads it reports it."""

    code = "internal_error"


class StageMismatch(RequestError):
    """The stages of a plan are not those of the model that is here. The scheduler plans again."""

    code = "stage_mismatch"
    retryable = True


class Draining(RequestError):
    """The node is shutting down and takes no new work. The scheduler or the client goes elsewhere."""

    code = "draining"
    retryable = True


class DuplicateRequest(RequestError):
    """A request of the same identity but different content exists. The caller chooses a new key."""

    code = "duplicate_request"


class UnknownQuery(RequestError):
    """A client asked for a document that this daemon does not have. The caller mends the query."""

    code = "unknown_query"


class ModelRefused(RequestError):
    """A model is not accepted here, or cannot be run here; what it replaces stays. The user reads why and decides."""

    code = "model_refused"


class NoRoom(RequestError):
    """A model does not fit beside what may not be removed. The user unpins or removes models, or raises the budget."""

    code = "no_room"


class NotLent(RequestError):
    """A node has not got what another one wants to fetch, or does not lend it. The fetcher asks somebody else."""

    code = "not_lent"


class NobodyHasIt(RequestError):
    """No node in reach lends what is wanted. The fetcher tries again when somebody comes who does."""

    code = "nobody_has_it"
    retryable = True


class NotForgotten(RequestError):
    """What requests have taught the policy is still on disk. The user deletes the file, or lets the daemon do it."""

    code = "not_forgotten"


class LinkError(MeshError):
    """Something is wrong with a connection; the session ends, the daemon goes on."""

    code = "link_error"
    retryable = True


class ProtocolError(LinkError):
    """The other side sent bytes that are not our protocol. The session is closed; the remote mends its software."""

    code = "protocol_error"
    retryable = False


class UntrustedPeer(LinkError):
    """The certificate's fingerprint is not pinned. The owner pairs the two devices or removes one."""

    code = "untrusted_peer"
    retryable = False


class Superseded(LinkError):
    """Another daemon presents the same identity and started later. The owner gives one of them its own identity."""

    code = "superseded"
    retryable = False


class DuplicateLink(LinkError):
    """Two nodes dialled each other at once, or a node dialled itself; one session is enough. Nobody has to act."""

    code = "duplicate_link"


class PeerLost(LinkError):
    """The session to a peer ended while work was out there. The scheduler plans again."""

    code = "peer_lost"


class SlowReader(LinkError):
    """More waits for all sessions than memory allows, and this one reads the slowest. It may connect again and read."""

    code = "slow_reader"


class PeerLeft(LinkError):
    """A peer said goodbye. The scheduler plans without it; nobody needs to act."""

    code = "left"


class BrokerFailed(LinkError):
    """The MQTT broker is not there, went away or refused. The MQTT edge tries again; inference does not notice."""

    code = "broker_failed"


class DaemonUnreachable(LinkError):
    """A client found no daemon at the given endpoint. The user starts it or names another endpoint."""

    code = "daemon_unreachable"


class SetupError(MeshError):
    """The daemon cannot start as it is set up; the user mends the setting and starts again."""

    code = "setup_error"


class ConfigInvalid(SetupError):
    """The configuration file or a setting is wrong. The user mends it; ``meshd config check`` finds all of them."""

    code = "config_invalid"


class AddressInUse(SetupError):
    """A port or socket is taken. The user stops the other program or configures another address."""

    code = "address_in_use"


class IdentityInUse(SetupError):
    """Another running daemon holds this state directory. The user stops it or configures another directory."""

    code = "identity_in_use"


class ModelUnusable(MeshError):
    """An artifact or manifest cannot be used (corrupt, refused, unreadable). The user repairs or removes the model."""

    code = "model_unusable"


class PolicyUnusable(MeshError):
    """A learned policy cannot be served: missing, corrupt, of another version. The heuristic serves; the owner acts."""

    code = "policy_unusable"


class PolicyFailed(MeshError):
    """A learned policy gave no answer that makes sense. The guard lets the heuristic decide; nobody needs to act."""

    code = "policy_failed"


def _leaves(root: type[MeshError]) -> Iterator[type[MeshError]]:
    yield root
    for child in root.__subclasses__():
        yield from _leaves(child)


def readable(words: str) -> str:
    """Return what another node has written with nothing left in it that a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in words)


def from_code(code: str, message: str) -> MeshError:
    """Rebuild the error that a remote sent as a code; an unknown code becomes a plain :class:`MeshError`."""
    message = readable(message)
    for leaf in _leaves(MeshError):
        if leaf.code == code:
            return leaf(message)
    return MeshError(f"{code}: {message}")
