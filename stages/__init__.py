"""The stages of the pipeline, one module each, and the libraries they share.

Sums of floats depend on how many threads share them, so every process here computes on one thread, and
the variables that say so must be set before torch and numpy load: this module is imported before both.
Speed comes from more processes, never from more threads.

The user's settings of Python and of the libraries, which are no part of a run's description, are taken out for the
same reason. What makes a processor use fewer instructions stays and is recorded: see gan/environment.py.
"""

import os
import sys
import warnings

PARENT = os.getppid()
"""Who started this process, noted before anything is imported that takes time: see gan/launch.py."""

import psutil  # noqa: E402


def _parent_of(number: int) -> int:
    try:
        return psutil.Process(number).ppid()
    except psutil.Error:
        return 0


GRANDPARENT = _parent_of(PARENT)
"""And who started that, for a shell may stand between DVC and this process."""

OVERRIDDEN = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    # cuBLAS is deterministic only with a fixed workspace, read at its first call.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    # A notebook names its own backend, which is not installed here; pictures are drawn into files.
    "MPLBACKEND": "Agg",
    # An empty file of settings: a user's style would change the pictures.
    "MATPLOTLIBRC": os.devnull,
}
IGNORED = (
    # Precision of products and convolutions, in fewer bits than float32.
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "CUBLAS_EMULATE_SINGLE_PRECISION",
    "CUBLAS_EMULATION_STRATEGY",
    "PYTORCH_MPS_FAST_MATH",
    # Choice of kernels.
    "ONEDNN_CPU_ISA_HINTS",
    "DNNL_CPU_ISA_HINTS",
    "TORCH_MKLDNN_MATMUL_MIN_DIM",
    "TORCH_BLAS_PREFER_CUBLASLT",
    "TORCH_LINALG_PREFER_CUSOLVER",
    "TORCH_CUDNN_V8_API_DISABLED",
    "TORCH_CUDNN_USE_HEURISTIC_MODE_B",
    "DISABLE_ADDMM_CUDA_LT",
    "CUDNN_CONV_WSCAP_DBG",
    "PYTORCH_MPS_PREFER_METAL",
    "PYTORCH_TUNABLEOP_ENABLED",
    "MKL_DEBUG_CPU_TYPE",
    # Threads, and by whom; these go before *_NUM_THREADS or fail beside torch's own choice.
    "MKL_DOMAIN_NUM_THREADS",
    "MKL_DYNAMIC",
    "MKL_THREADING_LAYER",
    "MKL_INTERFACE_LAYER",
    "OMP_DYNAMIC",
    "OMP_THREAD_LIMIT",
    "OMP_PROC_BIND",
    "OMP_PLACES",
    "GOMP_CPU_AFFINITY",
    "KMP_AFFINITY",
    # A wrong value of it ends the import of torch.
    "TORCH_LOGS",
    # Of Python, for the processes that a stage starts: errors in place of warnings, a prompt at the end.
    "PYTHONWARNINGS",
    "PYTHONINSPECT",
)
IGNORED_PREFIXES = ("TQDM_",)
"""Settings of progress bars, of which a wrong one ends the import; GAN_PROGRESS switches them."""


def _follow_no_user() -> None:
    """Take the user's settings out of this process and those that it will start."""
    for name in [*IGNORED, *(name for name in os.environ if name.startswith(IGNORED_PREFIXES))]:
        os.environ.pop(name, None)
    os.environ.update(OVERRIDDEN)
    if sys.flags.ignore_environment:  # python -E, as DVC starts the stages: those that they start are to agree
        for name in [name for name in os.environ if name.startswith("PYTHON")]:
            del os.environ[name]
    if "error" in {option.partition(":")[0] for option in sys.warnoptions}:
        # Libraries warn of what they will change one day; that must not end a run.
        warnings.simplefilter("default")


_follow_no_user()
