"""What every study says of itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct

from policies.evaluation.network import Network
from policies.page import Card
from policies.sheet import Sheet


class Findings(Struct, frozen=True, kw_only=True):
    """What came of a study: what ``--json`` prints, and what table and page show."""

    policy: str
    command: str
    n_worlds: int
    networks: Sequence[Network] = ()
    """That were judged: none of a rule, several of a training."""

    title: ClassVar[str]
    lead: ClassVar[str]
    """What is played, and what its figures are of."""

    @abstractmethod
    def cards(self) -> list[Card]:
        """Return its main figures."""

    @abstractmethod
    def sheets(self) -> list[Sheet]:
        """Return its tables."""
