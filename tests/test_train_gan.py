"""The stage train_gan on real digits: what it writes, what its choices do, and how it fails."""

import hashlib
import io
import json
import math
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image
from ruamel.yaml import YAML
from torch.testing import assert_close

from stages import train_gan
from stages.common.errors import UserError
from stages.common.files import read_tensors
from stages.gan import architectures
from stages.gan.trainer import Trainer
from tests.gan_params import gan_params
from tools.profiles import TRAINING

ROOT = Path(__file__).parents[1]
TINY = {"shards": 2, "total_kimg": 0.2, "lr_g": 0.002, "lr_d": 0.002, "history_steps": 1, "ema_halflife_kimg": 0.1}
"""Five steps; changes of the profile TRAINING."""


def run(data: Path, **changes: Any) -> None:
    train_gan.run(*gan_params(TRAINING, **TINY | changes), data)


@pytest.fixture
def upstream(normalized: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder with the digits, in a working folder that takes the checkpoints."""
    data.mkdir()
    (data / "normalize").symlink_to(normalized / "normalize")
    monkeypatch.chdir(data.parent)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield data
    for number, handler in handlers.items():
        signal.signal(number, handler)


def written(data: Path) -> dict[str, bytes]:
    folder = data / "train_gan"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def declared() -> set[str]:
    """The files that dvc.yaml says this stage writes; `samples` is a folder."""
    stage = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["train_gan"]
    entries = [*stage["outs"], *stage["plots"]]
    names = (next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries)
    return {str(name).removeprefix("data/train_gan/") for name in names}


def history(data: Path) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(written(data)["history.csv"]))


def weights(data: Path) -> dict[str, torch.Tensor]:
    return read_tensors(data / "train_gan" / "generator.safetensors")[0]


def test_writes_what_dvc_expects_and_a_grid_after_each_epoch(upstream: Path) -> None:
    """1,000 digits: 2,040 images end the first and the second epoch, and go on."""
    run(upstream, total_kimg=2.04)
    files = written(upstream)
    samples = {"real.png", "epoch_0001.png", "epoch_0002.png", "final.png"}
    expected = declared() - {"samples"} | {"environment.json"} | {f"samples/{name}" for name in samples}
    assert set(files) == expected
    sizes = set()
    for name in samples:
        with Image.open(io.BytesIO(files[f"samples/{name}"])) as image:
            sizes.add(image.size)
    assert sizes == {(10 * (3 * 28 + 2) + 2,) * 2}
    assert len({files[f"samples/{name}"] for name in samples}) == len(samples)
    found = history(upstream)
    assert found["kimg"].tolist() == pytest.approx([0.04 * step for step in range(1, 52)])
    assert {"d_loss", "g_loss", "real_logits", "fake_logits", "penalty", "d_grad_norm", "g_grad_norm"} < set(found)
    assert found.notna().all().all()


def test_environment_names_the_generator_that_it_describes(upstream: Path) -> None:
    run(upstream)
    files = written(upstream)
    environment = json.loads(files["environment.json"])
    assert environment["generator_sha256"] == hashlib.sha256(files["generator.safetensors"]).hexdigest()
    assert environment["device"] == "cpu"


@pytest.mark.parametrize("conditional", [True, False])
def test_generator_file_rebuilds_the_network_that_it_holds(conditional: bool, upstream: Path) -> None:
    run(upstream, conditional=conditional)
    tensors, meta = read_tensors(upstream / "train_gan" / "generator.safetensors")
    assert meta["classes"] == list("0123456789")
    assert meta["arguments"]["num_classes"] == (10 if conditional else 0)
    generator = architectures.build_generator(meta["network"], meta["arguments"])
    generator.load_state_dict(tensors)
    assert generator.eval()(torch.zeros(3, 8), torch.zeros(3, dtype=torch.int64)).shape == (3, 1, 28, 28)


def test_same_bytes_again_and_others_for_another_seed(upstream: Path) -> None:
    results = []
    for seed in (1, 1, 2):
        run(upstream, seed=seed)
        results.append(written(upstream))
    assert results[0] == results[1]
    differ = {name for name in results[0] if results[0][name] != results[2][name]}
    assert differ >= {"generator.safetensors", "history.csv", "samples/final.png"}
    assert "samples/real.png" not in differ


def test_training_brings_the_samples_nearer_to_the_digits(upstream: Path) -> None:
    """The mean image of the grid of samples against that of real digits: a coarse figure, but one of direction."""
    distances = []
    for total_kimg in (0.04, 3.0):
        run(upstream, total_kimg=total_kimg)
        means = []
        for name in ("real.png", "final.png"):
            with Image.open(upstream / "train_gan" / "samples" / name) as image:
                levels = torch.frombuffer(bytearray(image.convert("L").tobytes()), dtype=torch.uint8)
            cells = levels.view(image.height, image.width)[2:, 2:].float().unfold(0, 28, 30).unfold(1, 28, 30)
            means.append(cells.mean((0, 1)))
        distances.append((means[0] - means[1]).square().mean().item())
    assert distances[1] < 0.5 * distances[0]


def test_number_of_shards_is_part_of_the_result(upstream: Path) -> None:
    """BatchNorm sees a part at a time: why shards is a param, and the number of processes is not."""
    run(upstream, shards=1)
    whole = weights(upstream)
    run(upstream, shards=4)
    assert any(not torch.allclose(value, whole[name], rtol=1e-3) for name, value in weights(upstream).items())


def test_bfloat16_trains_nearly_as_float32(upstream: Path) -> None:
    """Over so few steps; the weights are kept in float32 either way."""
    figures = []
    for precision in ("float32", "bfloat16"):
        run(upstream, precision=precision, lr_g=1e-4, lr_d=1e-4)
        figures.append(history(upstream)[["d_loss", "g_loss"]])
        assert {tensor.dtype for tensor in weights(upstream).values()} <= {torch.float32, torch.int64}
    assert not figures[0].equals(figures[1])
    assert_close(torch.tensor(figures[0].values), torch.tensor(figures[1].values), rtol=0.02, atol=0.02)


@pytest.mark.parametrize(("total_kimg", "steps"), [(0.04, 1), (0.0401, 2), (0.2, 5), (1e-9, 1)])
def test_total_kimg_is_shown_in_full(total_kimg: float, steps: int) -> None:
    params, _ = gan_params(TRAINING, **TINY | {"total_kimg": total_kimg})
    assert params.total_steps == steps == math.ceil(round(total_kimg * 1000 / 40, 9))


def test_batch_must_divide_into_the_shards() -> None:
    with pytest.raises(UserError, match=r"train_gan: expected batch_size to be a multiple of shards \(3\)"):
        gan_params(TRAINING, **TINY | {"shards": 3})


def test_batch_may_be_larger_than_the_dataset(upstream: Path) -> None:
    """Batches walk across the ends of epochs: with 1,000 digits a batch of 1,200 holds some twice."""
    run(upstream, batch_size=1200, total_kimg=1.2)
    assert {"samples/epoch_0001.png", "samples/final.png"} < set(written(upstream))


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_device_that_is_not_there_is_refused_at_once(
    device: str, upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=rf"train_gan\.device: {device} is not available; this machine has cpu"):
        run(upstream, device=device)
    assert not (upstream / "train_gan").exists()


def test_starts_from_the_nets_of_an_earlier_run(upstream: Path) -> None:
    """One step at the smallest learning rate, with an average that forgets at once, hardly moves them."""
    run(upstream, total_kimg=2.0)
    shutil.copytree(upstream / "train_gan", upstream / "init" / "earlier")
    earlier = weights(upstream)
    run(upstream, init_from="earlier", total_kimg=0.04, lr_g=1e-9, lr_d=1e-9)
    for name, tensor in weights(upstream).items():
        if "running" not in name:  # which a step moves however small its learning rate
            assert_close(tensor, earlier[name], rtol=1e-5, atol=1e-5)


def test_a_discriminator_of_packs_is_described_as_such_and_can_be_started_from(upstream: Path) -> None:
    packs = {"packing": 2, "penalties": {}}
    run(upstream, total_kimg=0.04, **packs)
    shapes = {
        name: read_tensors(upstream / "train_gan" / f"{name}.safetensors")[1]["arguments"]["image_shape"]
        for name in ("generator", "discriminator")
    }
    assert shapes == {"generator": [1, 28, 28], "discriminator": [2, 28, 28]}
    (upstream / "init").mkdir()
    (upstream / "train_gan").rename(upstream / "init" / "earlier")
    run(upstream, init_from="earlier", total_kimg=0.04, **packs)
    with pytest.raises(UserError, match=r"discriminator.safetensors: expected image_shape \[1, 28, 28\]"):
        run(upstream, init_from="earlier", total_kimg=0.04)


def test_nets_of_another_width_are_refused_with_nothing_written(upstream: Path) -> None:
    run(upstream)
    (upstream / "init").mkdir()
    (upstream / "train_gan").rename(upstream / "init" / "earlier")
    with pytest.raises(UserError, match=r"generator.safetensors: expected width 8, .*, found width 4; set train_gan"):
        run(upstream, init_from="earlier", width=8)
    assert not written(upstream)


def test_absurd_settings_stop_the_run_at_its_first_step(upstream: Path) -> None:
    with pytest.raises(
        UserError, match=r"^D's loss or gradient is not finite at step 1 \(0.04 kimg\): .*train_gan.penalties"
    ):
        run(upstream, penalties={"r1": 1e300})
    assert set(written(upstream)) == {"history.csv"}
    assert history(upstream).empty


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"lr_d": 0.5}, r"the learning rate is likely too high \(lr_g 0.002, lr_d 0.5\)"),
        ({"penalties": {"r1": 0.0}}, "nothing bounds D's gradient; try train_gan.penalties.r1 1"),
        ({"penalties": {}, "packing": 2}, "nothing bounds D's gradient; try train_gan.clip_weights 0.1"),
        ({}, "try lower train_gan.lr_g and lr_d"),
    ],
)
@pytest.mark.parametrize("player", ["D", "G"])
def test_what_is_not_finite_stops_the_run_with_step_and_likely_cause(
    player: str, changes: dict[str, Any], cause: str, upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three good steps a weight is spoilt, as if the third had overflowed; what was learnt by then is kept."""
    step = Trainer.step

    def spoiled(trainer: Trainer, number: int) -> torch.Tensor:
        if number == 3:
            next(getattr(trainer, player).parameters()).detach().fill_(math.inf)
        return step(trainer, number)

    monkeypatch.setattr(Trainer, "step", spoiled)
    where = r"^[DG]'s loss or gradient is not finite at step 4 \(0.16 kimg\): "
    with pytest.raises(UserError, match=f"{where}{cause}.*history.csv$"):
        run(upstream, **changes)
    assert set(written(upstream)) == {"history.csv"}
    assert len(history(upstream)) == 3


def test_missing_digits_are_told_with_what_to_do(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"train.safetensors is missing; .*dvc repro normalize"):
        run(data)
    assert not data.exists()
