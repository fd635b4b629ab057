"""A trained generator as a folder to share: ONNX, safetensors and a model card. The command is `make export`."""
