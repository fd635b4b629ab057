"""The page that `dvc plots show` and `dvc plots diff` write, which needs no network. The command builds it."""
