"""One network that scores any number of candidates, and the judge that teaches it.

Every row goes through the same encoder; what all rows have in common, the mean of their encodings, is put beside each;
one number comes out of each. So neither the number of candidates nor their order is learned.

It has several members that learn each by itself from other beginnings, and says what they say in the mean: most of what
labels tell is luck, and each member takes other luck for knowledge (deep ensembles: Lakshminarayanan, Pritzel and
Blundell 2017, arXiv 1612.01474).

What comes out is joules: what core predicts a way to cost beyond the heuristic's choice, and what the network adds to
that, which is next to nothing at first. Logits are these joules by a temperature, so ways that cost about the same are
about as likely.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from gymnasium.spaces import Box, Discrete
from msgspec import Struct
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from torch import Tensor, nn
from torch.nn.functional import silu
from typing_extensions import override

from meshd.policy.layout import CANDIDATE, N_CANDIDATE, N_CONTEXT, column

_SMALL = 1e-3
"""What the last layer is scaled with."""

_FAR = 1e3
"""Below all that an encoding holds."""

_IS_ALLOWED, _IS_WAIT = column("is_allowed"), column("is_wait")
_DEARER = column("cost_above_rule_joules")
_DEARER_UNIT = CANDIDATE[_DEARER].unit
_MOST_DEARER = 1.0
"""Joules; of what is predicted to cost more beyond the heuristic's choice, how much more says nothing."""


class Form(Struct, frozen=True, kw_only=True):
    """How large a network is, and where it begins."""

    n_members: int
    width: int
    """Of each member."""
    temperature_joules: float
    """Of two ways that differ by so much, one is e times as likely as the other where chance chooses."""
    wait_joules: float
    """What waiting costs at first beyond the heuristic's choice: core predicts nothing of it."""


class Scorer(nn.Module):
    """The actor: what is exported.

    ``float32[batch, rows, N_CANDIDATE]`` and ``float32[batch, N_CONTEXT]`` to logits, ``float32[batch, rows]``.
    """

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form
        self.encoder = _Encoder(form.width, form.n_members)
        self.joined = _Members(form.n_members, 2 * form.width, form.width)
        self.score = _Members(form.n_members, form.width, 1)
        with torch.no_grad():
            self.score.weight.mul_(_SMALL)
            self.score.bias.zero_()

    @override
    def forward(self, candidates: Tensor, context: Tensor) -> Tensor:
        return self.costs(candidates, context).mean(dim=0) / -self._form.temperature_joules

    def costs(self, candidates: Tensor, context: Tensor) -> Tensor:
        """Return what each way costs beyond the heuristic's choice, joules, ``float32[members, batch, rows]``."""
        encoded = self.encoder(candidates, context)
        common = _mean(encoded, candidates).unsqueeze(2).expand_as(encoded)
        further: Tensor = self.score(silu(self.joined(torch.cat((encoded, common), dim=3)))).squeeze(3)
        return self._predicted(candidates) + further

    def _predicted(self, candidates: Tensor) -> Tensor:
        bent = candidates[:, :, _DEARER]
        dearer = _DEARER_UNIT * bent.sign() * torch.expm1(bent.abs())  # Bend.SIGNED, undone.
        predicted: Tensor = dearer.clamp(-_MOST_DEARER, _MOST_DEARER)
        return predicted + self._form.wait_joules * candidates[:, :, _IS_WAIT]


class Judge(nn.Module):
    """The critic's body, with an encoder of its own: the same to ``float32[batch, width]``."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        width = form.width
        self.encoder = _Encoder(width, 1)
        self.pooled = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    @override
    def forward(self, candidates: Tensor, context: Tensor) -> Tensor:
        encoded = self.encoder(candidates, context)
        highest = (encoded - _FAR * (1.0 - candidates[:, :, _IS_ALLOWED].unsqueeze(2))).amax(dim=2)
        both = torch.cat((_mean(encoded, candidates), highest), dim=2)
        pooled: Tensor = self.pooled(both.squeeze(0))  # A critic has one member.
        return pooled


class _Encoder(nn.Module):
    """One layer over candidate and context together, which reads the context once for all, and one more.

    To ``float32[members, batch, rows, width]``.
    """

    def __init__(self, width: int, n_members: int) -> None:
        super().__init__()
        self._by_member = n_members, width
        self.of_candidate = nn.Linear(N_CANDIDATE, n_members * width)
        self.of_context = nn.Linear(N_CONTEXT, n_members * width, bias=False)
        self.further = _Members(n_members, width, width)

    @override
    def forward(self, candidates: Tensor, context: Tensor) -> Tensor:
        both = self.of_candidate(candidates) + self.of_context(context).unsqueeze(1)
        by_member = silu(both).unflatten(2, self._by_member).permute(2, 0, 1, 3)
        return silu(self.further(by_member))


class _Members(nn.Module):
    """A linear layer of each member.

    ``float32[members, batch, rows, n_in]`` to ``float32[members, batch, rows, n_out]``.
    """

    def __init__(self, n_members: int, n_in: int, n_out: int) -> None:
        super().__init__()
        most = n_in**-0.5  # As torch begins a layer of one member.
        self.weight = nn.Parameter(torch.empty(n_members, n_in, n_out).uniform_(-most, most))
        self.bias = nn.Parameter(torch.empty(n_members, 1, n_out).uniform_(-most, most))

    @override
    def forward(self, given: Tensor) -> Tensor:
        n_members, n_batch, n_rows, _ = given.shape
        flat = torch.matmul(given.reshape(n_members, n_batch * n_rows, -1), self.weight) + self.bias
        return flat.reshape(n_members, n_batch, n_rows, -1)


class _Both(nn.Module):
    """What stable-baselines3 calls an MLP extractor: actor and critic, flat observations in."""

    def __init__(self, n_rows: int, form: Form) -> None:
        super().__init__()
        self.latent_dim_pi, self.latent_dim_vf = n_rows, form.width
        self.actor, self.critic = Scorer(form), Judge(form)

    @override
    def forward(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        return self.forward_actor(flat), self.forward_critic(flat)

    def forward_actor(self, flat: Tensor) -> Tensor:
        """Return logits, ``float32[batch, rows]``."""
        logits: Tensor = self.actor(*parts(flat))
        return logits

    def forward_critic(self, flat: Tensor) -> Tensor:
        """Return what the value is a line through, ``float32[batch, width]``."""
        judged: Tensor = self.critic(*parts(flat))
        return judged


class PartedAdam(torch.optim.Adam):
    """Bounds the gradient of each part by itself: a critic that is far off must not still the actor."""

    def __init__(self, parts_of: list[list[nn.Parameter]], *, lr: float, most_norm: float = 0.5) -> None:
        super().__init__([{"params": part, "most_norm": most_norm} for part in parts_of], lr=lr)

    @override
    def step(self, closure: Any = None) -> None:  # type: ignore[override, unused-ignore]
        for part in self.param_groups:
            nn.utils.clip_grad_norm_(part["params"], part["most_norm"])
        super().step(closure)


class CandidatePolicy(MaskableActorCriticPolicy):
    """Scorer and Judge as stable-baselines3 wants them."""

    def __init__(
        self,
        observation_space: Box,
        action_space: Discrete,
        lr_schedule: Callable[[float], float],
        *,
        form: Form,
        **others: Any,
    ) -> None:
        self._form = form
        super().__init__(observation_space, action_space, lr_schedule, ortho_init=False, **others)

    def hold_actor(self, *, held: bool) -> None:
        """Let nothing but the critic learn, or both again."""
        self.optimizer.param_groups[0]["most_norm"] = 0.0 if held else self.optimizer.param_groups[1]["most_norm"]

    @property
    def scorer(self) -> Scorer:
        """Return the actor."""
        found: Scorer = self.mlp_extractor.actor
        return found

    @override
    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = _Both(int(self.action_space.n), self._form)

    @override
    def _build(self, lr_schedule: Callable[[float], float]) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Identity()  # Logits are logits already.
        judge = [*self.mlp_extractor.critic.parameters(), *self.value_net.parameters()]
        self.optimizer = PartedAdam([list(self.scorer.parameters()), judge], lr=lr_schedule(1.0))

    @override
    def _get_constructor_parameters(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super()._get_constructor_parameters()
        del parameters["ortho_init"]
        return {**parameters, "form": self._form}


def parts(flat: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows of candidates and the context of flat observations."""
    return flat[:, :-N_CONTEXT].unflatten(1, (-1, N_CANDIDATE)), flat[:, -N_CONTEXT:]


def _mean(encoded: Tensor, candidates: Tensor) -> Tensor:
    """Return the mean over what may be chosen, ``float32[members, batch, width]``."""
    allowed = candidates[:, :, _IS_ALLOWED].unsqueeze(2)
    return (encoded * allowed).sum(dim=2) / allowed.sum(dim=1).clamp(min=1.0)
