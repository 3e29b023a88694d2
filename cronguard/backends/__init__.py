"""One file per backend; `cronguard.backend` has the contract and the list."""
