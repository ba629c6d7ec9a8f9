from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="learning needs the `train` extra")
pytest.importorskip("sb3_contrib", reason="learning needs the `train` extra")

from torch import Tensor  # noqa: E402

from meshd.core.candidate import WAIT  # noqa: E402
from meshd.policy.features import features  # noqa: E402
from meshd.policy.layout import N_CANDIDATE, N_CONTEXT, column  # noqa: E402
from policies.network import Form, PartedAdam, Scorer  # noqa: E402
from policies.simulator import Simulator  # noqa: E402
from tests.policies.simulator.playing import play  # noqa: E402
from tests.policies.small_worlds import minute  # noqa: E402

FORM = Form(n_members=2, width=16, temperature_joules=0.05, wait_joules=0.1)


def scorer() -> Scorer:
    torch.manual_seed(1)
    return Scorer(FORM)


def some(n_rows: int) -> tuple[Tensor, Tensor]:
    """Rows that may all be chosen."""
    torch.manual_seed(2)
    candidates, context = torch.randn(3, n_rows, N_CANDIDATE), torch.randn(3, N_CONTEXT)
    candidates[:, :, column("is_allowed")] = 1.0
    return candidates, context


def test_a_candidate_is_scored_alike_wherever_it_stands() -> None:
    candidates, context = some(5)
    order = torch.tensor([3, 0, 4, 2, 1])
    network = scorer()
    torch.testing.assert_close(network(candidates, context)[:, order], network(candidates[:, order], context))


def test_rows_of_zeros_change_nothing() -> None:
    candidates, context = some(4)
    padded = torch.cat((candidates[:, :3], torch.zeros(3, 6, N_CANDIDATE), candidates[:, 3:]), dim=1)
    network = scorer()
    expected, found = network(candidates, context), network(padded, context)
    torch.testing.assert_close(found[:, [0, 1, 2, -1]], expected)


def test_before_anything_is_learned_it_chooses_what_is_predicted_to_cost_least_and_never_waits() -> None:
    network = scorer()
    for choice in play(Simulator(minute())):
        seen, candidates = features(choice.observation, choice.view, choice.now), choice.observation.candidates
        with torch.no_grad():
            logits = network(torch.from_numpy(seen.candidates[None]), torch.from_numpy(seen.context[None]))[0]
        chosen = seen.ways[int(logits.argmax())]
        least_joules = min(candidates[way].prediction.cost for way in seen.ways if way != WAIT)
        assert candidates[chosen].prediction.cost == pytest.approx(least_joules, abs=1e-3)
        assert chosen != WAIT


def test_a_large_gradient_of_one_part_does_not_still_the_other() -> None:
    small, large = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimizer = PartedAdam([[small], [large]], lr=0.1)
    small.grad, large.grad = torch.tensor([1e-3]), torch.tensor([1e6])
    optimizer.step()
    assert small.item() == pytest.approx(large.item(), rel=1e-3)


def test_each_member_learns_by_itself_and_the_mean_is_served() -> None:
    candidates, context = some(4)
    network = scorer()
    costs = network.costs(candidates, context)
    torch.testing.assert_close(network(candidates, context), costs.mean(dim=0) / -FORM.temperature_joules)
    costs[0].sum().backward()
    for shared in (network.encoder.of_candidate, network.encoder.of_context):
        assert shared.weight.grad[: FORM.width].any()
        assert not shared.weight.grad[FORM.width :].any()
    for layer in (network.encoder.further, network.joined, network.score):
        mine, others = layer.weight.grad[0], layer.weight.grad[1]
        assert mine.any()
        assert not others.any()
