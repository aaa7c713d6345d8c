# Generated from wit/ by `cargo xtask sdk`; do not edit.
"""What follows from the contract."""
