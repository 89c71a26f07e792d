# What a newcomer needs: `make demo`, `make test`. Both provide libtorch first (see scripts/provide-libtorch.py).

.PHONY: demo test fuzz lint docs bench libtorch python data

demo: libtorch
	cargo run --example quickstart

# Everything: the library with libtorch, and the program, which is built without it.
test: libtorch python
	cargo test --features report,metrics
	cargo test -p perrin-cli

# A run's files damaged in every way, and every command tried on each (crates/perrin-cli/tests/fuzz): `make fuzz MINUTES=5 SEED=1`, or
# MUTATIONS=1000; ONLY=7 repeats number 7 and tells of it in full. Needs no libtorch.
MINUTES ?= 5
SEED ?= 1
fuzz:
	CARGO_PROFILE_DEV_OPT_LEVEL=3 PERRIN_FUZZ_SEED=$(SEED) PERRIN_FUZZ_ONLY=$(ONLY) PERRIN_FUZZ_MUTATIONS=$(MUTATIONS) \
	PERRIN_FUZZ_MINUTES=$(if $(MUTATIONS),,$(MINUTES)) cargo test -p perrin-cli --test fuzz

lint: libtorch
	cargo fmt --all --check
	cargo clippy --features report,metrics --all-targets -- -D warnings
	cargo clippy -p perrin-cli --all-targets -- -D warnings
	cargo clippy -p perrin --no-default-features --lib -- -D warnings

bench: libtorch
	cargo bench

# As docs.rs builds them: libtorch is not needed.
docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --features tch/doc-only,report,metrics

libtorch:
	@python3 scripts/provide-libtorch.py

# What docs/queries.md and the fits are tested with.
python:
	@python3 scripts/provide-python.py

# What the examples read, about 120 MB in the user's cache folder (examples/data/README.md).
data:
	@python3 scripts/provide-data.py
