"""The run as one page that can be opened from disk: figures, pictures, and the generator itself, alive.

The page loads nothing and holds no time, host name or path: the same run gives the same bytes.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from stages.common.files import write_text
from stages.common.params import StageParams, read_params_file
from stages.common.runtime import run_stage
from stages.reporting.page import alive, render
from stages.reporting.run import read_run


class Params(StageParams):
    """The section report of params.yaml."""

    seed: Annotated[int, Field(ge=0, description="of the images in the quiz")]


def run(params: Params, every_param: dict[str, Any], data: Path) -> None:
    """Read what the other stages wrote; write index.html. every_param: all of params.yaml, which the page shows."""
    finished = read_run(data, every_param)
    page = render(finished, params.seed)
    write_text(data / "report" / "index.html", page)
    _, why_not = alive(finished)
    kind = "alive" if why_not is None else f"pictures alone, because {why_not}"
    print(f"data/report/index.html: {len(page) / 1e6:.1f} MB, {kind}")


if __name__ == "__main__":
    run_stage("report", Params, lambda params, data: run(params, read_params_file(), data))
