"""The losses of preferences against formulas written out by hand, and what they do to a bandit."""

import math

import pytest
import torch

from eyas.train.preferences import Answers, bradley_terry, dpo, kto

BETA = 0.3


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def answers(logprobs: list[float], reference: list[float], lengths: list[float]) -> Answers:
    return Answers(torch.tensor(logprobs, requires_grad=True), torch.tensor(reference), torch.tensor(lengths))


@pytest.fixture
def chosen() -> Answers:
    return answers([-3.0, -10.0], [-4.0, -9.0], [2.0, 5.0])


@pytest.fixture
def rejected() -> Answers:
    return answers([-7.0, -2.0], [-5.0, -2.5], [4.0, 1.0])


def test_dpo_and_its_gradient_are_the_papers(chosen: Answers, rejected: Answers) -> None:
    losses = dpo(chosen, rejected, BETA)
    margins = [(-3 + 4) - (-7 + 5), (-10 + 9) - (-2 + 2.5)]
    assert losses.tolist() == pytest.approx([-math.log(sigmoid(BETA * m)) for m in margins], rel=1e-5)
    up, down = torch.autograd.grad(losses.sum(), (chosen.logprobs, rejected.logprobs))
    wanted = [-BETA * sigmoid(-BETA * m) for m in margins]  # eq. 7's gradient, as the paper writes it below
    assert up.tolist() == pytest.approx(wanted, rel=1e-5)
    assert down.tolist() == pytest.approx([-w for w in wanted], rel=1e-5)


def test_length_normalised_dpo_compares_average_tokens(chosen: Answers, rejected: Answers) -> None:
    margins = [1 / 2 - -2 / 4, -1 / 5 - 0.5 / 1]
    wanted = [-math.log(sigmoid(BETA * m)) for m in margins]
    assert dpo(chosen, rejected, BETA, per_token=True).tolist() == pytest.approx(wanted, rel=1e-5)


def test_ipo_is_least_at_its_aim(chosen: Answers, rejected: Answers) -> None:
    margins = [1 / 2 - -2 / 4, -1 / 5 - 0.5 / 1]
    wanted = [(m - 1 / (2 * BETA)) ** 2 for m in margins]
    assert dpo(chosen, rejected, BETA, loss="ipo").tolist() == pytest.approx(wanted, rel=1e-5)
    at_aim = answers([1 / (2 * BETA)], [0.0], [1.0]), answers([0.0], [0.0], [1.0])
    assert dpo(*at_aim, BETA, loss="ipo").item() == pytest.approx(0, abs=1e-10)


def test_kto_feels_gains_and_losses_from_the_drift(chosen: Answers) -> None:
    other = answers([-1.0, -1.0], [-2.0, -3.0], [1.0, 1.0])
    drift = (1 + 2) / 2
    losses = kto(chosen, other, torch.tensor([True, False]), BETA)
    wanted = [1 - sigmoid(BETA * (1 - drift)), 1 - sigmoid(-BETA * (-1 - drift))]
    assert losses.tolist() == pytest.approx(wanted, rel=1e-5)
    gradient = torch.autograd.grad(losses.sum(), chosen.logprobs, allow_unused=False)[0]
    assert gradient[0] < 0 < gradient[1], "a thumb up makes likelier, a thumb down less likely"
    assert other.logprobs.grad is None


def test_kto_never_counts_a_negative_drift(chosen: Answers) -> None:
    far = answers([-9.0, -9.0], [-1.0, -1.0], [1.0, 1.0])
    wanted = torch.tensor([True, True])
    same = answers([-1.0, -1.0], [-1.0, -1.0], [1.0, 1.0])
    assert torch.equal(kto(chosen, far, wanted, BETA), kto(chosen, same, wanted, BETA))


def test_bradley_terry_and_its_centring_are_as_written() -> None:
    losses = bradley_terry(torch.tensor([2.0, -1.0]), torch.tensor([0.5, 1.0]), centring=0.1)
    wanted = [-math.log(sigmoid(1.5)) + 0.1 * 2.5**2, -math.log(sigmoid(-2.0)) + 0.1 * 0.0]
    assert losses.tolist() == pytest.approx(wanted, rel=1e-5)


def test_dpo_on_a_bandit_finds_the_optimum_that_theory_gives() -> None:
    """With true preferences sigma(r_a - r_b), DPO's optimum is pi ~ pi_ref exp(r / beta) (the paper's eq. 4 and 6)."""
    true = torch.tensor([0.0, 0.7, 1.5])
    reference = torch.log_softmax(torch.tensor([0.2, -0.3, 0.1]), 0)
    logits = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-9)
    pairs = [(a, b) for a in range(3) for b in range(3) if a != b]

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        mine = torch.log_softmax(logits, 0)
        ones = torch.ones(1)
        total = sum(
            torch.sigmoid(true[a] - true[b])
            * dpo(
                Answers(mine[a : a + 1], reference[a : a + 1], ones),
                Answers(mine[b : b + 1], reference[b : b + 1], ones),
                1.0,
            )
            for a, b in pairs
        )
        assert isinstance(total, torch.Tensor)
        total.sum().backward()
        return total.sum()

    optimizer.step(closure)
    best = torch.softmax(reference + true, 0)
    assert torch.allclose(torch.softmax(logits.detach(), 0), best, atol=1e-4)
