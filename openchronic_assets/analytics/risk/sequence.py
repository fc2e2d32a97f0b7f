"""A small recurrent network on monthly counts, to compare with the ladder; needs PyTorch.

On one thread and one seed, so that the same data give the same numbers. It is never kept: the
models that are kept are scikit-learn's.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np
import numpy.typing as npt

from openchronic_assets.analytics.risk import metrics
from openchronic_assets.analytics.risk.features import Floats
from openchronic_assets.errors import UsageError

HIDDEN, EPOCHS, BATCH, PATIENCE = 32, 20, 512, 3


def require() -> None:
    """Say how to install PyTorch where it is not.

    Raises:
        UsageError: it is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise UsageError(
            "the recurrent network needs PyTorch, an extra: pip install 'openchronic[sequences]'"
        )


def fit_and_predict(
    months: Floats,
    fixed: Floats,
    y: npt.NDArray[np.float64],
    rows: dict[str, npt.NDArray[np.int64]],
    seed: int,
) -> npt.NDArray[np.float64]:
    """Train on rows ``train``, stop by the loss of ``validation``, return the risk of all rows.

    ``months`` is (row, month, channel), the oldest month first; ``fixed`` (row, column) is age and
    sex. The loss is that of the classes as they are.
    """
    torch = importlib.import_module("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch.manual_seed(seed)
        scale = np.array([100.0, 1.0], np.float32)
        x, z = torch.from_numpy(months), torch.from_numpy(np.nan_to_num(fixed / scale))
        target = torch.from_numpy(np.nan_to_num(y).astype(np.float32))
        network = _network(torch, months.shape[2], fixed.shape[1], float(y[rows["train"]].mean()))
        optimiser = torch.optim.Adam(network.parameters(), lr=2e-3, weight_decay=1e-4)
        loss = torch.nn.BCEWithLogitsLoss()
        order = np.random.default_rng([seed, 5])
        best, kept, waited = float("inf"), None, 0
        for _ in range(EPOCHS):
            network.train()
            shuffled = order.permutation(rows["train"])
            for start in range(0, len(shuffled), BATCH):
                part = torch.from_numpy(shuffled[start : start + BATCH])
                optimiser.zero_grad()
                loss(network(x[part], z[part]), target[part]).backward()
                optimiser.step()
            held = _risk(torch, network, x, z, rows["validation"])
            now = metrics.log_loss(y[rows["validation"]], held)
            if now < best - 1e-6:
                best, waited = now, 0
                kept = {name: value.clone() for name, value in network.state_dict().items()}
            else:
                waited += 1
                if waited > PATIENCE:
                    break
        if kept is not None:
            network.load_state_dict(kept)
        return _risk(torch, network, x, z, np.arange(len(y)))
    finally:
        torch.set_num_threads(threads)


def _risk(
    torch: Any, network: Any, x: Any, z: Any, rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    network.eval()
    found = []
    with torch.no_grad():
        for start in range(0, len(rows), 4 * BATCH):
            part = torch.from_numpy(rows[start : start + 4 * BATCH])
            found.append(torch.sigmoid(network(x[part], z[part])).numpy())
    return np.concatenate(found).astype(np.float64)


def _network(torch: Any, channels: int, columns: int, rate: float) -> Any:
    class Network(torch.nn.Module):  # type: ignore[misc]
        """A GRU over months; its last state with age, sex and their products gives the risk."""

        def __init__(self) -> None:
            super().__init__()
            self.months = torch.nn.GRU(channels, HIDDEN, batch_first=True)
            self.drop = torch.nn.Dropout(0.2)
            self.fixed = torch.nn.Sequential(torch.nn.Linear(columns, 16), torch.nn.ReLU())
            self.out = torch.nn.Linear(HIDDEN + 16, 1)
            torch.nn.init.constant_(self.out.bias, float(np.log(rate / (1 - rate))))

        def forward(self, x: Any, z: Any) -> Any:
            _, state = self.months(x)
            return self.out(torch.cat([self.drop(state[-1]), self.fixed(z)], dim=1))[:, 0]

    return Network()
