"""Many rows at a time: the bits of draws.normal_rows, in any order and for any index."""

import pytest
import torch

from stages.common import draws
from stages.common.rows_of_draws import normal_rows


@pytest.mark.parametrize("width", [1, 7, 64])
@pytest.mark.parametrize("indices", [range(40), [3, 0, 3, 2**62], [5]])
def test_rows_are_those_that_are_drawn_one_by_one(width: int, indices: list[int]) -> None:
    rows = normal_rows(2, "generate.z", indices, width)
    assert torch.equal(rows, draws.normal_rows(2, "generate.z", indices, width))
    assert rows.dtype == torch.float32
    assert not torch.equal(rows, normal_rows(3, "generate.z", indices, width))
