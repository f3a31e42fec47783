"""An ordinary training script, made faster by one line.

The network reads a row of coin tosses and says after each one whether more heads than tails have
come. It is trained twice from the same weights on the same rows; the second time, `accelerate` has
been called on it.
"""

import argparse
import time

import torch
from torch import Tensor, nn

import recurra


class Counter(nn.Module):
    """Nothing in it knows of recurra."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.recurrent = nn.GRU(1, hidden_size, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden_size, 1)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.recurrent(x)
        return self.head(y)


def train(model: nn.Module, steps: int) -> tuple[float, Tensor]:
    """The seconds that it took, and the loss of every step."""
    torch.manual_seed(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses, begun = [], time.perf_counter()
    for _ in range(steps):
        tosses = torch.randint(0, 2, (32, 100, 1)) * 2.0 - 1.0
        more_heads = (tosses.cumsum(dim=1) > 0).float()
        loss = nn.functional.binary_cross_entropy_with_logits(model(tosses), more_heads)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return time.perf_counter() - begun, torch.tensor(losses)


def main() -> None:
    """Train as it is, then accelerated, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40, help="of the optimizer")
    parser.add_argument("--hidden-size", type=int, default=64, help="width of the network")
    args = parser.parse_args()
    torch.set_num_threads(1)  # threads that wait for a busy core would make either look bad
    torch.manual_seed(0)
    model, other = Counter(args.hidden_size), Counter(args.hidden_size)
    other.load_state_dict(model.state_dict())

    before, losses = train(model, args.steps)
    print(recurra.accelerate(other))
    after, same = train(other, args.steps)

    print(f"loss {losses[0]:.3f} to {losses[-1]:.3f} in {before:.2f} s as it is")
    print(f"loss {same[0]:.3f} to {same[-1]:.3f} in {after:.2f} s accelerated")
    print(f"{before / after:.1f} times as fast; losses differ by {(losses - same).abs().max():.1e}")


main()
