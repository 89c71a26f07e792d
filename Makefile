# What a newcomer needs: `make demo`, `make test`. Both provide libtorch first (see scripts/provide-libtorch.py).

.PHONY: demo test lint docs bench libtorch python data

demo: libtorch
	cargo run --example quickstart

# Everything: the library with libtorch, the program, and that neither analysis nor program need libtorch.
test: libtorch python
	cargo test --features cli,metrics
	cargo check --no-default-features --features cli

lint: libtorch
	cargo fmt --check
	cargo clippy --features cli,metrics --all-targets -- -D warnings
	cargo clippy --no-default-features --features cli --all-targets -- -D warnings

bench: libtorch
	cargo bench

# As docs.rs builds them: libtorch is not needed.
docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --features tch/doc-only,cli,metrics

libtorch:
	@python3 scripts/provide-libtorch.py

# What docs/queries.md and the fits are tested with.
python:
	@python3 scripts/provide-python.py

# What the examples read, about 120 MB in the user's cache folder (examples/data/README.md).
data:
	@python3 scripts/provide-data.py
