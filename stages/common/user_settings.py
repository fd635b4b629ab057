"""The user's settings of Python and of the libraries: taken out of a stage, or recorded where they have to stay.

To be applied before torch and numpy load, which read most of them then.
"""

import os
import sys
import warnings

OVERRIDDEN = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    # cuBLAS is deterministic only with a fixed workspace, read at its first call.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    # Back ends of other packages, which torch would load by itself, and fail if one of them does.
    "TORCH_DEVICE_BACKEND_AUTOLOAD": "0",
    # A notebook names its own backend, which is not installed here; pictures are drawn into files.
    "MPLBACKEND": "Agg",
    # An empty file of settings: a user's style would change the pictures.
    "MATPLOTLIBRC": os.devnull,
}
RECORDED = (
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "ATEN_CPU_CAPABILITY",
    "OPENBLAS_CORETYPE",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    # Read before Python starts: which of its kernels the C library's exp and log are, among others.
    "GLIBC_TUNABLES",
    # A GPU or an operation for which torch has no kernels borrows those of another GPU, or of the CPU.
    "HSA_OVERRIDE_GFX_VERSION",
    "PYTORCH_ENABLE_MPS_FALLBACK",
)
"""Variables by which libraries choose other instructions than the processor's best. They stay, because the user needs
them where a processor or an emulator lies about itself, and are part of a run's environment."""
PRELOADED = ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES")
"""Libraries that go before those of torch and numpy; they are loaded already, and recorded too."""
KEPT = (
    *RECORDED,
    # Where things are, and how memory is managed: no influence on what is computed.
    "TORCH_HOME",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_HIP_ALLOC_CONF",
    "PYTORCH_NO_CUDA_MEMORY_CACHING",
    "PYTORCH_MPS_HIGH_WATERMARK_RATIO",
    "PYTORCH_MPS_LOW_WATERMARK_RATIO",
    # For an environment that has OpenMP twice.
    "KMP_DUPLICATE_LIB_OK",
    # For several machines, which the user starts.
    "GLOO_SOCKET_IFNAME",
)
NAMESPACES = (
    # Precision of products and convolutions, choice of kernels, threads, tracing: of torch and what it computes with.
    "TORCH_",
    "PYTORCH_",
    "TORCHINDUCTOR_",
    "ATEN_",
    "ONEDNN_",
    "DNNL_",
    "MKL_",
    "OMP_",
    "GOMP_",
    "KMP_",
    "OPENBLAS_",
    "GOTO_",
    "BLIS_",
    "NPY_",
    "NUMEXPR_",
    "CUBLAS_",
    "CUBLASLT_",
    "CUDNN_",
    "MIOPEN_",
    "ROCBLAS_",
    "HIPBLASLT_",
    "GLOO_",
    # Of Pillow's memory; of progress bars, a wrong one of which ends the import: GAN_PROGRESS switches them.
    "PILLOW_",
    "TQDM_",
)
"""Beginnings of names that belong to libraries. All variables so named are removed but those of KEPT, so that one that
a new version brings has no influence either."""
IGNORED = (
    "NVIDIA_TF32_OVERRIDE",
    "CUDA_FORCE_PTX_JIT",
    "CUDA_DISABLE_PTX_JIT",
    "DISABLE_ADDMM_CUDA_LT",
    "LRU_CACHE_CAPACITY",
    "USE_LIBUV",
    # Of Python, for the processes that a stage starts: errors in place of warnings, a prompt at the end.
    "PYTHONWARNINGS",
    "PYTHONINSPECT",
)
NEEDED_BY_LAUNCHED = ("TORCH_NCCL_",)
"""torch's launcher sets these for the processes that it starts, as a user does for a network of GPUs."""


def _is_ignored(name: str) -> bool:
    if name in KEPT or name.startswith(NEEDED_BY_LAUNCHED):
        return False
    return name in IGNORED or name.startswith(NAMESPACES)


def follow_no_user() -> None:
    """Take the user's settings out of this process and those that it will start."""
    for name in filter(_is_ignored, list(os.environ)):
        del os.environ[name]
    if "NPY_DISABLE_CPU_FEATURES" in os.environ:
        os.environ.pop("NPY_ENABLE_CPU_FEATURES", None)  # with both, numpy refuses to load
    os.environ.update(OVERRIDDEN)
    if sys.flags.ignore_environment:  # python -E, as DVC starts the stages: those that they start are to agree
        for name in [name for name in os.environ if name.startswith("PYTHON")]:
            del os.environ[name]
    if "error" in {option.partition(":")[0] for option in sys.warnoptions}:
        # Libraries warn of what they will change one day; that must not end a run.
        warnings.simplefilter("default")
