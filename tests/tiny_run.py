"""The profile of tests that run the whole pipeline several times: of every stage something is to be seen."""

from tools.clone import Changes

TINY_RUN: Changes = {
    "normalize": {"limit": 500},
    "train_classifier": {"width": 8, "epochs": 1, "batch_size": 50},
    "train_gan": {
        "width": 8,
        "z_dim": 16,
        "batch_size": 100,
        "total_kimg": 1.0,
        "history_steps": 1,
        "snapshot_kimg": 0.3,
        "device": "cpu",
    },
    "generate": {"num_images": 100},
    "evaluate": {"neighbours": 3, "num_images": 100},
    "track": {"num_images": 100, "neighbours": 3},
    "baseline": {"epochs": 1, "seeds": [1], "batch_size": 50},
}
