"""One network that scores any number of candidates, and the judge that teaches it.

Every row goes through the same encoder; what all rows have in common, the mean of their encodings, is put beside each;
one number comes out of each. So neither the number of candidates nor their order is learned.

The logits begin at the heuristic: its choice stands out, and what is predicted to cost more is lower for it. What the
network adds is next to nothing at first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from gymnasium.spaces import Box, Discrete
from msgspec import Struct
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from torch import Tensor, nn
from typing_extensions import override

from meshd.policy.layout import N_CANDIDATE, N_CONTEXT, column

_SMALL = 0.01
"""What the last layer is scaled with."""

_FAR = 1e3
"""Below all that an encoding holds."""

_IS_ALLOWED, _IS_RULE, _IS_WAIT = column("is_allowed"), column("is_rule"), column("is_wait")
_DEARER = column("cost_above_rule_joules")


class Form(Struct, frozen=True, kw_only=True):
    """How wide a network is, and where its logits begin."""

    width: int
    rule_logit: float
    """Of the heuristic's choice, at first."""
    cost_weight: float
    """By so many times log(1 + cost / 1 mJ) is lower what costs more than the heuristic's choice."""
    wait_logit: float
    """Of waiting, at first."""


class Scorer(nn.Module):
    """The actor: what is exported.

    ``float32[batch, rows, N_CANDIDATE]`` and ``float32[batch, N_CONTEXT]`` to logits, ``float32[batch, rows]``.
    """

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form
        self.encoder = _Encoder(form.width)
        self.score = nn.Sequential(nn.Linear(2 * form.width, form.width), nn.SiLU(), nn.Linear(form.width, 1))
        with torch.no_grad():
            self.score[-1].weight.mul_(_SMALL)
            self.score[-1].bias.zero_()

    @override
    def forward(self, candidates: Tensor, context: Tensor) -> Tensor:
        encoded = self.encoder(candidates, context)
        common = _mean(encoded, candidates).unsqueeze(1).expand_as(encoded)
        scored: Tensor = self.score(torch.cat((encoded, common), dim=2)).squeeze(2)
        return scored + self._prior(candidates)

    def _prior(self, candidates: Tensor) -> Tensor:
        form, dearer = self._form, candidates[:, :, _DEARER].clamp(min=0.0)
        by_rule = form.rule_logit * candidates[:, :, _IS_RULE] + form.wait_logit * candidates[:, :, _IS_WAIT]
        prior: Tensor = by_rule - form.cost_weight * dearer
        return prior


class Judge(nn.Module):
    """The critic's body, with an encoder of its own: the same to ``float32[batch, width]``."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        width = form.width
        self.encoder = _Encoder(width)
        self.pooled = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    @override
    def forward(self, candidates: Tensor, context: Tensor) -> Tensor:
        encoded = self.encoder(candidates, context)
        highest = (encoded - _FAR * (1.0 - candidates[:, :, _IS_ALLOWED].unsqueeze(2))).amax(dim=1)
        pooled: Tensor = self.pooled(torch.cat((_mean(encoded, candidates), highest), dim=1))
        return pooled


class _Encoder(nn.Module):
    """One layer over candidate and context together, which reads the context once for all, and one more."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_candidate = nn.Linear(N_CANDIDATE, width)
        self.of_context = nn.Linear(N_CONTEXT, width, bias=False)
        self.further = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    @override
    def forward(self, candidates: Tensor, context: Tensor) -> Tensor:
        encoded: Tensor = self.further(self.of_candidate(candidates) + self.of_context(context).unsqueeze(1))
        return encoded


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
    """Return the mean over what may be chosen, ``float32[batch, width]``."""
    allowed = candidates[:, :, _IS_ALLOWED].unsqueeze(2)
    return (encoded * allowed).sum(dim=1) / allowed.sum(dim=1).clamp(min=1.0)
