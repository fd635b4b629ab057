"""What networks share."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, normalize, one_hot
from torch.nn.utils import parametrize

from stages.common import draws

FIRST_ITERATIONS = 15
"""Of the power method, when spectral normalisation begins: as many as torch runs."""


def unit_mean_square(x: Tensor) -> Tensor:
    """Each row of [B, N] divided by its root mean square (PixelNorm of Karras et al. 2018, "Progressive growing")."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()  # [B, N]


def latent_and_class(z: Tensor, y: Tensor, embedding: nn.Embedding | None) -> Tensor:
    """What G begins with: z [B, z_dim], and beside it the embedding of y, if there is one; each of unit mean square."""
    x = unit_mean_square(z)
    return x if embedding is None else torch.cat([x, unit_mean_square(embedding(y))], dim=1)  # [B, N]


def projection(
    x: Tensor, y: Tensor, head: nn.Linear, embedding: nn.Embedding | None, is_spectral: bool = False
) -> Tensor:
    """Logits from D's features x [B, N], class-conditional by projection (Miyato and Koyama 2018).

    logit = psi(x) + <e_y, x>, equation 3 of the paper, the second term scaled to the size of the first: as it is where
    is_spectral, for both weights then have norm 1. Without an embedding, the first term alone.
    """
    logits = head(x).squeeze(1)
    if embedding is None:
        return logits
    return logits + (embedding(y) * x).sum(1) / (1.0 if is_spectral else math.sqrt(x.shape[1]))  # [B]


def num_halvings(image_shape: list[int], smallest: int) -> int:
    """How often the sides of images [C, H, W] can be halved, until none is over `smallest`; H and W are even."""
    common, count = math.gcd(*image_shape[1:]), 1
    while max(image_shape[1:]) >> count > smallest and not (common >> count) % 2:
        count += 1
    return count


class ReachingTanh(nn.Module):
    """sqrt(2) tanh(x), cut off at -1 and 1: images [B, C, H, W] whose pixels can be wholly black or white.

    Four fifths of a digit's pixels are exactly black, which tanh itself approaches but never reaches; a cut without
    tanh, on the other hand, leaves too few of the faint greys at the edge of a stroke. At the cut the slope is half of
    that at 0.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, to values in [-1, 1]."""
        return (math.sqrt(2) * x.tanh()).clamp(-1, 1)


class ClassBeside(nn.Module):
    """Vectors, or images, with a vector for their class beside them; without classes, they alone.

    kind: `one_hot`, or `embedding` for vectors of the same length that are learned.
    """

    def __init__(self, num_classes: int, kind: str) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.embedding = nn.Embedding(num_classes, num_classes) if num_classes and kind == "embedding" else None

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x float32 [B, N] or [B, N, H, W]; y int64 [B], unread without classes."""
        if not self.num_classes:
            return x
        classes = one_hot(y, self.num_classes).to(x.dtype) if self.embedding is None else self.embedding(y)
        everywhere = classes.view(*classes.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
        return torch.cat([x, everywhere], dim=1)  # [B, N + num_classes] or [B, N + num_classes, H, W]


def bilinear_filter(device: torch.device) -> Tensor:
    """The taps (1, 3, 3, 1) along both axes, of sum 1: [4, 4]."""
    taps = (4 - 2 * (torch.arange(4, dtype=torch.float32, device=device) - 1.5).abs()) / 8
    return taps.view(4, 1) * taps


class FilteredDown(nn.Conv2d):
    """Half the resolution: a bilinear filter and a 1x1 convolution, computed as one strided convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, inputs, H, W], H and W even."""
        return conv2d(x, self.weight * bilinear_filter(x.device), stride=2, padding=1)  # [B, outputs, H / 2, W / 2]


class FilteredUp(nn.Conv2d):
    """Twice the resolution: a 1x1 convolution and bilinear interpolation, computed as one transposed convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, inputs, H, W]."""
        kernel = self.weight.transpose(0, 1) * (4 * bilinear_filter(x.device))
        return conv_transpose2d(x, kernel, stride=2, padding=1)  # [B, outputs, 2 H, 2 W]


class Gain(nn.Module):
    """A factor that is learned, and starts at 0."""

    initial_weight = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return self.weight * x


class SelfAttention(nn.Module):
    """Every place of an image looks at all others (Zhang et al. 2019, "Self-attention GANs", equations 1 to 3).

    Queries and keys have an eighth of the channels, values a half, as in the authors' code; the sum enters with a
    learned factor that starts at 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        few, half = max(1, channels // 8), max(1, channels // 2)
        self.query, self.key = (nn.Conv2d(channels, few, 1, bias=False) for _ in range(2))
        self.value = nn.Conv2d(channels, half, 1, bias=False)
        self.out = nn.Conv2d(half, channels, 1, bias=False)
        self.gain = Gain()

    def forward(self, x: Tensor) -> Tensor:
        """x [B, channels, H, W], to the same shape."""
        query, key, value = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        shares = (query.transpose(1, 2) @ key).softmax(dim=2)  # [B, to, from]
        seen = (value @ shares.transpose(1, 2)).unflatten(2, x.shape[2:])  # no len(x): ONNX has any batch
        return x + self.gain(self.out(seen))


class SpectralNorm(nn.Module):
    """A parametrisation: the weight, as a matrix, divided by an estimate of its largest singular value.

    Miyato et al. 2018, "Spectral normalization for generative adversarial networks", algorithm 1. A forward pass only
    reads the two vectors: they are buffers that `iterate_spectral_norms` moves once a step, for all parts of a batch
    alike. torch's own iterates in every pass, so that the parts would no longer judge by the same weights.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("u", weight.new_zeros(weight.shape[0]))
        self.register_buffer("v", weight.new_zeros(weight[0].numel()))

    def forward(self, weight: Tensor) -> Tensor:
        """weight [outputs, ...], to the same shape."""
        # u^T W v by sums of products, which stay float32 where matrix products are of less precision.
        return weight / (self.u.view(-1, 1) * self.v * weight.flatten(1)).sum()

    @torch.no_grad()
    def iterate(self, weight: Tensor, times: int = 1) -> None:
        """Power iterations on the plain weight, in place."""
        matrix = weight.flatten(1)
        for _ in range(times):
            self.v.copy_(normalize(matrix.T @ self.u, dim=0))
            self.u.copy_(normalize(matrix @ self.v, dim=0))

    @torch.no_grad()
    def initialise(self, weight: Tensor, seed: int, purpose: str) -> None:
        """Draw u, and bring both vectors near those of the initial weight."""
        self.u.copy_(normalize(draws.normal(seed, f"{purpose} u", 0, tuple(self.u.shape)), dim=0))
        self.iterate(weight, FIRST_ITERATIONS)


def spectrally_normalise(net: nn.Module) -> None:
    """Put every linear, convolutional and embedding layer of a net under SpectralNorm, in place."""
    for layer in list(net.modules()):
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding):
            parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight))


def iterate_spectral_norms(net: nn.Module) -> None:
    """One power iteration in every spectrally normalised layer, as the paper has it once a step."""
    for chain in net.modules():
        if isinstance(chain, parametrize.ParametrizationList):
            for part in chain:
                if isinstance(part, SpectralNorm):
                    part.iterate(chain.original)
