"""The pictures of a generator, by the names of their files."""

from stages.generation.pictures import arithmetic, classes, interpolations, samples
from stages.generation.subject import Draw

PICTURES: dict[str, Draw] = {
    "samples.png": samples.draw,
    "classes.png": classes.draw,
    "interpolations.png": interpolations.draw,
    "arithmetic.png": arithmetic.draw,
}
