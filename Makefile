LOCK = env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL -u UV_FIND_LINKS -u UV_EXTRA_INDEX_URL \
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
